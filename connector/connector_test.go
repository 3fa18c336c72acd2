package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// open returns a *sql.DB on a fresh database, and its connector. Both are gone at the end of the test.
func open(t *testing.T, cfg connector.Config) (*sql.DB, *connector.Connector) {
	t.Helper()
	testdb.NoLeaksInParallel(t)
	cfg.DSN = testdb.New(t).DSN
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := connector.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		db.Close()
		<-c.Done()
	})
	return db, c
}

func TestStatsAndConnectionsTellWhatTheServerTells(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{Name: "shop", MaxConns: 3})
	ctx := priority.NewContext(context.Background(), priority.Options{Class: priority.High, Label: "checkout", Tenant: "acme"})
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var pid uint32
	if err := tx.QueryRowContext(ctx, "select pg_backend_pid() where 'secret' <> $1", "argument").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	conns := c.Connections()
	if len(conns) != 1 {
		t.Fatalf("%d connections, want 1: %+v", len(conns), conns)
	}
	got := conns[0]
	if got.PID != pid || got.State != lifecycle.InUse || got.Class != priority.High || got.Label != "checkout" ||
		got.Tenant != "acme" || got.Queries != 2 || got.Errors != 0 || got.HolderSince.IsZero() || got.Created.IsZero() {
		t.Errorf("connection: %+v; the server says pid %d", got, pid)
	}
	if got.CurrentQuery != "" || got.LastQuery != "select pg_backend_pid() where ? <> $1" {
		t.Errorf("current query %q, last %q", got.CurrentQuery, got.LastQuery)
	}
	if _, err := tx.ExecContext(ctx, "select 1/0"); err == nil {
		t.Error("no error of a division by zero")
	}
	tx.Rollback()

	s := c.Stats()
	if s.Name != "shop" || s.TotalConns != 1 || s.IdleConns != 1 || s.InUseConns != 0 || s.MaxConns != 3 || s.Waiting != 0 ||
		s.AcquireCount != 1 || s.ReleaseCount != 1 || s.NewConnsCount != 1 || s.QueryCount != 4 || s.ErrorCount != 1 {
		t.Errorf("stats: %+v", s)
	}
	if s.QueryTime <= 0 || s.QueryTime > s.UseTime || s.AvgQueryTime != s.QueryTime/4 || s.ConnectTime <= 0 {
		t.Errorf("times: query %s, use %s, average query %s, connect %s", s.QueryTime, s.UseTime, s.AvgQueryTime, s.ConnectTime)
	}
	if held := c.Connections()[0]; held.Label != "" || !held.HolderSince.IsZero() || held.State != lifecycle.Idle {
		t.Errorf("nobody holds the connection, yet: %+v", held)
	}
}

func TestARunningStatementIsShownAsRunning(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2})
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(ctx, "select pg_sleep(60)")
		done <- err
	}()
	await(t, func() bool {
		conns := c.Connections()
		return len(conns) == 1 && conns[0].CurrentQuery == "select pg_sleep(?)" && conns[0].Running > 0
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want one that is context.Canceled", err)
	}
}

// await polls until ok: some things only the server can tell.
func await(t *testing.T, ok func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	tick := time.NewTicker(2 * time.Millisecond)
	defer tick.Stop()
	for !ok() {
		if time.Now().After(deadline) {
			t.Fatal("waited for 10 s")
		}
		<-tick.C
	}
}

func TestAcquireTimeoutNamesTheRuleTheWaitTheQueueAndTheHolders(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{Name: "shop", MaxConns: 1, AcquireTimeout: 50 * time.Millisecond})
	if err := c.Warmup(t.Context(), 1); err != nil { // a dial may take longer
		t.Fatal(err)
	}
	ctx := priority.WithLabel(context.Background(), "nightly report")
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := conn.PingContext(ctx); err != nil {
		t.Fatal(err)
	}
	_, err = db.ExecContext(priority.WithLabel(priority.WithClass(ctx, priority.Low), "mail"), "select 1")
	var acquire *lifecycle.AcquireError
	var timeout interface{ Timeout() bool }
	switch {
	case !errors.As(err, &acquire):
		t.Fatalf("error %v, want an AcquireError", err)
	case !errors.Is(err, priority.ErrTimeout) || !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, driver.ErrBadConn):
		t.Errorf("the error matches the wrong ones: %v", err)
	case !errors.As(err, &timeout) || !timeout.Timeout():
		t.Errorf("the error is not a timeout: %v", err)
	case acquire.Refused.Class != priority.Low || acquire.Refused.Waited < 50*time.Millisecond || len(acquire.Holders) != 1 || acquire.Holders[0].Label != "nightly report":
		t.Errorf("the error knows too little: %+v", acquire)
	}
	for _, want := range []string{`pool "shop"`, "acquire timeout after waiting ", "class low", `label "mail"`, "1 of 1 in use", `held by "nightly report" (normal) for`} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q: %v", want, err)
		}
	}
	if s := c.Stats(); s.TimeoutCount != 1 || s.RefusedCount != 1 {
		t.Errorf("%d timeouts and %d refusals counted, want 1 and 1", s.TimeoutCount, s.RefusedCount)
	}
}

func TestDoLendsAPgxConnectionWithTheSameClaim(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 1})
	ctx := context.Background()
	if _, err := db.ExecContext(ctx, "create table item (id int primary key)"); err != nil {
		t.Fatal(err)
	}
	err := c.Do(ctx, func(conn *pgx.Conn) error {
		n, err := conn.CopyFrom(ctx, pgx.Identifier{"item"}, []string{"id"}, pgx.CopyFromRows([][]any{{1}, {2}, {3}}))
		if n != 3 {
			return fmt.Errorf("copied %d rows: %w", n, err)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken off")
	err = c.Do(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "begin; delete from item"); err != nil {
			return err
		}
		return broken
	})
	if !errors.Is(err, broken) {
		t.Errorf("error %v, want the function's", err)
	}
	var n int
	if err := db.QueryRowContext(ctx, "select count(*) from item").Scan(&n); err != nil || n != 3 {
		t.Errorf("%d rows (%v), want 3: what Do left open was to be rolled back", n, err)
	}
	if s := c.Stats(); s.NewConnsCount != 1 || s.InUseConns != 0 {
		t.Errorf("%d connections opened and %d in use, want 1 and 0", s.NewConnsCount, s.InUseConns)
	}
}

func TestWarmupResetAndEvictOpenAndReplaceConnections(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 4})
	ctx := context.Background()
	if err := c.Warmup(ctx, 5); err == nil || !strings.Contains(err.Error(), "maximum is 4") {
		t.Errorf("Warmup beyond the maximum: %v", err)
	}
	if err := c.Warmup(ctx, 3); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); s.IdleConns != 3 || s.NewConnsCount != 3 {
		t.Fatalf("after Warmup: %+v", s)
	}
	before := c.Connections()
	if !c.Evict(before[0].ID) || c.Evict(9999) {
		t.Error("Evict knows a connection that is not, or not one that is")
	}
	c.Reset()
	var pid uint32
	if err := db.QueryRow("select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	for _, b := range before {
		if b.PID == pid {
			t.Errorf("connection %d serves after a Reset", b.ID)
		}
	}
	await(t, func() bool { return c.Stats().TotalConns == 1 })
	closed := c.Stats().ClosedConns
	if closed[lifecycle.EndEvicted] != 1 || closed[lifecycle.EndReset] != 2 {
		t.Errorf("closed: %v, want 1 evicted and 2 reset", closed)
	}
}

func TestDrainThatIsOutOfTimeNamesWhoStillHoldsAConnectionAndTakesIt(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{Name: "shop", MaxConns: 2})
	ctx := context.Background()
	tx, err := db.BeginTx(priority.WithLabel(ctx, "import"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancelCause(ctx)
	cancel(errors.New("the pod is being stopped"))
	err = c.Drain(ended)
	var drain *lifecycle.DrainError
	if !errors.As(err, &drain) || len(drain.Stragglers) != 1 || drain.Stragglers[0].Label != "import" {
		t.Fatalf("error %v, want a DrainError that names the import", err)
	}
	if !strings.Contains(err.Error(), "the pod is being stopped") || !strings.Contains(err.Error(), `"import" (normal)`) {
		t.Errorf("the error is unclear: %v", err)
	}
	if _, err := db.ExecContext(ctx, "select 1"); !errors.Is(err, priority.ErrClosed) || !strings.Contains(err.Error(), "drained") {
		t.Errorf("new work while draining: %v", err)
	}
	if _, err := tx.ExecContext(ctx, "select 1"); !errors.Is(err, priority.ErrClosed) {
		t.Errorf("old work after the drain's end: %v", err)
	}
	if err := tx.Commit(); err == nil {
		t.Error("what was ended could be committed")
	}
	if err := c.Drain(ctx); err != nil {
		t.Errorf("the second Drain: %v", err)
	}
}

func TestCloseReturnsAtOnceAndTheLastConnectionEndsAtItsCheckIn(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2})
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.PingContext(ctx); err != nil {
		t.Fatal(err)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	select {
	case <-c.Done():
		t.Error("done while a connection is in use")
	default:
	}
	conn.Close()
	<-c.Done()
	if s := c.Stats(); s.TotalConns != 0 || s.ClosedConns[lifecycle.EndClosed] != 1 {
		t.Errorf("after the check-in: %+v", s)
	}
}

func TestOneConnectorServesSeveralDBs(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2})
	other := sql.OpenDB(c)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			use := db
			if i%2 == 0 {
				use = other
			}
			if _, err := use.Exec("select pg_sleep(0.002)"); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if s := c.Stats(); s.NewConnsCount > 2 || s.QueryCount != 40 {
		t.Errorf("%d connections opened and %d statements counted, want at most 2 and 40", s.NewConnsCount, s.QueryCount)
	}
	other.Close()
	if err := db.Ping(); !errors.Is(err, priority.ErrClosed) {
		t.Errorf("to close one closes the connector for all, yet: %v", err)
	}
}

func TestFromDBExplainsALimitAndFindsNothingElsewhere(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2})
	db.SetMaxOpenConns(5)
	if _, err := connector.FromDB(db); err == nil || !strings.Contains(err.Error(), "SetMaxOpenConns(5)") {
		t.Errorf("error %v, want one that tells of SetMaxOpenConns", err)
	}
	plain := stdlib.OpenDB(*c.Config().ConnConfig)
	defer plain.Close()
	if _, err := connector.FromDB(plain); err == nil {
		t.Error("found a connector where there is none")
	}
}

func TestEventsShowNothingOfWhatTheServerSaid(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var events []lifecycle.Event
	observer := lifecycle.ObserverFunc(func(e lifecycle.Event) {
		mu.Lock()
		defer mu.Unlock()
		events = append(events, e)
	})
	failing := func(ctx context.Context, conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "select 'very private'::int")
		return err
	}
	testdb.NoLeaksInParallel(t)
	db, err := connector.Open(connector.Config{DSN: testdb.New(t).DSN, AfterConnect: failing, Observer: observer})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	_, err = db.Exec("select 1")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || !strings.Contains(err.Error(), "very private") {
		t.Errorf("the caller gets the server's error as it is, yet: %v", err)
	}
	if failure := c.Stats().ConnectFailure; failure == nil || strings.Contains(failure.Error(), "private") || !strings.Contains(failure.Error(), "SQLSTATE 22P02") {
		t.Errorf("Stats show: %v", failure)
	}
	db.Close()
	<-c.Done()
	for _, kind := range []lifecycle.Kind{lifecycle.KindCreateError, lifecycle.KindRefuse, lifecycle.KindClosed} {
		await(t, func() bool {
			mu.Lock()
			defer mu.Unlock()
			return slices.ContainsFunc(events, func(e lifecycle.Event) bool { return e.Kind == kind })
		})
	}
	mu.Lock()
	defer mu.Unlock()
	for _, e := range events {
		if text := fmt.Sprintf("%+v", e); strings.Contains(text, "private") {
			t.Errorf("an event shows what the server said: %s", text)
		}
		if errors.As(e.Err, &pgErr) {
			t.Errorf("an event's error holds the server's: %v", e.Err)
		}
	}
}

func TestStatementTimeoutIsTheServers(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 1, StatementTimeout: 300 * time.Millisecond})
	_, err := db.Exec("select pg_sleep(30)")
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "57014" {
		t.Errorf("error %v, want the server's 57014", err)
	}
	if err := db.Ping(); err != nil {
		t.Error(err)
	}
	if n := c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections opened, want 1: a server's timeout costs none", n)
	}
}
