package connector_test

import (
	"context"
	"log"

	"github.com/poolsql/poolsql/connector"
)

// Before a program takes requests, its connections are open, have prepared what most of them run, and the server has the
// tables in memory that most of them read.
func ExampleConnector_WarmCaches() {
	db, err := connector.Open(connector.Config{
		DSN:               "postgres://app@localhost/shop",
		MaxConns:          20,
		MinConns:          5,
		Prewarm:           []string{"set jit = off"},
		PrewarmStatements: []string{"select price from item where id = $1"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	pool, err := connector.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}
	ctx := context.Background()
	if err := pool.Warmup(ctx, 10); err != nil {
		log.Fatal(err)
	}
	if _, err := pool.WarmCaches(ctx, "item", "item_pkey"); err != nil {
		log.Print(err) // only slower
	}
	for _, c := range pool.Connections() {
		log.Printf("connection %d has %d statements prepared, hit rate %.2f", c.ID, c.Prepared, c.StatementHitRate())
	}
}
