package connector_test

import (
	"context"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// everyFeature is a pool on which everything is on that decides who waits, who shares and where a call goes.
func everyFeature() connector.Config {
	return connector.Config{
		HighReserve:        1,
		MaxConns:           8,
		MaxWaiting:         10_000,
		Shedding:           priority.ShedOn,
		TenantWeights:      priority.Weights{"acme": 2, "globex": 1},
		TenantMaxConns:     6,
		TenantMaxWaiting:   1000,
		SlowThreshold:      time.Second,
		SlowShare:          25,
		CoalesceMaxWaiters: 1000,
		CoalesceMaxBytes:   1 << 20,
		CoalesceMaxAge:     time.Millisecond,
	}
}

// withEverything is a call that says all about itself that one can.
func withEverything(ctx context.Context) context.Context {
	ctx = priority.WithTenant(priority.WithLabel(ctx, "orders.read"), "acme")
	ctx = priority.WithAffinity(priority.WithUser(ctx, "somebody"), "acme")
	return priority.WithOwner(priority.WithClass(ctx, priority.High))
}

// BenchmarkFeatures is what it costs to have everything on, on a driver that does nothing and with nobody else there: with calls
// that say nothing of themselves, with such that do, and with a replica to choose by what the statement is. The promise is 500 ns
// at most, routes aside.
func BenchmarkFeatures(b *testing.B) {
	routed := everyFeature()
	routed.Routes = []connector.Route{{Name: "replica", Config: connector.Config{Connector: idleConnector{}}}}
	routed.ClassifyReads = true
	for _, bench := range []struct {
		name   string
		config connector.Config
		ctx    context.Context
	}{
		{"off", connector.Config{MaxConns: 8}, context.Background()},
		{"off,calls say", connector.Config{MaxConns: 8}, withEverything(context.Background())},
		{"on", everyFeature(), context.Background()},
		{"on,calls say", everyFeature(), withEverything(context.Background())},
		{"on,calls say,routes", routed, priority.WithBookmark(withEverything(context.Background()), &priority.Bookmark{})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			bench.config.Connector = idleConnector{}
			db, err := connector.Open(bench.config)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.ExecContext(bench.ctx, "select 1"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
