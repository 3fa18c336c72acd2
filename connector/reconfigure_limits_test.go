package connector_test

import (
	"context"
	"crypto/tls"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

// A session of database/sql outlives many connections. What it says at a BEGIN is of the connection that it has.
func TestBehindPgBouncerATransactionIsToldTheTimeoutInForce(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, StatementTimeout: time.Minute})
	b.must(b.ExecContext(b.ctx, "select 1"))
	reconfigure(t, b.c, func(cfg *connector.Config) {
		cfg.StatementTimeout, cfg.IdleInTransactionTimeout = 7*time.Second, 8*time.Second
	})
	tx, err := b.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for setting, want := range map[string]string{"statement_timeout": "7s", "idle_in_transaction_session_timeout": "8s"} {
		if got := b.ask(tx, "show "+setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
}

func TestBehindPgBouncerWhoWaitsHasTheTimeoutOfTheConnectionThatHeGets(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, MaxConns: 1})
	tx, err := b.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	failed := make(chan error, 1)
	go func() {
		_, err := b.ExecContext(b.ctx, "select pg_sleep(5)")
		failed <- err
	}()
	for b.c.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	reconfigure(t, b.c, func(cfg *connector.Config) { cfg.StatementTimeout = 150 * time.Millisecond })
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, pooldriver.ErrStatementTimeout) {
		t.Errorf("got %v, want a statement timeout", err)
	}
}

// Whoever began under a limit keeps it, and somebody has to watch it.
func TestATransactionKeepsItsLimitWhenThePoolHasNoneAnyMore(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2, TransactionTimeout: 800 * time.Millisecond})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	reconfigure(t, c, func(cfg *connector.Config) { cfg.TransactionTimeout = 0 })
	ended := func() bool { return c.Stats().ClosedConns[lifecycle.EndBroken] > 0 }
	time.Sleep(2500 * time.Millisecond) // in which nobody does anything
	if _, err := tx.ExecContext(t.Context(), "select 1"); !errors.Is(err, pooldriver.ErrTransactionTimeout) {
		t.Errorf("got %v, want a transaction timeout", err)
	}
	_ = tx.Rollback()
	for range 2000 {
		if ended() {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if !ended() {
		t.Errorf("the connection was not closed: %+v", c.Stats().ClosedConns)
	}
}

type nobody struct{ name string }

func (nobody) Observe(lifecycle.Event) {}

func TestWhatOnlyAProgramCanMakeStaysAsItWas(t *testing.T) {
	t.Parallel()
	var hooks []func(context.Context, *pgx.Conn) error // closures of one function
	for _, text := range []string{"first", "second"} {
		hooks = append(hooks, func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "select set_config('poolsql.hook', $1, false)", text)
			return err
		})
	}
	db, c := open(t, connector.Config{AfterConnect: hooks[0], Observer: &nobody{"a"}})
	for want, change := range map[string]func(*connector.Config){
		"Observer cannot change": func(cfg *connector.Config) { cfg.Observer = &nobody{"b"} },
		"BeforeConnect cannot change": func(cfg *connector.Config) {
			cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { return nil }
		},
		"AfterConnect cannot change": func(cfg *connector.Config) { cfg.AfterConnect = func(context.Context, *pgx.Conn) error { return nil } },
		"ConnConfig cannot change":   func(cfg *connector.Config) { cfg.ConnConfig.Password = "hunter2" },
		"ConnConfig, Obs":            func(cfg *connector.Config) { cfg.ConnConfig.TLSConfig = &tls.Config{}; cfg.Observer = nil },
	} {
		cfg := c.Config()
		change(&cfg)
		if err := c.Reconfigure(cfg); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("got %v, want one that says %q", err, want)
		}
	}
	cfg := c.Config()
	cfg.ConnConfig.RuntimeParams["app.tenant"] = "another"
	if err := c.Reconfigure(cfg); err == nil {
		t.Error("another parameter was accepted, and ignored")
	}
	// Of two closures of one function nobody can tell that they are two. The first stays.
	cfg = c.Config()
	cfg.AfterConnect, cfg.StatementTimeout = hooks[1], time.Minute
	if err := c.Reconfigure(cfg); err != nil {
		t.Fatal(err)
	}
	if got := query(t, db, "show poolsql.hook"); got != "first" {
		t.Errorf("the hook in force is the %s", got)
	}
}

func TestBehindPgBouncerInSessionModeAResetQueryLeavesTheSettings(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{
		PgBouncer: connector.PoolSession, DSN: "&search_path=pg_catalog", MaxConns: 1,
		StatementTimeout: 6 * time.Second, ResetQuery: "discard all",
	})
	var conn *sql.Conn
	for range 3 {
		var err error
		if conn, err = b.Conn(b.ctx); err != nil {
			t.Fatal(err)
		}
		for setting, want := range map[string]string{"statement_timeout": "6s", "search_path": "pg_catalog"} {
			if got := b.ask(conn, "show "+setting); got != want {
				t.Errorf("%s is %s, want %s", setting, got, want)
			}
		}
		b.must(conn.ExecContext(b.ctx, "set search_path to public"))
		b.must(nil, conn.Close())
	}
}

func TestBehindPgBouncerInSessionModeAHoldersResetIsItsOwn(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{
		PgBouncer: connector.PoolSession, DSN: "&search_path=pg_catalog", MaxConns: 1, StatementTimeout: 7 * time.Second,
	})
	pid := b.ask(b, "select pg_backend_pid()")
	for _, reset := range []string{"reset all", " /* mine */ Reset search_path", "reset statement_timeout"} {
		b.must(b.ExecContext(b.ctx, reset))
		for setting, want := range map[string]string{"statement_timeout": "7s", "search_path": "pg_catalog"} {
			if got := b.ask(b, "show "+setting); got != want {
				t.Errorf("after %s of somebody else %s is %s, want %s", reset, setting, got, want)
			}
		}
	}
	if got := b.ask(b, "select pg_backend_pid()"); got != pid {
		t.Error("it cost the connection")
	}
}

// The server does not tell the names of its settings apart by case.
func TestATimeoutInTheDSNCountsInWhateverCaseItsNameIs(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	dsn := testdb.New(t).DSN + "&Statement_Timeout=1h"
	for range 8 { // which of two came last would be a matter of chance
		db, err := connector.Open(connector.Config{DSN: dsn, StatementTimeout: 7 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		got := query(t, db, "show statement_timeout")
		c, _ := connector.FromDB(db)
		db.Close()
		<-c.Done()
		if got != "7s" {
			t.Fatalf("statement_timeout is %s, want the Config's 7s", got)
		}
	}
}

func TestBehindPgBouncerATimeoutInTheDSNCountsInWhateverCaseItsNameIs(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, DSN: "&Statement_Timeout=150"})
	if _, err := b.ExecContext(b.ctx, sleep); !errors.Is(err, pooldriver.ErrStatementTimeout) {
		t.Errorf("got %v, want a statement timeout", err)
	}
}
