package pooldriver_test

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

// patience bounds what a test waits for. Nothing takes that long unless it never happens.
const patience = 30 * time.Second

// fixture is a *sql.DB on a fresh database, and what is to be known of it.
type fixture struct {
	t      *testing.T
	ctx    context.Context
	db     *sql.DB
	c      *poolsql.Connector
	events *recorder
	dsn    string
}

// open makes a fixture of at most conns connections. At the end of the test everything must be given back.
func open(t *testing.T, conns int, change ...func(*poolsql.Config)) *fixture {
	t.Helper()
	testdb.NoLeaksInParallel(t)
	ctx, cancel := context.WithTimeout(t.Context(), 4*patience)
	t.Cleanup(cancel)
	f := &fixture{t: t, ctx: ctx, events: &recorder{}, dsn: testdb.New(t).DSN}
	cfg := poolsql.Config{MaxConns: conns, Observer: f.events, ConnConfig: parse(t, f.dsn)}
	for _, c := range change {
		c(&cfg)
	}
	f.c = poolsql.NewConnector(cfg)
	if err := f.c.Err(); err != nil {
		t.Fatal(err)
	}
	f.db = sql.OpenDB(f.c)
	f.db.SetMaxIdleConns(1000)
	t.Cleanup(func() {
		if err := f.db.Close(); err != nil {
			t.Error(err)
		}
		f.await("every connection to be closed", func() bool { return f.c.Stats().TotalConns == 0 })
	})
	return f
}

// patient is open where a server that is slow to answer to a cancel, as on a machine that is busy, costs no connection.
func patient(t *testing.T, conns int, change ...func(*poolsql.Config)) *fixture {
	t.Helper()
	calm := func(cfg *poolsql.Config) { cfg.CancelTimeout = patience }
	return open(t, conns, append([]func(*poolsql.Config){calm}, change...)...)
}

func parse(t testing.TB, dsn string) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal("the DSN does not parse")
	}
	return cfg
}

// free reports an error if any connection is in use, or anybody waits.
func (f *fixture) free(after string) {
	f.t.Helper()
	if s := f.c.Stats(); s.InUseConns != 0 || s.Waiting != 0 {
		f.t.Errorf("%s: %d connections in use, %d waiting", after, s.InUseConns, s.Waiting)
	}
}

// awaitFree waits until no connection is in use.
func (f *fixture) awaitFree() {
	f.t.Helper()
	f.await("every connection to be free", func() bool { return f.c.Stats().InUseConns == 0 })
}

// serves reports an error unless all n connections can be in use at once.
func (f *fixture) serves(n int) {
	f.t.Helper()
	var txs []*sql.Tx
	for range n {
		ctx, cancel := context.WithTimeout(f.ctx, patience)
		defer cancel()
		tx, err := f.db.BeginTx(ctx, nil)
		if err != nil {
			f.t.Errorf("only %d of %d connections can be had: %v", len(txs), n, err)
			break
		}
		txs = append(txs, tx)
	}
	for _, tx := range txs {
		if err := tx.Rollback(); err != nil {
			f.t.Error(err)
		}
	}
	f.free("after all were in use")
}

// await polls: some ends happen on goroutines that nobody can wait for, or on the server.
func (f *fixture) await(what string, done func() bool) {
	f.t.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			f.t.Fatalf("waited in vain for %s", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// exec runs a statement that must not fail.
func (f *fixture) exec(query string, args ...any) {
	f.t.Helper()
	if _, err := f.db.ExecContext(f.ctx, query, args...); err != nil {
		f.t.Fatal(err)
	}
}

// number returns the number that a query yields.
func (f *fixture) number(query string, args ...any) (n int) {
	f.t.Helper()
	if err := f.db.QueryRowContext(f.ctx, query, args...).Scan(&n); err != nil {
		f.t.Fatal(err)
	}
	return n
}

// outside connects past the pool.
func (f *fixture) outside() *pgx.Conn {
	f.t.Helper()
	conn, err := pgx.Connect(f.ctx, f.dsn)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { conn.Close(context.WithoutCancel(f.ctx)) })
	return conn
}

// awaitSleep waits until some statement of the database sleeps.
func (f *fixture) awaitSleep(watcher *pgx.Conn) {
	f.t.Helper()
	f.await("a statement to sleep", func() bool {
		var ok bool
		err := watcher.QueryRow(f.ctx, `select exists (select from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid() and wait_event = 'PgSleep')`).Scan(&ok)
		if err != nil {
			f.t.Fatal(err)
		}
		return ok
	})
}

// recorder is an Observer that keeps everything.
type recorder struct {
	mu     sync.Mutex // guards events
	events []lifecycle.Event
}

func (r *recorder) Observe(e lifecycle.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// ends tells what became of connections, and of requests to cancel.
func (r *recorder) ends() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if e.Kind == lifecycle.KindDestroy || e.Kind == lifecycle.KindCancel {
			fmt.Fprintf(&b, "\n%s of connection %d: %s %s after %s, %d times: %v", e.Kind, e.Resource, e.Reason, e.Code, e.Duration, e.Count, e.Err)
		}
	}
	return b.String()
}

func (r *recorder) count(kind lifecycle.Kind) (n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			n++
		}
	}
	return n
}
