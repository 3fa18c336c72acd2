package poolotel_test

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/XSAM/otelsql"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// provider returns a MeterProvider whose numbers are read by r.
func provider(r sdkmetric.Reader) *sdkmetric.MeterProvider {
	return sdkmetric.NewMeterProvider(sdkmetric.WithReader(r), sdkmetric.WithResource(resource.Empty()))
}

// measured registers the pool until the test ends.
func measured(tb testing.TB, pool *connector.Connector, opts ...poolotel.Option) *poolotel.Registration {
	tb.Helper()
	r, err := poolotel.Register(pool, opts...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := r.Unregister(); err != nil {
			tb.Error(err)
		}
	})
	return r
}

// BenchmarkOverhead is what an operation costs on a driver that does nothing: of one goroutine, and of eight a core.
func BenchmarkOverhead(b *testing.B) {
	for _, arm := range []struct {
		name string
		open func(b *testing.B) *sql.DB
	}{
		{"database/sql", func(*testing.B) *sql.DB { return sql.OpenDB(noop{}) }},
		{"poolsql", func(b *testing.B) *sql.DB {
			_, db := onNoop(b, connector.Config{})
			return db
		}},
		{"poolsql+producer", func(b *testing.B) *sql.DB {
			pool, db := onNoop(b, connector.Config{})
			measured(b, pool, poolotel.WithProducer(poolotel.NewProducer()))
			return db
		}},
		{"poolsql+provider", func(b *testing.B) *sql.DB {
			pool, db := onNoop(b, connector.Config{})
			measured(b, pool, poolotel.WithMeterProvider(provider(sdkmetric.NewManualReader())))
			return db
		}},
		{"otelsql+provider", func(*testing.B) *sql.DB {
			return otelsql.OpenDB(noop{}, otelsql.WithMeterProvider(provider(sdkmetric.NewManualReader())))
		}},
	} {
		b.Run(arm.name+"/alone", func(b *testing.B) {
			db := arm.open(b)
			defer db.Close()
			ctx := priority.WithLabel(b.Context(), "checkout")
			b.ReportAllocs()
			for b.Loop() {
				nothing(b, ctx, db)
			}
		})
		b.Run(arm.name+"/parallel", func(b *testing.B) {
			db := arm.open(b)
			defer db.Close()
			db.SetMaxIdleConns(100)
			ctx := priority.WithLabel(context.Background(), "checkout")
			b.SetParallelism(8)
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					nothing(b, ctx, db)
				}
			})
		})
	}
}

// A way is one of those to run statements of PostgreSQL that are held against each other.
type way struct {
	name string
	open func(tb testing.TB, dsn string) *sql.DB
}

// conns is how many connections each way has.
const conns = 8

// pooled opens a pool that is measured with these options; without any, it is not.
func pooled(opts ...poolotel.Option) func(testing.TB, string) *sql.DB {
	return func(tb testing.TB, dsn string) *sql.DB {
		tb.Helper()
		db, err := connector.Open(connector.Config{DSN: dsn, MaxConns: conns})
		if err != nil {
			tb.Fatal(err)
		}
		if len(opts) > 0 {
			pool, err := connector.FromDB(db)
			if err != nil {
				tb.Fatal(err)
			}
			measured(tb, pool, opts...)
		}
		return db
	}
}

// plainSQL opens pgx's driver, which poolsql's own brings along.
func plainSQL(tb testing.TB, dsn string) *sql.DB { return limited(tb)(sql.Open("pgx", dsn)) }

func withOtelsql(tb testing.TB, dsn string) *sql.DB {
	return limited(tb)(otelsql.Open("pgx", dsn, otelsql.WithMeterProvider(provider(sdkmetric.NewManualReader()))))
}

func limited(tb testing.TB) func(*sql.DB, error) *sql.DB {
	return func(db *sql.DB, err error) *sql.DB {
		tb.Helper()
		if err != nil {
			tb.Fatal(err)
		}
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db
	}
}

// selectOne has 64 goroutines select 1, n times in all.
func selectOne(tb testing.TB, db *sql.DB, n int) {
	ctx := priority.WithLabel(tb.Context(), "one")
	var left atomic.Int64
	left.Store(int64(n))
	var wg sync.WaitGroup
	for range 64 {
		wg.Go(func() {
			for left.Add(-1) >= 0 {
				var one int
				if err := db.QueryRowContext(ctx, "select 1").Scan(&one); err != nil {
					tb.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// BenchmarkSelectOne is what 64 goroutines get of PostgreSQL through 8 connections.
func BenchmarkSelectOne(b *testing.B) {
	dsn := testdb.New(b).DSN
	for _, w := range ways() {
		b.Run(w.name, func(b *testing.B) {
			db := w.open(b, dsn)
			defer db.Close()
			selectOne(b, db, 1000)
			b.ReportAllocs()
			b.ResetTimer()
			selectOne(b, db, b.N)
		})
	}
}

// ways are those that run statements with and without numbers.
func ways() []way {
	return []way{
		{"database/sql", plainSQL},
		{"poolsql", pooled()},
		{"poolsql+producer", pooled(poolotel.WithProducer(poolotel.NewProducer()))},
		{"poolsql+provider", pooled(poolotel.WithMeterProvider(provider(sdkmetric.NewManualReader())))},
		{"otelsql+provider", withOtelsql},
	}
}

// BenchmarkSelectOneInTurns is the same where the differences are smaller than those between two runs on a shared machine:
// each iteration has every way run 2,000 statements, in changing order, and what is reported is the middle one of the
// ratios of database/sql's time to the way's time next to it: above 1 is faster. Run it with -benchtime 200x.
func BenchmarkSelectOneInTurns(b *testing.B) {
	dsn := testdb.New(b).DSN
	all := ways()
	dbs := make([]*sql.DB, len(all))
	for i, w := range all {
		dbs[i] = w.open(b, dsn)
		defer dbs[i].Close()
		selectOne(b, dbs[i], 1000)
	}
	ratios := make([][]float64, len(all))
	took := make([]float64, len(all))
	b.ResetTimer()
	for round := range b.N {
		for i := range all {
			at := (round + i) % len(all)
			began := time.Now()
			selectOne(b, dbs[at], 2000)
			took[at] = float64(time.Since(began))
		}
		for i := range all {
			ratios[i] = append(ratios[i], took[0]/took[i])
		}
	}
	for i, w := range all[1:] {
		r := ratios[i+1]
		slices.Sort(r)
		b.ReportMetric(r[len(r)/2], w.name+":x")
	}
}

// BenchmarkScrape is what a scrape costs of a pool with 100 connections in use, 50 labels and 20 tenants, text and all:
// where nothing fails, where each label fails in one way, and with as many series as there can be.
func BenchmarkScrape(b *testing.B) {
	for _, load := range []struct {
		name   string
		errors int // of each label
	}{{"sound", 0}, {"failing", 1}, {"full", 5}} {
		b.Run(load.name, func(b *testing.B) {
			pool, db := onNoop(b, connector.Config{MaxConns: 100})
			h, err := poolotel.NewHandler([]*connector.Connector{pool})
			if err != nil {
				b.Fatal(err)
			}
			defer h.Close()
			for i := range 100 {
				conn, err := db.Conn(b.Context())
				if err != nil {
					b.Fatal(err)
				}
				defer conn.Close()
				if _, err := conn.ExecContext(b.Context(), "nothing"); err != nil {
					b.Fatal(err)
				}
				pool.Tell(lifecycle.Event{Kind: lifecycle.KindOperation, Label: fmt.Sprint("label ", i%50), Duration: 1e6, Count: 1})
				pool.Tell(lifecycle.Event{Kind: lifecycle.KindRelease, Tenant: fmt.Sprint("tenant ", i%20), Duration: 1e6})
				for code := range load.errors {
					pool.Tell(lifecycle.Event{
						Kind: lifecycle.KindError, Label: fmt.Sprint("label ", i%50), Code: fmt.Sprintf("%05d", code),
					})
				}
			}
			text := scrape(b, h, openMetrics)
			b.ReportAllocs()
			for b.Loop() {
				_ = scrape(b, h, openMetrics)
			}
			b.ReportMetric(float64(strings.Count(text, "\n")-strings.Count(text, "\n#")), "series")
			b.ReportMetric(float64(len(text)), "bytes")
		})
	}
}
