package poolotel_test

import (
	"context"
	"log"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

func ExampleNewTracer() {
	cfg := connector.Config{DSN: "postgres://app@db.example.com/shop"}
	cfg.Tracer = poolotel.NewTracer(
		poolotel.WithServerOf(cfg),
		poolotel.WithoutSpansOf(pooldriver.OpBegin, pooldriver.OpCommit, pooldriver.OpRollback),
	)
	cfg.Comment = poolotel.Comments(poolotel.WithCommentApplication("shop"))
	db, err := connector.Open(cfg)
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	ctx := priority.WithLabel(context.Background(), "checkout")                // of a request, say, with its span
	_, _ = db.ExecContext(ctx, "update cart set paid = true where id = $1", 7) // is the span checkout
}
