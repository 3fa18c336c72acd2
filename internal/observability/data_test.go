package observability_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/observability/dashboard"
	"github.com/poolsql/poolsql/internal/observability/grafana"
	"github.com/poolsql/poolsql/internal/observability/prometheus"
	"github.com/poolsql/poolsql/internal/observability/rules"
	"github.com/poolsql/poolsql/internal/testdb"
)

// variables are what Grafana would put in their place: of each variable All, and the shortest interval.
var variables = strings.NewReplacer(
	"$job", ".*", "$instance", ".*", "$pool", ".*", "$class", ".*", "$__rate_interval", "5s", "${datasource}", "prometheus",
)

// TestEveryExpressionHasData asks a real Prometheus, which scrapes a pool that is busy, for what each panel and each recording
// rule shows. What alerts ask for has data when they fire, which is another test.
func TestEveryExpressionHasData(t *testing.T) {
	testdb.NoLeaks(t)
	s := newSite(t)
	busy(s, testdb.New(t).DSN)
	p := prometheus.Start(t, prometheus.Config{
		Every: scrapeEvery, Job: "app", Targets: []string{s.address()}, Rules: [][]byte{yamlOf(t, rules.Recording(pace)), yamlOf(t, rules.Alerts(pace))},
	})

	missing := make(map[string]string) // what has no data yet, by expression
	for _, panel := range dashboard.New().Panels {
		if panel, ok := panel.(*grafana.Panel); ok {
			for _, target := range panel.Targets {
				missing[variables.Replace(target.Expr)] = "the panel " + panel.Title
			}
		}
	}
	for _, r := range rules.Recording(pace).Groups[0].Rules {
		missing[r.Record] = "the rule " + r.Record
	}
	if len(missing) < 50 {
		t.Fatalf("only %d expressions", len(missing))
	}
	began := time.Now()
	for ; len(missing) > 0 && time.Since(began) < 40*time.Second; time.Sleep(scrapeEvery) {
		for expr := range missing {
			has, err := hasData(t.Context(), p, expr)
			if err != nil {
				t.Fatalf("%s: %v", missing[expr], err)
			}
			if has {
				delete(missing, expr)
			}
		}
	}
	for expr, who := range missing {
		t.Errorf("%s has no data: %s", who, expr)
	}
	for _, histogram := range []string{"db_client_operation_duration_seconds", "poolsql_queue_wait_seconds", "db_client_connection_wait_time_seconds"} {
		if n, err := p.Exemplars(t.Context(), histogram+"_bucket"); n == 0 || err != nil {
			t.Errorf("%s: %d exemplars with the id of a trace, %v", histogram, n, err)
		}
	}
	requireHealthyRules(t, p)
	requireValues(t, p)
}

// hasData reports whether an expression has a value that is a number.
func hasData(ctx context.Context, p *prometheus.Server, expr string) (bool, error) {
	samples, err := p.Query(ctx, expr)
	for _, sample := range samples {
		if !math.IsNaN(sample.Value) {
			return true, err
		}
	}
	return false, err
}

// requireValues holds what each variable of the dashboard asks for against what there is.
func requireValues(t *testing.T, p *prometheus.Server) {
	t.Helper()
	for _, expr := range []string{
		`count by (job) (db_client_connection_max)`, `count by (instance) (db_client_connection_max{job="app"})`,
		`count by (db_client_connection_pool_name) (db_client_connection_max{job="app"})`,
		`count by (poolsql_class) (poolsql_queue_length{db_client_connection_pool_name="busy"})`,
	} {
		if has, err := hasData(t.Context(), p, expr); !has || err != nil {
			t.Errorf("%s has no values: %v", expr, err)
		}
	}
}

// traceOf is a context with a span that is sampled.
func traceOf(ctx context.Context) context.Context {
	var id trace.TraceID
	var span trace.SpanID
	for i := range id {
		id[i], span[i%len(span)] = byte(rand.IntN(255)+1), byte(rand.IntN(255)+1)
	}
	return trace.ContextWithSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{TraceID: id, SpanID: span, TraceFlags: trace.FlagsSampled}))
}

// busy opens a pool in which all happens that there is a panel for.
func busy(s *site, dsn string) {
	db, pool := s.open(poolsql.Config{
		Name: "busy", DSN: dsn, MaxConns: 4, MinConns: 1, HighReserve: 1, MaxWaiting: 20, LeakThreshold: 200 * time.Millisecond,
		MaxConnLifetime: time.Second, // so that connections are opened all the time
		Routes:          []poolsql.Route{{Name: "reads", Config: poolsql.Config{MaxConns: 4, AdaptiveLimit: true}}},
	})
	pool.NotePgBouncer(connector.PgBouncerStats{Up: true, ClientsActive: 1, ServersActive: 1})
	monitor, err := health.New(pool, health.Config{Interval: time.Second, Window: 10 * time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	monitor.Start()
	s.t.Cleanup(func() { _ = monitor.Close() })
	c, ctx := newCrowd(s.t)
	c.come(ctx, 2, 10*time.Millisecond, as(poolsql.High, "page", func(ctx context.Context) error {
		return query(traceOf(poolsql.WithTenant(ctx, "acme")), db, "select $1::int", 1)
	}))
	c.come(ctx, 4, 10*time.Millisecond, as(poolsql.Normal, "order", func(ctx context.Context) error {
		return query(traceOf(poolsql.WithTenant(ctx, fmt.Sprint("tenant-", rand.IntN(4)))), db, "select pg_sleep(0.005), $1::int", 1)
	}))
	c.come(ctx, 40, 20*time.Millisecond, within(150*time.Millisecond, as(poolsql.Low, "report", exec(db, "select pg_sleep(0.05)"))))
	c.come(ctx, 1, 100*time.Millisecond, as(poolsql.Normal, "wrong", exec(db, "select * from nowhere")))
	c.come(ctx, 1, 500*time.Millisecond, exec(db, "select pg_sleep(0.4)")) // a leak
	c.come(ctx, 1, 200*time.Millisecond, within(100*time.Millisecond, as(poolsql.High, "canceled", exec(db, "select pg_sleep(10)"))))
	readAlso(ctx, c, func(ctx context.Context) error { return query(ctx, db, "select $1::int", 2) })
	c.come(ctx, 1, 200*time.Millisecond, nestedCall(db))
	c.come(ctx, 1, 200*time.Millisecond, retriedCall(db))
}

// query reads the rows of a query.
func query(ctx context.Context, db *sql.DB, text string, args ...any) error {
	rows, err := db.QueryContext(ctx, text, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		continue
	}
	return rows.Err()
}

// nestedCall asks for a connection while it holds one.
func nestedCall(db *sql.DB) func(context.Context) error {
	return func(ctx context.Context) error {
		ctx = poolsql.WithPriority(poolsql.WithOwner(ctx), poolsql.High)
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		return errors.Join(exec(db, "select 1")(ctx), tx.Rollback())
	}
}

// retriedCall fails as if it had lost against another transaction, and may be tried again.
func retriedCall(db *sql.DB) func(context.Context) error {
	return func(ctx context.Context) error {
		return exec(db, "do $$ begin raise exception 'lost' using errcode = '40001'; end $$")(poolsql.WithRetries(ctx, 2))
	}
}
