package poolotel_test

import (
	"context"
	"database/sql"
	"flag"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

var update = flag.Bool("update", false, "write the golden files anew")

// onServer returns a pool on a database of the test's own, and a *sql.DB on the pool.
func onServer(t *testing.T, cfg connector.Config) (*connector.Connector, *sql.DB) {
	t.Helper()
	if cfg.DSN == "" {
		cfg.DSN = testdb.New(t).DSN
	}
	pool := connector.NewConnector(cfg)
	db := sql.OpenDB(pool)
	t.Cleanup(func() {
		db.Close()
		<-pool.Done()
	})
	if err := pool.Err(); err != nil {
		t.Fatal(err)
	}
	return pool, db
}

// play has the pool do a bit of everything.
func play(t *testing.T, pool *connector.Connector, db *sql.DB) {
	t.Helper()
	ctx := priority.WithTenant(priority.WithLabel(t.Context(), "checkout"), "acme")
	for range 3 {
		readAll(t, ctx, db, "select generate_series(1, 5)")
	}
	if _, err := db.ExecContext(ctx, "select 1/0"); err == nil {
		t.Fatal("1/0 is something")
	}
	if _, err := db.ExecContext(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	if len(pool.Routes()) > 0 {
		readAll(t, priority.WithReadOnly(ctx), db, "select 1")
	}
	pool.Tell(lifecycle.Event{Kind: lifecycle.KindHealthCheck, Count: 93})
	pool.NotePgBouncer(connector.PgBouncerStats{Up: true, ClientsActive: 2, ServersActive: 1})
}

// readAll runs a query and reads its rows.
func readAll(t testing.TB, ctx context.Context, db *sql.DB, query string) {
	t.Helper()
	rows, err := db.QueryContext(ctx, query)
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if err := rows.Close(); err != nil {
		t.Fatal(err)
	}
}

// TestAScrapeHasTheNamesUnitsAndLabelsOfTheGoldenFile is the contract with dashboards and alerts: whatever changes in
// testdata/metrics.txt may break somebody's.
func TestAScrapeHasTheNamesUnitsAndLabelsOfTheGoldenFile(t *testing.T) {
	testdb.NoLeaks(t)
	pool, db := onServer(t, connector.Config{
		Name: "app", MaxConns: 4, AdaptiveLimit: true, DSN: testdb.New(t).TCPDSN, Routes: []connector.Route{{Name: "reads"}},
	})
	h, err := poolotel.NewHandler([]*connector.Connector{pool}, poolotel.WithTemplateNames())
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	play(t, pool, db)

	got := mask(scrape(t, h, plainText))
	const file = "testdata/metrics.txt"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("the scrape differs from %s (if that is meant, run this test with -update):\n%s", file, difference(got, string(want)))
	}
}

var (
	valueOf  = regexp.MustCompile(`(?m)^([^#].*) [^ ]+$`)
	serverOf = regexp.MustCompile(`(db_namespace|server_address|server_port)="[^"]*"`)
)

// mask replaces the values, and what is of this server only.
func mask(text string) string {
	return serverOf.ReplaceAllString(valueOf.ReplaceAllString(text, "$1 #"), `$1="#"`)
}

// difference returns the lines that are in one of them only.
func difference(got, want string) string {
	g, w := strings.Split(got, "\n"), strings.Split(want, "\n")
	var b strings.Builder
	for _, l := range w {
		if !slices.Contains(g, l) {
			b.WriteString("- " + l + "\n")
		}
	}
	for _, l := range g {
		if !slices.Contains(w, l) {
			b.WriteString("+ " + l + "\n")
		}
	}
	return b.String()
}
