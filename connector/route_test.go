package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// withName returns a DSN whose connections say who they are.
func withName(dsn, name string) string {
	sep := "?"
	if strings.Contains(dsn, "?") {
		sep = "&"
	}
	return dsn + sep + "application_name=" + name
}

// servedBy returns which of the pools serves a query under ctx.
func servedBy(t *testing.T, q interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, ctx context.Context) string {
	t.Helper()
	var name string
	if err := q.QueryRowContext(ctx, "show application_name").Scan(&name); err != nil {
		t.Fatal(err)
	}
	return name
}

// openRouted opens a connector, and has it ended with the test.
func openRouted(t *testing.T, cfg connector.Config) (*sql.DB, *connector.Connector) {
	t.Helper()
	c := connector.NewConnector(cfg)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		db.Close()
		select {
		case <-c.Done():
		case <-time.After(20 * time.Second):
			t.Error("the connector did not end")
		}
	})
	return db, c
}

// twoPools is a connector with a pool for reads on the same server.
func twoPools(t *testing.T, change ...func(*connector.Config)) (*sql.DB, *connector.Connector) {
	t.Helper()
	dsn := testdb.New(t).DSN
	cfg := connector.Config{
		DSN: withName(dsn, "writes"), MaxConns: 2,
		Routes: []connector.Route{
			{Name: "reads", Config: connector.Config{DSN: withName(dsn, "reads"), MaxConns: 3}},
			{Name: "batch", ByName: true, Config: connector.Config{DSN: withName(dsn, "batch"), MaxConns: 1}},
		},
	}
	for _, f := range change {
		f(&cfg)
	}
	return openRouted(t, cfg)
}

func TestReadsGoToTheirOwnPool(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, c := twoPools(t)
	ctx := t.Context()
	check := func(what, got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("%s is served by %q, want %q", what, got, want)
		}
	}
	check("a plain call", servedBy(t, db, ctx), "writes")
	check("WithReadOnly", servedBy(t, db, priority.WithReadOnly(ctx)), "reads")
	check("WithRoute reads", servedBy(t, db, priority.WithRoute(ctx, "reads")), "reads")
	check("WithRoute batch", servedBy(t, db, priority.WithRoute(ctx, "batch")), "batch")
	check("WithRoute primary", servedBy(t, db, priority.WithReadOnly(priority.WithRoute(ctx, "primary"))), "writes")
	for _, tt := range []struct {
		opts *sql.TxOptions
		ctx  context.Context
		want string
	}{
		{nil, ctx, "writes"},
		{&sql.TxOptions{ReadOnly: true}, ctx, "reads"},
		{&sql.TxOptions{ReadOnly: true, Isolation: sql.LevelRepeatableRead}, ctx, "reads"},
		{&sql.TxOptions{ReadOnly: true, Isolation: sql.LevelSerializable}, ctx, "writes"},
		{nil, priority.WithReadOnly(ctx), "reads"},
	} {
		tx, err := db.BeginTx(tt.ctx, tt.opts)
		if err != nil {
			t.Fatal(err)
		}
		check("a transaction", servedBy(t, tx, ctx), tt.want)
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	check("a Conn that reads", servedBy(t, conn, priority.WithReadOnly(ctx)), "reads")
	check("the same Conn, of which nobody knows what it did", servedBy(t, conn, ctx), "reads")
	conn.Close()
	_, err = db.ExecContext(priority.WithRoute(ctx, "nowhere"), "select 1")
	var none *connector.NoRouteError
	if !errors.As(err, &none) || !errors.Is(err, connector.ErrNoRoute) || !strings.Contains(err.Error(), `"batch"`) {
		t.Errorf("a route that is not there: %v", err)
	}
	found, err := connector.FromDB(db)
	if err != nil || found != c {
		t.Errorf("FromDB: %p, %v; want %p", found, err, c)
	}
	routes := c.Routes()
	if len(routes) != 2 || !routes[0].Serves || routes[0].Served == 0 {
		t.Fatalf("Routes: %+v", routes)
	}
	if s := routes[0].Pool.Stats(); s.Name != "poolsql/reads" || s.MaxConns != 3 || s.QueryCount == 0 {
		t.Errorf("numbers of the route: %+v", s)
	}
	if s := c.Stats(); s.MaxConns != 2 {
		t.Errorf("numbers of the connector: %+v", s)
	}
}

func TestEachRouteHasItsOwnLimit(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, _ := twoPools(t, func(cfg *connector.Config) { cfg.AcquireTimeout = 5 * time.Second })
	ctx := t.Context()
	var held []*sql.Tx
	for range 2 { // all that writes may have
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, tx)
	}
	for range 10 {
		if got := servedBy(t, db, priority.WithReadOnly(ctx)); got != "reads" {
			t.Fatalf("served by %q", got)
		}
	}
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(short, "select 1"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a write found room: %v", err)
	}
	for _, tx := range held {
		tx.Rollback()
	}
}

func TestTheWholeOfAConnectorWithRoutes(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, c := twoPools(t)
	ctx := t.Context()
	if err := c.Warmup(ctx, 2); err != nil {
		t.Fatal(err)
	}
	r := c.Routes()
	if n, m, k := c.Stats().TotalConns, r[0].Pool.Stats().TotalConns, r[1].Pool.Stats().TotalConns; n != 2 || m != 2 || k != 1 {
		t.Errorf("after Warmup there are %d, %d and %d connections", n, m, k)
	}
	cfg := c.Config()
	cfg.AcquireTimeout, cfg.MaxConns = 70*time.Millisecond, 4
	if err := c.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	if own := r[0].Pool.Config(); own.AcquireTimeout != 70*time.Millisecond || own.MaxConns != 3 {
		t.Errorf("the route has now %s and %d", own.AcquireTimeout, own.MaxConns)
	}
	if err := c.Quiesce(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(priority.WithReadOnly(ctx), "select 1"); !errors.Is(err, priority.ErrTimeout) {
		t.Errorf("a suspended route serves: %v", err)
	}
	c.Resume()
	if got := servedBy(t, db, priority.WithReadOnly(ctx)); got != "reads" {
		t.Errorf("served by %q", got)
	}
	cfg.Routes = cfg.Routes[:1]
	if err := c.Reconfigure(cfg); err == nil || !strings.Contains(err.Error(), "Routes") {
		t.Errorf("routes were changed: %v", err)
	}
	if err := c.Drain(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(priority.WithReadOnly(ctx), "select 1"); !errors.Is(err, priority.ErrClosed) {
		t.Errorf("a drained route serves: %v", err)
	}
}

func TestBadRoutesAreTold(t *testing.T) {
	for _, tt := range []struct {
		routes []connector.Route
		want   string
	}{
		{[]connector.Route{{}}, "has no Name"},
		{[]connector.Route{{Name: "a"}, {Name: "a"}}, "another of that name"},
		{[]connector.Route{{Name: "primary"}}, "connector's own"},
		{[]connector.Route{{Name: "a", Config: connector.Config{Name: "b"}}}, "Name cannot be a route's own"},
		{[]connector.Route{{Name: "a", Config: connector.Config{MaxConns: 2, MinConns: 3}}}, "MinConns is 3"},
		{[]connector.Route{{Name: "a", Config: connector.Config{DSN: "postgres://u:geheim@h/d?pool_max_conns=x"}}}, "pool_max_conns"},
		{[]connector.Route{{Name: "a", Config: connector.Config{ClassifyReads: true}}}, "ClassifyReads"},
		{make([]connector.Route, 65), "Routes has 65: 64 at most"},
	} {
		cfg := connector.Config{DSN: "host=/tmp user=u dbname=d", MinConns: 2, Routes: tt.routes}
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "geheim") {
			t.Errorf("%+v: %v, want %q", tt.routes[0].Name, err, tt.want)
		}
	}
	cfg := connector.Config{DSN: "host=/tmp user=u dbname=d", MinConns: 5, MaxConns: 9, Routes: []connector.Route{
		{Name: "small", Config: connector.Config{DSN: "host=/tmp user=u dbname=d pool_max_conns=2"}},
	}}
	c := connector.NewConnector(cfg)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	if own := c.Routes()[0].Pool.Config(); own.MaxConns != 2 || own.MinConns != 2 {
		t.Errorf("the route has %d and %d", own.MinConns, own.MaxConns)
	}
	c.Close()
	<-c.Done()
}

func TestWithClassifyReadsAStatementGoesWhereItsTextBelongs(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, c := twoPools(t, func(cfg *connector.Config) { cfg.ClassifyReads = true })
	ctx := t.Context()
	exec(t, db, ctx, "create table notes (n int, pool text default current_setting('application_name'))")
	exec(t, db, ctx, "insert into notes values (1)")
	served := func() uint64 { return c.Routes()[0].Served }
	count := func(q interface {
		QueryRowContext(context.Context, string, ...any) *sql.Row
	}) (n int) {
		t.Helper()
		if err := q.QueryRowContext(ctx, "select count(*) from notes").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	before := served()
	if n := count(db); n != 1 || served() != before+1 {
		t.Errorf("a read found %d, and %d were served by the route", n, served()-before)
	}
	// A Conn moves to the primary with the first statement that is not certainly a read, and stays.
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	before = served()
	count(conn)
	if served() != before+1 {
		t.Error("a Conn's first read was not served by the route")
	}
	if _, err := conn.ExecContext(ctx, "insert into notes values (2)"); err != nil {
		t.Fatal(err)
	}
	if n := count(conn); n != 2 || served() != before+1 {
		t.Errorf("after its write a Conn found %d notes", n)
	}
	var pool string
	if err := conn.QueryRowContext(ctx, "select pool from notes where n = 2").Scan(&pool); err != nil || pool != "writes" {
		t.Errorf("it wrote by %q: %v", pool, err)
	}
	conn.Close()
	// So it does with a transaction, and one that only reads stays.
	for _, readOnly := range []bool{false, true} {
		conn, err := db.Conn(ctx)
		if err != nil {
			t.Fatal(err)
		}
		count(conn)
		tx, err := conn.BeginTx(ctx, &sql.TxOptions{ReadOnly: readOnly})
		if err != nil {
			t.Fatal(err)
		}
		want := "writes"
		if readOnly {
			want = "reads"
		}
		if got := servedBy(t, tx, ctx); got != want {
			t.Errorf("a transaction (read-only: %t) is served by %q", readOnly, got)
		}
		if _, err := tx.ExecContext(ctx, "select nextval('pg_catalog.nothing')"); err == nil {
			t.Error("this cannot be")
		}
		tx.Rollback()
		conn.Close()
	}
	// What an argument makes of the text is what counts, and rows that are open keep their connection.
	if err := db.QueryRowContext(ctx, "select n from notes limit 1", rewriter("insert into notes values (3) returning n")).Scan(new(int)); err != nil {
		t.Fatal(err)
	}
	if err := db.QueryRowContext(ctx, "select pool from notes where n = 3").Scan(&pool); err != nil || pool != "writes" {
		t.Errorf("a rewritten statement wrote by %q: %v", pool, err)
	}
	st, err := db.PrepareContext(ctx, "insert into notes values ($1) returning pool")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	if err := st.QueryRowContext(ctx, 4).Scan(&pool); err != nil || pool != "writes" {
		t.Errorf("a prepared statement wrote by %q: %v", pool, err)
	}
}

// A rewriter is an argument that has another statement sent.
type rewriter string

func (r rewriter) RewriteQuery(context.Context, *pgx.Conn, string, []any) (string, []any, error) {
	return string(r), nil, nil
}

// A route that serves those alone who name it is nothing that others could go around: that it cannot be warmed up is an error,
// and it is not ejected, of which nobody would take it back.
func TestWarmupTellsOfARouteByNameThatCannotBeReached(t *testing.T) {
	testdb.NoLeaks(t)
	dsn := testdb.New(t).DSN
	told := new(recorded)
	_, c := openRouted(t, connector.Config{DSN: dsn, MaxConns: 2, Observer: told, Routes: []connector.Route{
		{Name: "batch", ByName: true, Config: connector.Config{DSN: "postgres://u@127.0.0.1:1/d?sslmode=disable", MaxConns: 1}},
	}})
	if err := c.Warmup(t.Context(), 1); err == nil || !strings.Contains(err.Error(), `route "batch"`) {
		t.Errorf("Warmup: %v", err)
	}
	if s := c.Routes()[0]; !s.EjectedUntil.IsZero() || len(told.kinds()) > 0 {
		t.Errorf("the route: %+v, %v", s, told.kinds())
	}
}
