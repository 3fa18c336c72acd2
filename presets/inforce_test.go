package presets_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/presets"
	"github.com/poolsql/poolsql/priority"
)

// A still is a server that lets in whoever comes, or never answers, and notes for how long somebody waited for it.
type still struct {
	silent bool
	open   atomic.Int64
	waited atomic.Int64
}

func (s *still) Connect(ctx context.Context) (driver.Conn, error) {
	if s.silent {
		began := time.Now()
		<-ctx.Done()
		s.waited.CompareAndSwap(0, int64(time.Since(began)))
		return nil, ctx.Err()
	}
	s.open.Add(1)
	return &stillConn{s: s}, nil
}

func (s *still) Driver() driver.Driver { return nil }

type stillConn struct{ s *still }

func (c *stillConn) Prepare(string) (driver.Stmt, error) { return nil, errors.ErrUnsupported }
func (c *stillConn) Begin() (driver.Tx, error)           { return nil, errors.ErrUnsupported }
func (c *stillConn) Close() error                        { c.s.open.Add(-1); return nil }
func (c *stillConn) Ping(context.Context) error          { return nil }

// hold takes n connections, and returns what gives them back.
func hold(t *testing.T, db *sql.DB, n int) (release func()) {
	t.Helper()
	var held []*sql.Conn
	for range n {
		conn, err := db.Conn(t.Context())
		if err == nil {
			err = conn.PingContext(t.Context())
		}
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, conn)
	}
	return func() {
		for _, conn := range held {
			if err := conn.Close(); err != nil {
				t.Error(err)
			}
		}
	}
}

// on returns a pool of cfg on server. The timeout of statements is for pgx alone, and tested elsewhere.
func on(t *testing.T, server *still, cfg connector.Config) (*sql.DB, *connector.Connector) {
	t.Helper()
	cfg.Connector, cfg.DSN, cfg.StatementTimeout = server, "", 0
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	c, err := connector.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	return db, c
}

func finish(t *testing.T, db *sql.DB, c *connector.Connector) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Error(err)
	}
	<-c.Done()
}

// The clock of these tests runs as fast as nobody does anything, so that a minute is a minute and costs none.
func TestEachPresetsTimesAndNumbersAreWhatCallersMeet(t *testing.T) {
	for name, want := range map[string]struct {
		minConns, maxConns     int
		idle, connect, acquire time.Duration
	}{
		"development":     {2, 10, time.Minute, 5 * time.Second, 10 * time.Second},
		"production":      {10, 50, 30 * time.Second, 10 * time.Second, 30 * time.Second},
		"high-throughput": {20, 100, 10 * time.Second, 5 * time.Second, 15 * time.Second},
		"low-latency":     {20, 50, time.Minute, 3 * time.Second, 5 * time.Second},
		"serverless":      {0, 10, 5 * time.Second, 10 * time.Second, 20 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			cfg, err := presets.ByName(name)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Test(t, func(t *testing.T) {
				server := new(still)
				db, c := on(t, server, cfg)
				defer finish(t, db, c)
				release := hold(t, db, want.maxConns)
				began := time.Now()
				if err := db.PingContext(t.Context()); !errors.Is(err, priority.ErrTimeout) {
					t.Errorf("one caller more got %v", err)
				}
				if waited := time.Since(began); waited != want.acquire {
					t.Errorf("it waited for %s, want %s", waited, want.acquire)
				}
				if n := server.open.Load(); n != int64(want.maxConns) {
					t.Errorf("%d connections are open, want %d", n, want.maxConns)
				}
				release()
				time.Sleep(want.idle - time.Millisecond)
				synctest.Wait()
				if n := server.open.Load(); n != int64(want.maxConns) {
					t.Errorf("%d connections are open before they were idle for %s", n, want.idle)
				}
				time.Sleep(want.idle)
				synctest.Wait()
				if n := server.open.Load(); n != int64(want.minConns) {
					t.Errorf("%d connections are kept open, want %d", n, want.minConns)
				}
			})
			synctest.Test(t, func(t *testing.T) {
				server := &still{silent: true}
				db, c := on(t, server, cfg)
				defer finish(t, db, c)
				if err := db.PingContext(t.Context()); err == nil {
					t.Error("a server that never answers was reached")
				}
				synctest.Wait()
				if waited := time.Duration(server.waited.Load()); waited != want.connect {
					t.Errorf("a server that never answers was given up after %s, want %s", waited, want.connect)
				}
			})
		})
	}
}

func TestZeroInAVariableIsNoLimit(t *testing.T) {
	s := read(t, presets.Serverless(), map[string]string{
		"DATABASE_HOST": "db", "POOL_ACQUIRE_TIMEOUT_MS": "0", "POOL_IDLE_TIMEOUT_MS": "0", "POOL_MAX_CONNECTIONS": "2",
	})
	synctest.Test(t, func(t *testing.T) {
		server := new(still)
		cfg := s.Config
		cfg.MaxConnLifetime = connector.None
		db, c := on(t, server, cfg)
		defer finish(t, db, c)
		release := hold(t, db, 2)
		waited := make(chan error, 1)
		go func() { waited <- db.PingContext(t.Context()) }()
		time.Sleep(24 * time.Hour)
		select {
		case err := <-waited:
			t.Fatalf("a caller was turned away within a day: %v", err)
		default:
		}
		release()
		if err := <-waited; err != nil {
			t.Error(err)
		}
		time.Sleep(24 * time.Hour)
		synctest.Wait()
		if n := server.open.Load(); n != 2 {
			t.Errorf("after a day %d of 2 idle connections are open", n)
		}
	})
}

func TestThePoolModeOfTheEnvironmentDecidesWhatIsSent(t *testing.T) {
	testdb.NoLeaks(t)
	server := testdb.New(t)
	cc := mustParse(t, testdb.PgBouncer(t, server.Server, "session").DSN(server.Name))
	vars := with(parts(t, server), "PGBOUNCER_HOST", cc.Host, "PGBOUNCER_PORT", parts(t, &testdb.DB{TCPDSN: cc.ConnString()})["DATABASE_PORT"])
	for _, c := range []struct {
		mode            string
		set, begins     bool
		statementsLimit string // in a transaction, on the server
	}{
		{"session", true, true, "1min"},
		{"transaction", false, true, "1min"},
		{"", false, true, "1min"},
		{"statement", false, false, ""},
	} {
		db, _ := open(t, read(t, presets.Production(), with(vars, "PGBOUNCER_POOL_MODE", c.mode, "POOL_MIN_CONNECTIONS", "0")).Config)
		_, err := db.ExecContext(t.Context(), "set work_mem to '1MB'")
		if c.set != (err == nil) || !c.set && !errors.Is(err, pooldriver.ErrNeedsSession) {
			t.Errorf("%q: SET: %v", c.mode, err)
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if c.begins != (err == nil) || !c.begins && !errors.Is(err, pooldriver.ErrNeedsSession) {
			t.Errorf("%q: BEGIN: %v", c.mode, err)
		}
		if err != nil {
			continue
		}
		var got string
		if err := tx.QueryRowContext(t.Context(), "show statement_timeout").Scan(&got); err != nil || got != c.statementsLimit {
			t.Errorf("%q: statement_timeout %s, %v", c.mode, got, err)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
}

// The environment wins over the preset in the words of the server too.
func TestAStatementTimeoutInTheURLWinsOverThePresets(t *testing.T) {
	testdb.NoLeaks(t)
	url := testdb.New(t).TCPDSN + "&statement_timeout=5s"
	for _, c := range []struct {
		url, variable, want string
	}{
		{url, "", "5s"},
		{url, "0", "5s"},
		{url, "7000", "7s"},
		{url + "&pool_statement_timeout=6s", "", "6s"},
	} {
		db, _ := open(t, read(t, presets.Production(), map[string]string{
			"DATABASE_URL": c.url, "POOL_STATEMENT_TIMEOUT_MS": c.variable, "POOL_MIN_CONNECTIONS": "0",
		}).Config)
		if got := ask(t, db, "show statement_timeout"); got != c.want {
			t.Errorf("with %q: the server has a statement_timeout of %s, want %s", c.variable, got, c.want)
		}
	}
}
