package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

func TestWarmCachesReadsTablesAndWithTheExtensionIndexesIntoTheServersBuffers(t *testing.T) {
	t.Parallel()
	var events recorder
	db, c := open(t, connector.Config{MaxConns: 1, Observer: &events})
	for _, sql := range []string{
		`create schema "Odd one"`, `create table "Odd one"."a;b" (n int primary key, filler text)`,
		`insert into "Odd one"."a;b" select i, repeat('x', 500) from generate_series(1, 1000) i`,
	} {
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	table, index := `"Odd one"."a;b"`, `"Odd one"."a;b_pkey"`
	got, err := c.WarmCaches(t.Context(), table)
	if err != nil || len(got) != 1 || got[0].Blocks < 60 || got[0].Buffered || got[0].Relation != table {
		t.Errorf("without the extension: %+v, %v", got, err)
	}
	var pgErr *pgconn.PgError
	got, err = c.WarmCaches(t.Context(), table, index)
	if !errors.As(err, &pgErr) || len(got) != 1 {
		t.Errorf("an index without the extension: %+v, %v", got, err)
	}
	for _, wrong := range []string{"nowhere", "a; drop table b", ""} {
		if got, err := c.WarmCaches(t.Context(), wrong); err == nil || len(got) != 0 {
			t.Errorf("%q: %+v", wrong, got)
		}
	}
	if _, err := db.Exec(`create extension pg_prewarm schema "Odd one"`); err != nil {
		t.Skip("the server has no pg_prewarm:", err)
	}
	got, err = c.WarmCaches(t.Context(), table, index)
	if err != nil || len(got) != 2 || got[0].Blocks < 60 || !got[0].Buffered || got[1].Blocks < 1 || !got[1].Buffered {
		t.Errorf("with the extension: %+v, %v", got, err)
	}
	if s := c.Stats(); s.NewConnsCount != 1 || s.InUseConns != 0 {
		t.Errorf("%d connections opened, %d in use", s.NewConnsCount, s.InUseConns)
	}
	events.mu.Lock()
	defer events.mu.Unlock()
	if !slices.ContainsFunc(events.events, func(e lifecycle.Event) bool {
		return e.Kind == lifecycle.KindAcquire && e.Label == "warm caches" && e.Class.String() == "low"
	}) {
		t.Error("it was not of class low")
	}
}

func TestPrewarmStatementsArePreparedOnEachNewConnection(t *testing.T) {
	t.Parallel()
	statements := []string{"select $1::int + 1", "select $1::text"}
	db, c := open(t, connector.Config{MaxConns: 2, PrewarmStatements: statements})
	if err := c.Warmup(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	for _, info := range c.Connections() {
		if info.Prepared != 2 {
			t.Errorf("connection %d has %d statements prepared, want 2", info.ID, info.Prepared)
		}
	}
	before := c.Stats()
	var n int
	if err := db.QueryRow(statements[0], 1).Scan(&n); err != nil || n != 2 {
		t.Fatal(n, err)
	}
	if after := c.Stats(); after.StatementHits != before.StatementHits+1 || after.StatementMisses != before.StatementMisses {
		t.Errorf("%d hits and %d misses more, want 1 and 0", after.StatementHits-before.StatementHits, after.StatementMisses-before.StatementMisses)
	}
}

// It is told which one it was, and no connection stays behind.
func TestAPrewarmStatementThatCannotBePreparedFailsTheConnection(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	db, err := connector.Open(connector.Config{DSN: d.DSN, MaxConns: 1, PrewarmStatements: []string{"select 1", "select * from nowhere"}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var pgErr *pgconn.PgError
	if err := db.Ping(); !errors.As(err, &pgErr) || pgErr.Code != "42P01" || !strings.Contains(err.Error(), "PrewarmStatements[1]: ") {
		t.Errorf("got %v", err)
	}
	out := outside(t, d.DSN)
	await(t, func() bool { return backends(t, out) == 0 }) // the server lists a process that ends for a moment
}

// Where nothing may be prepared by name, nothing is: behind a PgBouncer that cannot keep it, for one.
func TestNothingIsPreparedByNameWhereThatMayNotBe(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	c := connector.NewConnector(connector.Config{
		MaxConns: 1, PrewarmStatements: []string{"select * from nowhere"}, ConnConfig: inMode(t, pgx.QueryExecModeExec),
	})
	db := sql.OpenDB(c)
	defer func() {
		db.Close()
		<-c.Done()
	}()
	st, err := db.Prepare("select $1::int")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	var n int
	if err := st.QueryRow(1).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRow("select count(*) from pg_prepared_statements where name <> ''").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d are prepared, %v", n, err)
	}
	if info := c.Connections()[0]; info.Prepared != 0 || info.StatementHits+info.StatementMisses != 0 {
		t.Errorf("%+v", info)
	}
}

// inMode is the configuration of a fresh database with this mode.
func inMode(t *testing.T, mode pgx.QueryExecMode) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(testdb.New(t).DSN)
	if err != nil {
		t.Fatal("the DSN does not parse")
	}
	cfg.DefaultQueryExecMode = mode
	return cfg
}

func TestTheStatementCacheHasTheSizeOfItsFieldAndTellsHowItDoes(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 1, StatementCacheCapacity: 3})
	texts := []string{"select $1::int", "select $1::int + 1", "select $1::int + 2", "select $1::int + 3"}
	run := func(text string) {
		t.Helper()
		var n int
		if err := db.QueryRowContext(context.Background(), text, 1).Scan(&n); err != nil {
			t.Fatal(err)
		}
	}
	for _, text := range texts {
		run(text)
	}
	for range 12 {
		run(texts[3])
	}
	run(texts[0]) // went for the last
	s, info := c.Stats(), c.Connections()[0]
	if s.StatementEvictions != 2 || info.StatementEvictions != 2 || info.Prepared != 3 {
		t.Errorf("%d evictions, %d of the connection, which has %d; want 2, 2 and 3", s.StatementEvictions, info.StatementEvictions, info.Prepared)
	}
	if rate := s.StatementHitRate(); rate != 12.0/17 || info.StatementHitRate() != rate {
		t.Errorf("hit rate %v, of the connection %v; want 12 of 17", rate, info.StatementHitRate())
	}
	if rate := (&connector.Stats{}).StatementHitRate(); rate != 1 {
		t.Errorf("hit rate %v of nothing", rate)
	}
	cfg := c.Config()
	cfg.StatementCacheCapacity = 2
	if err := c.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	for _, text := range texts {
		run(text)
	}
	if info := c.Connections(); len(info) != 1 || info[0].Prepared != 2 {
		t.Errorf("after it was made smaller: %+v", info)
	}
}

// What a statement means may change while it is prepared. Whoever runs it does not notice.
func TestAPreparedStatementOutlivesAChangeOfItsTable(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 1})
	exec := func(sql string) {
		t.Helper()
		if _, err := db.Exec(sql); err != nil {
			t.Fatal(err)
		}
	}
	width := func() int {
		t.Helper()
		rows, err := db.Query("select * from item where n = $1", 1)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		columns, err := rows.Columns()
		if err != nil || rows.Err() != nil {
			t.Fatal(err, rows.Err())
		}
		return len(columns)
	}
	exec("create table item (n int)")
	for want, change := range []string{"", "alter table item add note text", "alter table item add price numeric", "alter table item drop note"} {
		if change != "" {
			exec(change)
		}
		if want == 3 {
			want = 1
		}
		if got := width(); got != want+1 {
			t.Errorf("after %q: %d columns, want %d", change, got, want+1)
		}
	}
	if s := c.Stats(); s.StatementInvalidations == 0 || s.StatementInvalidations > 3 || s.PreparedStatements != c.Connections()[0].Prepared {
		t.Errorf("%d statements invalidated by three changes, %d prepared", s.StatementInvalidations, s.PreparedStatements)
	}
	if s := c.Stats(); s.ErrorCount != 0 || s.NewConnsCount != 1 {
		t.Errorf("%d errors, %d connections", s.ErrorCount, s.NewConnsCount)
	}
}
