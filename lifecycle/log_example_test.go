package lifecycle_test

import (
	"log/slog"
	"os"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func ExampleNewLogger() {
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	to := slog.New(slog.NewTextHandler(os.Stdout, &slog.HandlerOptions{ReplaceAttr: withoutTime}))
	logger := lifecycle.NewLogger(to, lifecycle.LogOptions{Burst: 1})
	defer logger.Flush()

	for range 3 { // a pool's Config.Observer is told such things
		logger.Observe(lifecycle.Event{Kind: lifecycle.KindRefuse, Pool: "orders", Class: priority.Low, Refusal: priority.QueueFull})
	}
	logger.Flush()

	// Output:
	// level=WARN msg="poolsql: caller turned away" poolsql.event=refuse db.client.connection.pool.name=orders poolsql.class=low poolsql.reason="queue full" poolsql.wait_time=0
	// level=WARN msg="poolsql: caller turned away, and more of the same" poolsql.event=refuse db.client.connection.pool.name=orders poolsql.reason="queue full" poolsql.omitted=2 poolsql.interval=0
}
