package poolotel_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil/promlint"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// flood tells the pool of callers with more labels, tenants and errors than there is room for.
func flood(pool *connector.Connector, labels, tenants, codes int) {
	for i := range labels {
		e := lifecycle.Event{Kind: lifecycle.KindOperation, Label: fmt.Sprintf("label %04d", i), Duration: 1e6, Count: 1}
		pool.Tell(e)
		e.Kind = lifecycle.KindError
		for c := range codes {
			e.Code = fmt.Sprintf("%05d", c)
			pool.Tell(e)
		}
		e.Code = "something else"
		pool.Tell(e)
	}
	pool.Tell(lifecycle.Event{Kind: lifecycle.KindOperation})
	pool.Tell(lifecycle.Event{Kind: lifecycle.KindError, Code: "x"})
	for i := range tenants {
		pool.Tell(lifecycle.Event{Kind: lifecycle.KindRelease, Tenant: fmt.Sprint("tenant ", i), Duration: 1e6})
	}
	pool.Tell(lifecycle.Event{Kind: lifecycle.KindRelease})
	pool.Tell(lifecycle.Event{Kind: lifecycle.KindHealthCheck, Count: 50})
	pool.NotePgBouncer(connector.PgBouncerStats{Up: true})
}

func TestTheNumberOfSeriesIsBoundedAsDocumented(t *testing.T) {
	if got := poolotel.SeriesBound(); got != 3575 {
		t.Errorf("the bound is %d; the documentation says 3,575", got)
	}
	for _, opts := range [][]poolotel.Option{
		nil,
		{poolotel.WithTemplateNames()},
		{poolotel.WithMaxLabels(3), poolotel.WithMaxTenants(2), poolotel.WithMaxErrorSeries(5), poolotel.WithBuckets(1, 2, 3)},
		{poolotel.WithMaxLabels(0), poolotel.WithMaxTenants(0), poolotel.WithMaxErrorSeries(0)},
	} {
		pool, _ := onNoop(t, connector.Config{})
		h, err := poolotel.NewHandler([]*connector.Connector{pool}, opts...)
		if err != nil {
			t.Fatal(err)
		}
		defer h.Close()
		flood(pool, 200, 100, 5)
		bound := poolotel.SeriesBound(opts...)
		if got := len(samples(t, scrape(t, h, plainText))); got != bound {
			t.Errorf("a flood makes %d series, the bound is %d", got, bound)
		}
	}
}

// hostile are labels that nobody should use.
var hostile = []string{
	other, "", "a\xffb", "a\xfeb", "\x00", `quote " and \`, "line\nbreak\r", "} 1\nfake_total 7", "\xed\xa0\x80", "\u202e",
	strings.Repeat("long ", 1<<16), "le", "{", `",le="`, "é", "日本", "\u0085\u2028",
}

const other = "other"

func TestNoLabelBreaksAScrape(t *testing.T) {
	pool, db := onNoop(t, connector.Config{Name: "pool\xff\n\"\x00"})
	h, err := poolotel.NewHandler([]*connector.Connector{pool}, poolotel.WithTemplateNames())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	for _, name := range hostile {
		ctx := priority.WithTenant(priority.WithLabel(t.Context(), name), name)
		nothing(t, ctx, db)
		pool.Tell(lifecycle.Event{Kind: lifecycle.KindError, Label: name, Code: name})
	}
	for _, format := range []string{plainText, openMetrics} {
		text := scrape(t, h, format)
		if i := strings.IndexFunc(text, func(r rune) bool { return r == 0 || r == '\r' }); i >= 0 {
			t.Errorf("there is %q in the scrape", text[i])
		}
		if strings.Contains(text, "\nfake_total") {
			t.Error("a label made a series")
		}
		if format == plainText {
			lint(t, text)
		}
	}
	expect(t, samples(t, scrape(t, h, plainText)), float64(2*len(hostile)), "db_client_operation_duration_seconds_count")
}

// lint fails the test if Prometheus's own parser does not read text, or its linter finds fault with a name that is ours to
// choose.
func lint(t *testing.T, text string) {
	t.Helper()
	problems, err := promlint.New(strings.NewReader(text)).Lint()
	if err != nil {
		t.Fatalf("Prometheus cannot read the scrape: %v", err)
	}
	for _, p := range problems {
		// The template's names and OpenTelemetry's are not ours to choose.
		if !strings.HasPrefix(p.Metric, "db_pool_") && p.Metric != "db_client_connection_count" {
			t.Errorf("%s: %s", p.Metric, p.Text)
		}
	}
}

// failing is a driver to which nobody can connect.
type failing struct{ noop }

func (failing) Connect(context.Context) (driver.Conn, error) { return nil, errors.New("nobody home") }

func TestTheTemplatesSeriesMeanWhatTheySay(t *testing.T) {
	pool, db := onNoop(t, connector.Config{MaxConns: 8})
	h, err := poolotel.NewHandler([]*connector.Connector{pool}, poolotel.WithTemplateNames())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	ctx := priority.WithLabel(t.Context(), "checkout")
	nothing(t, ctx, db)
	if _, err := db.PrepareContext(ctx, "fails"); err == nil {
		t.Fatal("a driver without statements prepared one")
	}
	ended, cancel := context.WithCancel(ctx)
	cancel()
	if err := pool.Ping(ended); err == nil {
		t.Fatal("a context that has ended did not matter")
	}
	held, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Close()
	if _, err := held.ExecContext(ctx, "nothing"); err != nil {
		t.Fatal(err)
	}
	all := samples(t, scrape(t, h, plainText))
	expect(t, all, 1, "db_pool_connections_total")
	expect(t, all, 1, "db_pool_connections_active")
	expect(t, all, 0, "db_pool_connections_idle")
	expect(t, all, 12.5, "db_pool_utilization_percent") // of the maximum, not of what is open
	expect(t, all, 3, "db_pool_acquire_total")
	expect(t, all, 2, "db_pool_release_total")
	expect(t, all, 1, "db_pool_errors_total", `type="query"`)
	expect(t, all, 1, "db_pool_errors_total", `type="acquire"`)
	expect(t, all, 3, "db_pool_acquire_duration_seconds_count") // those that did not wait too
	expect(t, all, 3, "db_pool_query_duration_seconds_count", `query_type="checkout"`)

	down := connector.NewConnector(connector.Config{Name: "down", Connector: failing{}})
	defer down.Close()
	if _, err := h.Register(down); err != nil {
		t.Fatal(err)
	}
	if err := down.Ping(t.Context()); err == nil {
		t.Fatal("somebody is home")
	}
	all = samples(t, scrape(t, h, plainText))
	if total(all, "db_pool_errors_total", `"down"`, `type="connect"`) == 0 {
		t.Error("the failure to connect is no error")
	}
}
