package pooldriver_test

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/testdb"
)

// A thousand callers ask the same of a database at once, which takes 20 ms for it; an operation is such a crowd.
func BenchmarkAThousandIdenticalReads(b *testing.B) {
	const callers = 1000
	db, err := poolsql.Open(poolsql.Config{DSN: testdb.New(b).DSN, MaxConns: 8})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	c, err := poolsql.FromDB(db)
	if err != nil {
		b.Fatal(err)
	}
	if err := c.Warmup(b.Context(), 8); err != nil {
		b.Fatal(err)
	}
	for _, share := range []bool{false, true} {
		name, ctx := "alone", b.Context()
		if share {
			name, ctx = "shared", poolsql.WithCoalescing(ctx, poolsql.Coalescing{})
		}
		b.Run(name, func(b *testing.B) {
			before := c.Stats().QueryCount
			var took []time.Duration
			for b.Loop() {
				took = append(took, crowd(b, callers, func(ctx context.Context) error {
					var n int
					return db.QueryRowContext(ctx, "select 1 from pg_sleep(0.02)").Scan(&n)
				}, ctx)...)
			}
			slices.Sort(took)
			at := func(p int) float64 { return float64(took[len(took)*p/1000]) / float64(time.Millisecond) }
			b.ReportMetric(at(500), "p50-ms")
			b.ReportMetric(at(990), "p99-ms")
			b.ReportMetric(float64(took[len(took)-1])/float64(time.Millisecond), "max-ms")
			b.ReportMetric(float64(c.Stats().QueryCount-before)/float64(len(took)/callers), "executions")
		})
	}
}

// crowd has so many call f at once, and returns how long each took.
func crowd(b *testing.B, callers int, f func(context.Context) error, ctx context.Context) []time.Duration { //nolint:revive // the context is a parameter of the calls
	b.Helper()
	took := make([]time.Duration, callers)
	var all sync.WaitGroup
	for i := range took {
		all.Go(func() {
			began := time.Now()
			if err := f(ctx); err != nil {
				b.Error(err)
			}
			took[i] = time.Since(began)
		})
	}
	all.Wait()
	return took
}

// What sharing itself costs a caller who is alone, beside the query.
func BenchmarkSharedQuery(b *testing.B) {
	db, err := poolsql.Open(poolsql.Config{Connector: instant{}})
	if err != nil {
		b.Fatal(err)
	}
	defer db.Close()
	ctx := poolsql.WithCoalescing(context.Background(), poolsql.Coalescing{})
	for _, keys := range []int{1, 1000} {
		b.Run(fmt.Sprintf("%d-keys", keys), func(b *testing.B) {
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				rows, err := db.QueryContext(ctx, "select n from item where id = $1", i%keys)
				if err != nil {
					b.Fatal(err)
				}
				rows.Close()
			}
		})
	}
}
