package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/priority"
)

// runner is what *sql.DB, *sql.Conn and *sql.Tx have in common.
type runner interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
	PrepareContext(context.Context, string) (*sql.Stmt, error)
}

// shown returns what the server's setting is for a statement under ctx.
func (f *fixture) shown(ctx context.Context, on runner, setting string) (value string) {
	f.t.Helper()
	if err := on.QueryRowContext(ctx, "select current_setting($1)", setting).Scan(&value); err != nil {
		f.t.Fatal(err)
	}
	return value
}

// allowed reports an error unless a statement under ctx may take so long.
func (f *fixture) allowed(ctx context.Context, on runner, want, when string) {
	f.t.Helper()
	if got := f.shown(ctx, on, "statement_timeout"); got != want {
		f.t.Errorf("%s: statement_timeout is %s, want %s", when, got, want)
	}
}

func statementTimeout(d time.Duration) func(*poolsql.Config) {
	return func(cfg *poolsql.Config) { cfg.StatementTimeout = d }
}

// longer are contexts whose statements may take longer than the pool's 500 ms, with what the server is told.
func longer(ctx context.Context) map[string]context.Context {
	return map[string]context.Context{
		"10s": priority.WithTimeout(ctx, 10*time.Second),
		"0":   priority.WithTimeout(ctx, priority.NoTimeout),
	}
}

// each runs f outside of a transaction, inside one, and on a *sql.Conn.
func (f *fixture) each(t *testing.T, run func(on runner)) {
	t.Helper()
	run(f.db)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(tx)
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	run(conn)
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	f.awaitFree()
	f.allowed(f.ctx, f.db, "500ms", "for the next holder")
}

func TestACallMayTakeLongerThanThePoolAllows(t *testing.T) {
	t.Parallel()
	const much = 0.8
	for what, run := range map[string]func(f *fixture, ctx context.Context, on runner) error{
		"exec": func(_ *fixture, ctx context.Context, on runner) error {
			_, err := on.ExecContext(ctx, "select pg_sleep($1)", much)
			return err
		},
		"rows": func(_ *fixture, ctx context.Context, on runner) error {
			rows, err := on.QueryContext(ctx, "select g, case when g % 4000 = 0 then pg_sleep(0.4) end from generate_series(1, 10000) g")
			if err != nil {
				return err
			}
			defer rows.Close()
			n := 0
			for rows.Next() {
				n++
			}
			if n != 10000 {
				return errors.Join(fmt.Errorf("%d rows", n), rows.Err())
			}
			return rows.Err()
		},
		"statement": func(f *fixture, ctx context.Context, on runner) error {
			st, err := on.PrepareContext(f.ctx, "select pg_sleep($1)")
			if err != nil {
				return err
			}
			defer st.Close()
			_, err = st.ExecContext(ctx, much)
			return err
		},
	} {
		for want := range longer(t.Context()) {
			t.Run(what+" "+want, func(t *testing.T) {
				t.Parallel()
				f := patient(t, 1, statementTimeout(500*time.Millisecond))
				ctx := longer(f.ctx)[want]
				f.each(t, func(on runner) {
					f.allowed(ctx, on, want, "for the call")
					if err := run(f, ctx, on); err != nil {
						t.Error(err)
					}
					f.allowed(f.ctx, on, "500ms", "for the next statement")
				})
				if n := f.c.Stats().NewConnsCount; n != 1 {
					t.Errorf("%d connections were opened", n)
				}
			})
		}
	}
}

func TestWhatACallWasAllowedIsTakenBackHoweverItEnds(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, statementTimeout(500*time.Millisecond))
	lifted := priority.WithoutLimits(f.ctx)
	// Errors leave a transaction in which nothing runs but its end, so each gets its own.
	for name, fail := range map[string]func(on runner) error{
		"error": func(on runner) error { _, err := on.ExecContext(lifted, "select 1/0"); return err },
		"cancel": func(on runner) error {
			ctx, cancel := context.WithTimeout(lifted, 30*time.Millisecond)
			defer cancel()
			_, err := on.ExecContext(ctx, "select pg_sleep(60)")
			return err
		},
		"rows": func(on runner) error {
			rows, err := on.QueryContext(lifted, "select 1/(3-g) from generate_series(1, 5) g")
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		},
	} {
		if err := fail(f.db); err == nil {
			t.Errorf("%s: no error", name)
		}
		f.awaitFree()
		f.allowed(f.ctx, f.db, "500ms", "after an "+name)
		conn, err := f.db.Conn(f.ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := fail(conn); err == nil {
			t.Errorf("%s: no error", name)
		}
		f.allowed(f.ctx, conn, "500ms", "on the Conn after an "+name)
		conn.Close()
		tx, err := f.db.BeginTx(f.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(f.ctx, "savepoint s"); err != nil {
			t.Fatal(err)
		}
		if err := fail(tx); err == nil {
			t.Errorf("%s: no error", name)
		}
		if _, err := tx.ExecContext(f.ctx, "rollback to savepoint s"); err != nil {
			t.Fatal(err)
		}
		f.allowed(f.ctx, tx, "500ms", "after going back to the savepoint from an "+name)
		f.allowed(lifted, tx, "0", "and lifted again")
		if err := fail(tx); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
		f.allowed(f.ctx, f.db, "500ms", "after the rollback of an "+name)
	}
	if n := f.c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestATransactionThatBeginsWithoutLimitsKeepsThemOff(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, statementTimeout(500*time.Millisecond))
	lifted := priority.WithoutLimits(f.ctx)
	tx, err := f.db.BeginTx(lifted, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.allowed(lifted, tx, "0", "in it")
	f.allowed(f.ctx, tx, "500ms", "a statement of it without")
	f.allowed(lifted, tx, "0", "in it again")
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	f.allowed(f.ctx, f.db, "500ms", "for the next holder")
}

// A transaction that the caller begins and ends by statements is none for database/sql.
func TestATransactionOfTheCallersOwnEndsWhatItWasAllowed(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, statementTimeout(500*time.Millisecond))
	lifted := priority.WithTimeout(f.ctx, priority.NoTimeout)
	for _, end := range []string{"commit", "rollback"} {
		conn, err := f.db.Conn(f.ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, sql := range []string{"begin", "select pg_sleep(0.8)", end} {
			if _, err := conn.ExecContext(lifted, sql); err != nil {
				t.Fatal(err)
			}
		}
		f.allowed(f.ctx, conn, "500ms", "after "+end)
		for i, sql := range []string{"begin", "select 1", end} {
			ctx := lifted
			if i == 0 {
				ctx = f.ctx
			}
			if _, err := conn.ExecContext(ctx, sql); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := conn.ExecContext(f.ctx, "select pg_sleep(60)"); !errors.Is(err, pooldriver.ErrStatementTimeout) {
			t.Errorf("after a %s that was allowed more: %v", end, err)
		}
		conn.Close()
		f.awaitFree()
		f.allowed(f.ctx, f.db, "500ms", "for the next holder")
	}
}

// A hook may have set its own; a limit that is taken back leaves that.
func TestALimitThatIsTakenBackLeavesWhatAHookHasSet(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, func(cfg *poolsql.Config) {
		cfg.AfterConnect = func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "set statement_timeout = '7s'")
			return err
		}
	})
	lifted := priority.WithTimeout(f.ctx, priority.NoTimeout)
	f.allowed(f.ctx, f.db, "7s", "at first")
	f.allowed(lifted, f.db, "0", "lifted")
	f.allowed(f.ctx, f.db, "7s", "taken back")
	err := inTx(f.ctx, f.db, func(tx *sql.Tx) error {
		f.allowed(lifted, tx, "0", "lifted in a transaction")
		f.allowed(f.ctx, tx, "7s", "taken back in it")
		return tx.Commit()
	})
	if err != nil {
		t.Error(err)
	}
	f.allowed(f.ctx, f.db, "7s", "taken back after the transaction")
}

func TestARolesOwnLimitIsLiftedAndComesBack(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	var role string
	if err := f.db.QueryRowContext(f.ctx, "select current_user").Scan(&role); err != nil {
		t.Fatal(err)
	}
	// In the database, so that no other test sees it.
	set := fmt.Sprintf("alter role %s in database %s set statement_timeout = '500ms'", pgx.Identifier{role}.Sanitize(),
		pgx.Identifier{parse(t, f.dsn).Database}.Sanitize())
	f.exec(set)
	f.c.Reset()
	f.await("a connection that has the limit", func() bool { return f.shown(f.ctx, f.db, "statement_timeout") == "500ms" })
	lifted := priority.WithTimeout(f.ctx, priority.NoTimeout)
	if _, err := f.db.ExecContext(lifted, "select pg_sleep(0.8)"); err != nil {
		t.Error(err)
	}
	f.allowed(f.ctx, f.db, "500ms", "afterwards")
	var pgErr *pgconn.PgError
	if _, err := f.db.ExecContext(f.ctx, "select pg_sleep(60)"); !errors.As(err, &pgErr) || pgErr.Code != "57014" {
		t.Errorf("the role's own limit: %v", err)
	}
}

// written counts writes to the network: messages that are sent together are one.
type written struct {
	net.Conn
	all *writes
}

func (w written) Write(b []byte) (int, error) {
	w.all.mu.Lock()
	w.all.texts = append(w.all.texts, string(b))
	w.all.mu.Unlock()
	return w.Conn.Write(b)
}

type writes struct {
	mu    sync.Mutex // guards texts
	texts []string
}

// take returns what was written since the last time.
func (w *writes) take() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	texts := w.texts
	w.texts = nil
	return texts
}

// counted makes a fixture whose writes are counted.
func counted(t *testing.T, change ...func(*poolsql.Config)) (*fixture, *writes) {
	t.Helper()
	var n writes
	f := open(t, 1, append(change, func(cfg *poolsql.Config) {
		dial := cfg.ConnConfig.DialFunc
		cfg.ConnConfig.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dial(ctx, network, address)
			return written{conn, &n}, err
		}
	})...)
	return f, &n
}

func TestLimitsCostARoundTripOnlyWhereTheyAreLifted(t *testing.T) {
	t.Parallel()
	f, n := counted(t, statementTimeout(time.Minute))
	costs := func(what string, want int, run func() error) {
		t.Helper()
		n.take()
		if err := run(); err != nil {
			t.Fatal(err)
		}
		if got := n.take(); len(got) != want {
			t.Errorf("%s: %d round trips, want %d: %q", what, len(got), want, got)
		}
	}
	on := func(r runner, ctx context.Context) func() error {
		return func() error { _, err := r.ExecContext(ctx, "select 1"); return err }
	}
	shorter, lifted := priority.WithTimeout(f.ctx, time.Second), priority.WithTimeout(f.ctx, priority.NoTimeout)
	f.exec("select 1")
	costs("a plain statement", 1, on(f.db, f.ctx))
	costs("a shorter limit", 1, on(f.db, shorter))
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	costs("the first without", 2, on(conn, lifted))
	costs("the next without", 1, on(conn, lifted))
	costs("the first with it again", 2, on(conn, f.ctx))
	costs("the next with it", 1, on(conn, f.ctx))
	conn.Close()
	costs("a transaction of two statements", 4, func() error {
		return inTx(f.ctx, f.db, func(tx *sql.Tx) error {
			return errors.Join(on(tx, shorter)(), tx.Commit())
		})
	})
	costs("the same without limits, which are taken back off the caller's path", 6, func() error {
		defer f.awaitFree()
		return inTx(lifted, f.db, func(tx *sql.Tx) error {
			return errors.Join(on(tx, lifted)(), tx.Commit())
		})
	})
}

func TestTheServersStatementTimeoutIsATimeoutError(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, statementTimeout(300*time.Millisecond))
	before := f.pid()
	f.each2(t, func(on runner) {
		_, err := on.ExecContext(priority.WithLabel(f.ctx, "report"), "select pg_sleep(60)")
		var timeout *pooldriver.TimeoutError
		var pgErr *pgconn.PgError
		if !errors.As(err, &timeout) || timeout.Limit != pooldriver.LimitStatement || timeout.After != 300*time.Millisecond ||
			timeout.Closed || timeout.Unsent || timeout.Ran < 300*time.Millisecond {
			t.Fatalf("%+v: %v", timeout, err)
		}
		if !errors.Is(err, pooldriver.ErrStatementTimeout) || !errors.Is(err, context.DeadlineExceeded) ||
			!errors.As(err, &pgErr) || pgErr.Code != "57014" {
			t.Errorf("the error does not match: %v", err)
		}
		if !strings.Contains(err.Error(), "statement timeout of 300ms ran out") {
			t.Errorf("unclear: %v", err)
		}
	})
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}

// each2 runs f on the *sql.DB and in a transaction that it may spoil.
func (f *fixture) each2(t *testing.T, run func(on runner)) {
	t.Helper()
	run(f.db)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	run(tx)
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
}

func TestTheTimeoutOfOneCallInATransactionIsToldAsThatOne(t *testing.T) {
	t.Parallel()
	for name, limit := range map[string]time.Duration{"shorter than the pool's": 60 * time.Millisecond, "longer": 800 * time.Millisecond} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, statementTimeout(500*time.Millisecond))
			f.each2(t, func(on runner) {
				_, err := on.ExecContext(priority.WithTimeout(f.ctx, limit), "select pg_sleep(60)")
				var timeout *pooldriver.TimeoutError
				if !errors.As(err, &timeout) || timeout.Limit != pooldriver.LimitStatement || timeout.After != limit || timeout.Ran < limit {
					t.Errorf("%+v: %v", timeout, err)
				}
			})
		})
	}
}

// What an administrator cancels is no timeout, whether or not there is one.
func TestAnAdministratorsCancelIsNoTimeout(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, statementTimeout(time.Minute))
	admin := f.outside()
	canceled := func(on runner, ctx context.Context) {
		t.Helper()
		done := make(chan error, 1)
		go func() { _, err := on.ExecContext(ctx, "select pg_sleep(60)"); done <- err }()
		f.awaitSleep(admin)
		if _, err := admin.Exec(f.ctx, `select pg_cancel_backend(pid) from pg_stat_activity
			where datname = current_database() and wait_event = 'PgSleep'`); err != nil {
			t.Fatal(err)
		}
		err := <-done
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "57014" || errors.As(err, new(*pooldriver.TimeoutError)) ||
			errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%T: %v", err, err)
		}
	}
	canceled(f.db, f.ctx)
	canceled(f.db, priority.WithTimeout(f.ctx, priority.NoTimeout))
	f.each2(t, func(on runner) { canceled(on, f.ctx) })
}

// Of a statement that may take longer than the pool's limit, a cancel after that limit is no timeout either.
func TestACancelAfterThePoolsLimitOfAStatementThatHasAnotherIsNoTimeout(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, statementTimeout(300*time.Millisecond))
	admin := f.outside()
	f.each2(t, func(on runner) {
		done := make(chan error, 1)
		go func() {
			_, err := on.ExecContext(priority.WithTimeout(f.ctx, priority.NoTimeout), "select pg_sleep(60)")
			done <- err
		}()
		f.awaitSleep(admin)
		<-time.After(400 * time.Millisecond) // past the pool's limit
		if _, err := admin.Exec(f.ctx, `select pg_cancel_backend(pid) from pg_stat_activity
			where datname = current_database() and wait_event = 'PgSleep'`); err != nil {
			t.Fatal(err)
		}
		if err := <-done; errors.As(err, new(*pooldriver.TimeoutError)) {
			t.Errorf("%v", err)
		}
	})
}

func TestTheServersTimeoutIsToldWhateverLanguageItSpeaks(t *testing.T) {
	t.Parallel()
	for _, lang := range []string{"C", "de_DE.UTF-8", "de_DE.utf8", "fr_FR.UTF-8"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, statementTimeout(300*time.Millisecond))
			if _, err := f.db.ExecContext(f.ctx, fmt.Sprintf("select set_config('lc_messages', '%s', false)", lang)); err != nil {
				t.Skip("the server has no such language: ", err)
			}
			f.each2(t, func(on runner) {
				if _, err := on.ExecContext(f.ctx, "select pg_sleep(60)"); !errors.Is(err, pooldriver.ErrStatementTimeout) {
					t.Error(err)
				}
			})
		})
	}
}
