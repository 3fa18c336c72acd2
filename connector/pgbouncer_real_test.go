package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// A bounced is a pool behind a PgBouncer that runs.
type bounced struct {
	*sql.DB
	c       *connector.Connector
	pooler  *testdb.Pooler
	direct  *sql.DB // to the server itself
	name    string  // of the database
	t       *testing.T
	ctx     context.Context
	learned *recorder
}

// bounce returns a pool as cfg says behind a PgBouncer in its mode, with these settings.
func bounce(t *testing.T, cfg connector.Config, settings ...string) *bounced {
	t.Helper()
	testdb.NoLeaksInParallel(t)
	db := testdb.New(t)
	mode := cfg.PgBouncer
	if mode == connector.NoPgBouncer {
		mode = connector.PoolTransaction
	}
	p := testdb.PgBouncer(t, db.Server, mode.String(), settings...)
	return bounceOn(t, cfg, db, p)
}

func bounceOn(t *testing.T, cfg connector.Config, db *testdb.DB, p *testdb.Pooler) *bounced {
	t.Helper()
	b := &bounced{pooler: p, name: db.Name, t: t, ctx: t.Context(), learned: new(recorder)}
	if cfg.ConnConfig == nil {
		cfg.DSN = p.DSN(db.Name) + cfg.DSN
	}
	if cfg.PgBouncerConsole == "console" {
		cfg.PgBouncerConsole = p.ConsoleDSN()
	}
	if cfg.Observer == nil {
		cfg.Observer = b.learned
	}
	var err error
	if b.DB, err = connector.Open(cfg); err != nil {
		t.Fatal(err)
	}
	if b.c, err = connector.FromDB(b.DB); err != nil {
		t.Fatal(err)
	}
	if b.direct, err = connector.Open(connector.Config{DSN: db.DSN}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		b.DB.Close()
		<-b.c.Done()
		c, _ := connector.FromDB(b.direct)
		b.direct.Close()
		<-c.Done()
	})
	return b
}

func (b *bounced) must(_ any, err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// ask returns one value as text.
func (b *bounced) ask(on interface {
	QueryRowContext(context.Context, string, ...any) *sql.Row
}, query string, args ...any) string {
	b.t.Helper()
	var v sql.NullString
	if err := on.QueryRowContext(b.ctx, query, args...).Scan(&v); err != nil {
		b.t.Fatalf("%s: %v", query, err)
	}
	return v.String
}

const sleep = "select pg_sleep(20)"

func TestBehindPgBouncerAStatementTimeoutHoldsAndStaysWithNobody(t *testing.T) {
	t.Parallel()
	for _, mode := range []connector.PoolMode{connector.PoolSession, connector.PoolTransaction, connector.PoolStatement} {
		t.Run(mode.String(), func(t *testing.T) {
			const limit = 500 * time.Millisecond
			b := bounce(t, connector.Config{
				PgBouncer: mode, StatementTimeout: limit, MaxConns: 1, DSN: "&idle_in_transaction_session_timeout=50s",
			}, "default_pool_size = 1")
			before := b.ask(b.DB, "select 1") // opens the connection
			if before != "1" {
				t.Fatal(before)
			}
			id := b.c.Connections()[0].ID
			check := func(what string, err error, began time.Time) {
				t.Helper()
				var timeout *pooldriver.TimeoutError
				took := time.Since(began)
				if !errors.As(err, &timeout) || timeout.Limit != pooldriver.LimitStatement || timeout.After != limit || timeout.Closed {
					t.Errorf("%s: %v", what, err)
				}
				if took < limit || took > limit+5*time.Second {
					t.Errorf("%s took %s", what, took)
				}
			}
			began := time.Now()
			_, err := b.ExecContext(b.ctx, sleep)
			check("a statement", err, began)
			began = time.Now()
			check("a query", b.QueryRowContext(b.ctx, "select pg_sleep($1)", 20).Scan(new(sql.NullString)), began)
			if mode != connector.PoolStatement {
				tx, err := b.BeginTx(b.ctx, nil)
				if err != nil {
					t.Fatal(err)
				}
				if got := b.ask(tx, "show statement_timeout"); got != "500ms" {
					t.Errorf("in a transaction the server has a limit of %s", got)
				}
				if got := b.ask(tx, "show idle_in_transaction_session_timeout"); got != "50s" {
					t.Errorf("in a transaction the server's limit of idleness is %s", got)
				}
				if err := tx.Rollback(); err != nil {
					t.Error(err)
				}
				if tx, err = b.BeginTx(b.ctx, nil); err != nil { // of the other it is not known whether it has set something
					t.Fatal(err)
				}
				began = time.Now()
				_, err = tx.ExecContext(b.ctx, sleep)
				check("a statement in a transaction", err, began)
				if err := tx.Rollback(); err != nil {
					t.Error(err)
				}
			}
			if got := b.c.Connections(); len(got) != 1 || got[0].ID != id || b.c.Stats().NewConnsCount != 1 {
				t.Errorf("the connection was not kept: %+v", got)
			}
			// What is left on the one session of the server, for somebody else: nothing but what a session of its own has.
			b.DB.Close()
			<-b.c.Done()
			other, err := pgx.Connect(b.ctx, b.pooler.DSN(b.name))
			if err != nil {
				t.Fatal(err)
			}
			defer other.Close(b.ctx)
			for _, name := range []string{"statement_timeout", "idle_in_transaction_session_timeout"} {
				var got string
				if err := other.QueryRow(b.ctx, "show "+name, pgx.QueryExecModeSimpleProtocol).Scan(&got); err != nil || got != "0" {
					t.Errorf("%s was left at %s, %v", name, got, err)
				}
			}
		})
	}
}

func TestBehindPgBouncerACallMayHaveALongerTimeoutInATransaction(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, StatementTimeout: 500 * time.Millisecond, MaxConns: 1})
	longer := priority.WithTimeout(b.ctx, 10*time.Second)
	tx, err := b.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.must(tx.ExecContext(longer, "select pg_sleep(1)"))
	if got := b.ask(tx, "show statement_timeout"); got != "500ms" {
		t.Errorf("afterwards the limit is %s", got)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	for _, ctx := range []context.Context{longer, priority.WithTimeout(b.ctx, priority.NoTimeout), priority.WithoutLimits(b.ctx)} {
		b.must(b.ExecContext(ctx, "select pg_sleep(1)"))
	}
	tx, err = b.BeginTx(priority.WithoutLimits(b.ctx), nil)
	if err != nil {
		t.Fatal(err)
	}
	b.must(tx.ExecContext(priority.WithoutLimits(b.ctx), "select pg_sleep(1)"))
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if n := b.c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections were opened, want 1", n)
	}
	// A transaction that the caller begins and ends by statements of his own has a timer too, and none is left told.
	conn, err := b.Conn(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for range 2 {
		b.must(conn.ExecContext(b.ctx, "begin"))
		if _, err := conn.ExecContext(b.ctx, sleep); !errors.Is(err, pooldriver.ErrStatementTimeout) {
			t.Errorf("in a transaction by hand: %v", err)
		}
		b.must(conn.ExecContext(b.ctx, "rollback"))
		if _, err := conn.ExecContext(b.ctx, sleep); !errors.Is(err, pooldriver.ErrStatementTimeout) {
			t.Errorf("after it: %v", err)
		}
	}
}

func TestBehindPgBouncerTransactionsHaveTheirLimits(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{
		PgBouncer: connector.PoolTransaction, TransactionTimeout: time.Second, MaxConns: 2,
	}, "default_pool_size = 2")
	tx, err := b.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(b.ctx, sleep); !errors.Is(err, pooldriver.ErrTransactionTimeout) {
		t.Errorf("a statement of a transaction that is over: %v", err)
	}
	tx.Rollback()
	tx, err = b.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.must(tx.ExecContext(b.ctx, "select 1"))
	b.await("the watchdog to end a transaction that does nothing", func() bool {
		_, err := tx.ExecContext(b.ctx, "select 1")
		return errors.Is(err, pooldriver.ErrTransactionTimeout)
	})
	tx.Rollback()
	if got := b.ask(b.DB, "select 2"); got != "2" {
		t.Error(got)
	}

	idle := bounceOn(t, connector.Config{
		PgBouncer: connector.PoolTransaction, IdleInTransactionTimeout: 100 * time.Millisecond, MaxConns: 2,
	}, &testdb.DB{Name: b.name, DSN: b.directDSN()}, b.pooler)
	if tx, err = idle.BeginTx(b.ctx, nil); err != nil {
		t.Fatal(err)
	}
	time.Sleep(1500 * time.Millisecond) // more than it may idle: nothing tells when the server has ended it
	if _, err := tx.ExecContext(b.ctx, "select 1"); !errors.Is(err, pooldriver.ErrIdleInTransactionTimeout) {
		t.Errorf("after too long an idleness: %v", err)
	}
	tx.Rollback()
}

func (b *bounced) directDSN() string {
	c, _ := connector.FromDB(b.direct)
	return c.Config().DSN
}

func (b *bounced) await(what string, done func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !done(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatal("waited in vain for ", what)
		}
	}
}

func TestBehindPgBouncerWhatNeedsASessionIsRefusedBeforeItIsSent(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{PgBouncer: connector.PoolTransaction, PgBouncerParams: []string{"IntervalStyle"}}, "ignore_startup_parameters = intervalstyle")
	sent := func(err error) string {
		var refused *pooldriver.SessionError
		if errors.As(err, &refused) && errors.Is(err, pooldriver.ErrNeedsSession) && strings.Contains(err.Error(), refused.Instead) {
			return refused.Statement
		}
		return ""
	}
	for query, want := range map[string]string{
		"LISTEN jobs":                             "LISTEN",
		"/* a /* b */ */ -- c\n\tlisten jobs":     "LISTEN",
		"set search_path to a":                    "SET",
		"set session work_mem to '1MB'":           "SET",
		"set role postgres":                       "SET",
		"reset all":                               "RESET",
		"load 'auto_explain'":                     "LOAD",
		"discard all":                             "DISCARD",
		"prepare p as select 1":                   "PREPARE",
		"declare c cursor with hold for select 1": "DECLARE … WITH HOLD",
		"create temp table t (n int)":             "CREATE TEMPORARY",
		"select pg_advisory_lock(1)":              "pg_advisory_lock",
		"select pg_try_advisory_lock_shared(1)":   "pg_try_advisory_lock_shared",
		"set local work_mem to '1MB'":             "",
		"set timezone to 'UTC'":                   "",
		"set time zone 'UTC'":                     "",
		"set names 'UTF8'":                        "",
		"set session datestyle to 'ISO'":          "",
		"reset timezone":                          "",
		"set intervalstyle to 'postgres'":         "",
		"set transaction read only":               "",
		"create table listen (n int)":             "",
		"select pg_advisory_xact_lock(1)":         "",
		"select pg_backend_pid()":                 "",
		"":                                        "",
	} {
		_, err := b.ExecContext(b.ctx, query)
		if got := sent(err); got != want {
			t.Errorf("%q: refused as %q, want %q (%v)", query, got, want, err)
		}
		if want != "" {
			if _, err := b.QueryContext(b.ctx, query); sent(err) != want {
				t.Errorf("%q as a query: %v", query, err)
			}
			if _, err := b.PrepareContext(b.ctx, query); sent(err) != want {
				t.Errorf("%q prepared: %v", query, err)
			}
		} else if err != nil {
			t.Errorf("%q: %v", query, err)
		}
	}
	tx, err := b.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.must(tx.ExecContext(b.ctx, "create temp table t (n int) on commit drop"))
	b.must(tx.ExecContext(b.ctx, "declare c cursor for select 1"))
	if _, err := tx.ExecContext(b.ctx, "listen jobs"); sent(err) != "LISTEN" {
		t.Error(err)
	}
	if err := tx.Commit(); err != nil { // nothing was sent that could have failed
		t.Error(err)
	}

	statement := bounceOn(t, connector.Config{PgBouncer: connector.PoolStatement}, &testdb.DB{Name: b.name, DSN: b.directDSN()}, b.pooler)
	if _, err := statement.BeginTx(b.ctx, nil); sent(err) != "a transaction" {
		t.Errorf("a transaction in statement mode: %v", err)
	}
	if _, err := statement.ExecContext(b.ctx, "begin"); sent(err) != "BEGIN" {
		t.Errorf("a transaction in statement mode, by hand: %v", err)
	}
}

func TestBehindPgBouncerInSessionModeSettingsAreSetAndSessionsKept(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{
		PgBouncer: connector.PoolSession, MaxConns: 1, StatementTimeout: 9 * time.Second, ResetQuery: "select 1",
		DSN: `&search_path=a%27b%2C%20%22c%5C%22&work_mem=1234kB&application_name=shop`,
	}, "default_pool_size = 1")
	for setting, want := range map[string]string{
		"search_path": `a'b, "c\"`, "work_mem": "1234kB", "application_name": "shop", "statement_timeout": "9s",
	} {
		if got := b.ask(b.DB, "show "+setting); got != want {
			t.Errorf("%s is %s, want %s", setting, got, want)
		}
	}
	conn, err := b.Conn(b.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	b.must(conn.ExecContext(b.ctx, "create temp table t (n int)"))
	b.must(conn.ExecContext(b.ctx, "listen jobs"))
	b.must(conn.ExecContext(b.ctx, "insert into t values ($1)", 3))
	if got := b.ask(conn, "select n from t where n = $1", 3); got != "3" {
		t.Error(got)
	}
	if s := b.c.Stats(); s.StatementMisses == 0 {
		t.Error("statements were not prepared")
	}
	b.must(conn.ExecContext(b.ctx, "set statement_timeout to '3s'"))
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	if got := b.ask(b.DB, "show statement_timeout"); got != "9s" {
		t.Errorf("the next holder has a limit of %s", got)
	}
}

func TestBehindPgBouncerNoProcessIsNamedAndTheWatchdogLeavesOthersAlone(t *testing.T) {
	t.Parallel()
	b := bounce(t, connector.Config{
		PgBouncer: connector.PoolTransaction, StatementTimeout: 300 * time.Millisecond, TransactionTimeout: time.Minute, MaxConns: 4,
	}, "default_pool_size = 1")
	if err := b.c.Warmup(b.ctx, 4); err != nil { // which proves each
		t.Fatal(err)
	}
	for _, info := range b.c.Connections() {
		if info.PID != 0 {
			t.Errorf("connection %d is said to be served by process %d, which is PgBouncer's invention", info.ID, info.PID)
		}
	}
	// One holds the only session of the server, longer than a statement may take and the watchdog waits; the others queue in
	// PgBouncer under contexts that allow it.
	tx, err := b.BeginTx(b.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	var queued sync.WaitGroup
	for range 3 {
		queued.Go(func() {
			if _, err := b.ExecContext(priority.WithTimeout(b.ctx, priority.NoTimeout), "select 1"); err != nil {
				t.Error("a statement in PgBouncer's queue: ", err)
			}
		})
	}
	b.await("three to queue in PgBouncer", func() bool { return b.c.Stats().InUseConns == 4 })
	time.Sleep(1200 * time.Millisecond) // limit, silence and two looks of the watchdog
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	queued.Wait()
	// A statement that waits in the queue when its time is up is canceled in vain, and not run: its connection is closed.
	if tx, err = b.BeginTx(b.ctx, nil); err != nil {
		t.Fatal(err)
	}
	b.must(b.direct.ExecContext(b.ctx, "create table ran (n int)"))
	began := time.Now()
	_, err = b.ExecContext(b.ctx, "insert into ran values (1)")
	if took := time.Since(began); !errors.Is(err, pooldriver.ErrStatementTimeout) || took > 10*time.Second {
		t.Errorf("after %s: %v", took, err)
	} else if strings.Contains(err.Error(), "process") {
		t.Errorf("a process is named: %v", err)
	}
	// The others are suspect now, and asked before they serve. That they wait in the queue for the answer is no sign of death.
	opened := b.c.Stats().NewConnsCount
	queued.Go(func() {
		if _, err := b.ExecContext(priority.WithTimeout(b.ctx, priority.NoTimeout), "select 1"); err != nil {
			t.Error("a suspect in PgBouncer's queue: ", err)
		}
	})
	time.Sleep(1300 * time.Millisecond) // more than a suspect has to answer elsewhere
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	queued.Wait()
	if now := b.c.Stats().NewConnsCount; now != opened {
		t.Errorf("%d connections were given up in the queue", now-opened)
	}
	b.must(b.ExecContext(b.ctx, "select 1"))
	if got := b.ask(b.direct, "select count(*) from ran"); got != "0" {
		t.Errorf("it ran %s times after its caller was told", got)
	}
}
