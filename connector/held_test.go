package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// Behind whatever wrapper, a *sql.Conn keeps its transaction, its locks and its settings while others want a connection.
func TestAConnBehindAWrapperKeepsItsConnection(t *testing.T) {
	t.Parallel()
	for name, wrap := range map[string]func(inner) driver.Conn{
		"forwards both":    func(c inner) driver.Conn { return both{c} },
		"forwards neither": func(c inner) driver.Conn { return neither{c} },
	} {
		t.Run(name, func(t *testing.T) {
			testdb.NoLeaksInParallel(t)
			pool := connector.NewConnector(connector.Config{DSN: testdb.New(t).DSN, MaxConns: 3})
			db := sql.OpenDB(wrapper{pool, wrap})
			defer func() { db.Close(); <-pool.Done() }()
			ctx := context.Background()
			conn, err := db.Conn(ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			pid := func() (pid int) {
				if err := conn.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
					t.Fatal(err)
				}
				return pid
			}
			before := pid()
			for _, text := range []string{"create table t (id int)", "begin", "select pg_advisory_lock(7)"} {
				if _, err := conn.ExecContext(ctx, text); err != nil {
					t.Fatal(err)
				}
			}
			var wg sync.WaitGroup
			for range 20 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					if _, err := db.ExecContext(ctx, "select 1"); err != nil {
						t.Error(err)
					}
				}()
			}
			wg.Wait()
			for _, text := range []string{"insert into t values (1)", "rollback"} {
				if _, err := conn.ExecContext(ctx, text); err != nil {
					t.Fatal(err)
				}
			}
			var rows int
			if err := conn.QueryRowContext(ctx, "select count(*) from t").Scan(&rows); err != nil || rows != 0 || pid() != before {
				t.Errorf("%d rows after the rollback (%v), backend %d and then %d", rows, err, before, pid())
			}
		})
	}
}

// One connector may serve a *sql.DB directly and another through a wrapper that hides check-ins.
func TestADirectAndAWrappedDBShareOneConnector(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pool := connector.NewConnector(connector.Config{DSN: testdb.New(t).DSN, MaxConns: 2, AcquireTimeout: 20 * time.Second})
	direct := sql.OpenDB(pool)
	lossy := sql.OpenDB(wrapper{pool, func(c inner) driver.Conn { return neither{c} }})
	lossy.SetMaxIdleConns(100)
	defer func() { lossy.Close(); direct.Close(); <-pool.Done() }()
	if err := direct.Ping(); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 6 {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if _, err := lossy.Exec("select pg_sleep(0.01)"); err != nil {
				t.Error(err)
			}
		}()
	}
	wg.Wait()
	if n := pool.Stats().InUseConns; n != 0 {
		t.Errorf("%d connections are held by nobody", n)
	}
	if err := direct.Ping(); err != nil {
		t.Error(err)
	}
}

func TestAPanickingObserverLosesNothing(t *testing.T) {
	t.Parallel()
	for name, use := range map[string]func(*sql.DB){
		"exec":  func(db *sql.DB) { db.Exec("select 1") },
		"query": func(db *sql.DB) { db.Query("select nonsense") },
		"begin": func(db *sql.DB) { db.Begin() },
		"ping":  func(db *sql.DB) { db.Ping() },
		"rows": func(db *sql.DB) {
			rows, err := db.Query("select 1")
			if err == nil {
				rows.Close()
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			var armed atomic.Bool
			db, c := open(t, connector.Config{MaxConns: 1, AcquireTimeout: 10 * time.Second, Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
				if (e.Kind == lifecycle.KindError || e.Kind == lifecycle.KindOperation) && armed.CompareAndSwap(true, false) {
					panic("observer")
				}
			})})
			if err := db.Ping(); err != nil {
				t.Fatal(err)
			}
			armed.Store(true)
			if !survive(func() { use(db) }) {
				t.Error("no panic")
			}
			await(t, func() bool { return c.Stats().InUseConns == 0 })
			if err := db.Ping(); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

// A transaction of another driver keeps the context that it was begun with: a statement's timeout is not for it.
func TestAStatementsTimeoutIsNotATransactionsOfAnotherDriver(t *testing.T) {
	db, err := connector.Open(connector.Config{Connector: ctxConnector{}, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(priority.WithTimeout(context.Background(), time.Hour), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
}

// ctxConnector is a driver whose transactions commit under the context that they were begun with, as pgx/stdlib's do.
type (
	ctxConnector struct{}
	ctxConn      struct{}
	ctxTx        struct{ ctx context.Context }
)

func (ctxConnector) Connect(context.Context) (driver.Conn, error) { return ctxConn{}, nil }
func (ctxConnector) Driver() driver.Driver                        { return nil }
func (ctxConn) Prepare(string) (driver.Stmt, error)               { return nil, errors.New("no statements") }
func (ctxConn) Close() error                                      { return nil }
func (ctxConn) Begin() (driver.Tx, error)                         { return nil, errors.New("no context") }
func (ctxConn) BeginTx(ctx context.Context, _ driver.TxOptions) (driver.Tx, error) {
	return ctxTx{ctx}, nil
}
func (t ctxTx) Commit() error   { return t.ctx.Err() }
func (t ctxTx) Rollback() error { return t.ctx.Err() }

// socket is a connection to a server that has no deadlines, or that swallows what is sent.
type socket struct {
	net.Conn
	noDeadlines bool
	swallows    *atomic.Bool
}

func (s socket) Write(p []byte) (int, error) {
	if s.swallows.Load() {
		return len(p), nil
	}
	return s.Conn.Write(p)
}

func (s socket) SetDeadline(at time.Time) error {
	if s.noDeadlines {
		return errors.New("deadline not supported")
	}
	return s.Conn.SetDeadline(at)
}

// overSockets returns a configuration whose connections go over sockets like s.
func overSockets(t *testing.T, s socket) connector.Config {
	t.Helper()
	config, err := pgx.ParseConfig(testdb.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		s := s
		s.Conn = conn
		return s, err
	}
	return connector.Config{ConnConfig: config, MaxConns: 1}
}

func TestTransactionsWorkOnASocketWithoutDeadlines(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, err := connector.Open(overSockets(t, socket{noDeadlines: true, swallows: &atomic.Bool{}}))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	for range 3 {
		tx, err := db.Begin()
		if err != nil {
			t.Fatal(err)
		}
		if err := tx.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections opened, want 1", n)
	}
}

// A network that swallows everything costs a caller no more than the ping's limit and a failed dial.
//
// It does not ask for leaks at its end: pgx tries for 15 seconds to cancel what it believes to be running there.
func TestAnIdleConnectionIntoABlackHoleIsGivenUpSoon(t *testing.T) {
	t.Parallel()
	var swallows atomic.Bool
	cfg := overSockets(t, socket{swallows: &swallows})
	cfg.EndTimeout, cfg.ConnectTimeout = 200*time.Millisecond, 200*time.Millisecond
	cfg.ShouldPing = func(context.Context, stdlib.ShouldPingParams) bool { return true }
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { swallows.Store(false); db.Close(); <-c.Done() }()
	await(t, func() bool { return db.Ping() == nil }) // a first connection may take longer than ConnectTimeout
	swallows.Store(true)
	began := time.Now()
	_, err = db.Exec("select 1")
	if took := time.Since(began); err == nil || took > 5*time.Second {
		t.Errorf("after %s: %v", took, err)
	}
	swallows.Store(false)
	await(t, func() bool { return db.Ping() == nil })
}

func TestFromDBDoesNotStandInTheQueueThatItWarnsOf(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pool := connector.NewConnector(connector.Config{DSN: testdb.New(t).DSN, MaxConns: 2})
	db := sql.OpenDB(wrapper{pool, func(c inner) driver.Conn { return both{c} }})
	defer func() { db.Close(); <-pool.Done() }()
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := connector.FromDB(db); err == nil {
		t.Error("no error for a limited *sql.DB")
	}
}

func TestAZeroConnectorSaysThatItIsNone(t *testing.T) {
	var c connector.Connector
	if _, err := c.Connect(context.Background()); err == nil {
		t.Error("no error")
	}
	c.Reset()
	if err := errors.Join(c.Close()); err != nil || c.Stats().MaxConns != 0 || c.Connections() != nil {
		t.Error("a zero connector does something")
	}
}

func TestTheFailureOfDoIsCounted(t *testing.T) {
	t.Parallel()
	_, c := open(t, connector.Config{MaxConns: 1})
	ctx := context.Background()
	failed := c.Do(ctx, func(conn *pgx.Conn) error { _, err := conn.Exec(ctx, "nonsense"); return err })
	if s := c.Stats(); failed == nil || s.ErrorCount != 1 || s.QueryCount != 1 {
		t.Errorf("%v: %d errors of %d operations, want 1 of 1", failed, s.ErrorCount, s.QueryCount)
	}
}
