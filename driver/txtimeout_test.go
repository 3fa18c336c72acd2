package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/priority"
)

func transactionTimeout(d time.Duration) func(*poolsql.Config) {
	return func(cfg *poolsql.Config) { cfg.TransactionTimeout = d }
}

// begin begins a transaction and runs a statement in it.
func (f *fixture) begin(ctx context.Context) *sql.Tx {
	f.t.Helper()
	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		f.t.Fatal(err)
	}
	if _, err := tx.ExecContext(f.ctx, "select 1"); err != nil {
		f.t.Fatal(err)
	}
	return tx
}

// ranOut reports an error unless err says that this limit ran out.
func (f *fixture) ranOut(err error, limit pooldriver.Limit, after time.Duration) *pooldriver.TimeoutError {
	f.t.Helper()
	var timeout *pooldriver.TimeoutError
	if !errors.As(err, &timeout) {
		f.t.Errorf("%T: %v; want a TimeoutError", err, err)
		return &pooldriver.TimeoutError{}
	}
	if timeout.Limit != limit || timeout.After != after || !errors.Is(err, context.DeadlineExceeded) {
		f.t.Errorf("%s of %s, want %s of %s: %v", timeout.Limit, timeout.After, limit, after, err)
	}
	return timeout
}

func TestAStatementIsCanceledAtTheEndOfItsTransaction(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	f := patient(t, 1, transactionTimeout(limit))
	before := f.pid()
	tx := f.begin(f.ctx)
	watch := startWatch()
	_, err := tx.ExecContext(f.ctx, "select pg_sleep(60)")
	watch.within(t, limit+2*time.Second, "the statement")
	timeout := f.ranOut(err, pooldriver.LimitTransaction, limit)
	if timeout.Closed || timeout.Ran < limit || !errors.Is(err, pooldriver.ErrTransactionTimeout) {
		t.Errorf("%+v", timeout)
	}
	if err := tx.Rollback(); err != nil {
		t.Errorf("rollback: %v", err)
	}
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}

func TestAnIdleTransactionEndsWithItsTimeAndEverythingAfterwardsSaysSo(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	for name, next := range map[string]func(f *fixture, tx *sql.Tx) error{
		"statement": func(f *fixture, tx *sql.Tx) error { _, err := tx.ExecContext(f.ctx, "select 1"); return err },
		"query":     func(f *fixture, tx *sql.Tx) error { return tx.QueryRowContext(f.ctx, "select 1").Scan(new(int)) },
		"prepare":   func(f *fixture, tx *sql.Tx) error { _, err := tx.PrepareContext(f.ctx, "select 3"); return err },
		"commit":    func(f *fixture, tx *sql.Tx) error { return tx.Commit() },
		"rollback":  func(f *fixture, tx *sql.Tx) error { return tx.Rollback() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, transactionTimeout(limit))
			tx := f.begin(f.ctx)
			watcher := f.outside()
			f.await("the server to be rid of it", func() bool {
				var n int
				if err := watcher.QueryRow(f.ctx, `select count(*) from pg_stat_activity
					where datname = current_database() and pid <> pg_backend_pid()`).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n == 0
			})
			err := next(f, tx)
			timeout := f.ranOut(err, pooldriver.LimitTransaction, limit)
			if !timeout.Closed || timeout.Ran < limit || errors.Is(err, pooldriver.ErrCommitUnknown) {
				t.Errorf("%+v", timeout)
			}
			if !strings.Contains(err.Error(), "transaction timeout of 500ms ran out") || strings.Contains(err.Error(), "unknown") {
				t.Errorf("unclear: %v", err)
			}
			if name != "commit" && name != "rollback" {
				f.ranOut(tx.Commit(), pooldriver.LimitTransaction, limit)
			}
			f.awaitFree()
			f.serves(1)
		})
	}
}

func TestTheSmallerOfStatementAndTransactionTimeoutIsTheOneThatEnds(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, transactionTimeout(700*time.Millisecond), statementTimeout(time.Minute))
	tx := f.begin(f.ctx)
	_, err := tx.ExecContext(priority.WithTimeout(f.ctx, 50*time.Millisecond), "select pg_sleep(60)")
	f.ranOut(err, pooldriver.LimitStatement, 50*time.Millisecond)
	tx.Rollback()
	for _, timeout := range []time.Duration{30 * time.Second, 5 * time.Minute, priority.NoTimeout} {
		tx = f.begin(f.ctx)
		_, err = tx.ExecContext(priority.WithTimeout(f.ctx, timeout), "select pg_sleep(60)")
		f.ranOut(err, pooldriver.LimitTransaction, 700*time.Millisecond)
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	if n := f.c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestATransactionWithoutLimitsOutlivesThem(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	for name, onConn := range map[string]bool{"of the pool": false, "of a Conn": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, func(cfg *poolsql.Config) {
				cfg.TransactionTimeout, cfg.IdleInTransactionTimeout, cfg.StatementTimeout = limit, limit, limit
			})
			lifted := priority.WithoutLimits(f.ctx)
			begin := f.db.BeginTx
			if onConn {
				conn, err := f.db.Conn(f.ctx)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.Close()
				// It is the transaction that is without, and not the Conn.
				if _, err := conn.ExecContext(f.ctx, "select 1"); err != nil {
					t.Fatal(err)
				}
				begin = conn.BeginTx
			}
			tx, err := begin(lifted, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.ExecContext(lifted, "select pg_sleep(0.8)"); err != nil {
				t.Error(err)
			}
			<-time.After(2 * time.Second) // idle for longer than all of them, and than the watchdog takes
			if _, err := tx.ExecContext(lifted, "select 1"); err != nil {
				t.Error(err)
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
			if n := f.c.Stats().NewConnsCount; n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

func TestATransactionOnAConnThatBeganWithoutLimitsHasThem(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, transactionTimeout(500*time.Millisecond))
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.ExecContext(priority.WithoutLimits(f.ctx), "select 1"); err != nil {
		t.Fatal(err)
	}
	tx, err := conn.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = tx.ExecContext(f.ctx, "select pg_sleep(60)")
	f.ranOut(err, pooldriver.LimitTransaction, 500*time.Millisecond)
	tx.Rollback()
}

func TestTheTransactionsOwnContextIsTheSmallerLimit(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, transactionTimeout(time.Minute))
	ctx, cancel := context.WithTimeout(f.ctx, 2*time.Second)
	defer cancel()
	tx := f.begin(ctx)
	watch := startWatch()
	_, err := tx.ExecContext(f.ctx, "select pg_sleep(60)") // its own context allows it
	watch.within(t, 7*time.Second, "the statement")
	f.ranOut(err, pooldriver.LimitContext, 0)
	tx.Rollback()
	f.awaitFree()
	if f.pid(); f.c.Stats().NewConnsCount != 1 {
		t.Errorf("%d connections were opened", f.c.Stats().NewConnsCount)
	}
}

// A COMMIT that was sent in time is waited for: to end it would leave open what became of it.
func TestACommitMayOutlastItsTransactionsTime(t *testing.T) {
	t.Parallel()
	// Less than the second and a half for which the COMMIT takes longer.
	f := patient(t, 1, transactionTimeout(500*time.Millisecond), func(cfg *poolsql.Config) { cfg.CancelTimeout = 100 * time.Millisecond })
	f.exec(`create table slow (id int);
		create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(2); return null; end';
		create constraint trigger slowly after insert on slow deferrable initially deferred for each row execute function wait()`)
	tx := f.begin(f.ctx)
	if _, err := tx.ExecContext(f.ctx, "insert into slow values (1)"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
	if n := f.number("select count(*) from slow"); n != 1 {
		t.Errorf("%d rows", n)
	}
	if n := f.c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

func TestTransactionsEndedByTheirContextKeepTheirConnection(t *testing.T) {
	t.Parallel()
	f := patient(t, 2)
	for i := range 20 {
		ctx, cancel := context.WithCancel(f.ctx)
		tx := f.begin(ctx)
		if i%2 == 0 {
			done := make(chan error, 1)
			go func() { _, err := tx.ExecContext(ctx, "select pg_sleep(60)"); done <- err }()
			f.await("the statement to run", func() bool {
				for _, c := range f.c.Connections() {
					if c.CurrentQuery == "select pg_sleep(?)" {
						return true
					}
				}
				return false
			})
			cancel()
			if err := <-done; !errors.Is(err, context.Canceled) {
				t.Errorf("%v", err)
			}
		}
		cancel()
		f.awaitFree() // database/sql rolls back by itself
		if err := tx.Commit(); !errors.Is(err, context.Canceled) && !errors.Is(err, sql.ErrTxDone) {
			t.Errorf("commit: %v", err)
		}
	}
	f.serves(1)
	if s := f.c.Stats(); s.NewConnsCount != 1 {
		t.Errorf("%d connections were opened, want the one", s.NewConnsCount)
	}
}

func TestASessionThatTheServerEndsForIdlingInATransactionIsToldAsThat(t *testing.T) {
	t.Parallel()
	const limit = 500 * time.Millisecond
	for name, next := range map[string]func(f *fixture, tx *sql.Tx) error{
		"statement": func(f *fixture, tx *sql.Tx) error { _, err := tx.ExecContext(f.ctx, "select 1"); return err },
		"arguments": func(f *fixture, tx *sql.Tx) error {
			return tx.QueryRowContext(f.ctx, "select $1::int", 1).Scan(new(int))
		},
		"commit":   func(f *fixture, tx *sql.Tx) error { return tx.Commit() },
		"rollback": func(f *fixture, tx *sql.Tx) error { return tx.Rollback() },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, func(cfg *poolsql.Config) { cfg.IdleInTransactionTimeout = limit })
			tx := f.begin(f.ctx)
			watcher := f.outside()
			f.await("the server to end it", func() bool {
				var n int
				if err := watcher.QueryRow(f.ctx, `select count(*) from pg_stat_activity
					where datname = current_database() and pid <> pg_backend_pid()`).Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n == 0
			})
			time.Sleep(limit / 5) // a busy machine may have told us late that the transaction began: by our clock less has passed
			err := next(f, tx)
			timeout := f.ranOut(err, pooldriver.LimitIdleInTransaction, limit)
			var pgErr *pgconn.PgError
			// Whether what the server said last still arrives is the network's affair.
			if !timeout.Closed || timeout.Ran < limit-50*time.Millisecond || !errors.Is(err, pooldriver.ErrIdleInTransactionTimeout) ||
				(errors.As(err, &pgErr) && pgErr.Code != "25P03") || errors.Is(err, pooldriver.ErrCommitUnknown) {
				t.Errorf("%+v", timeout)
			}
			tx.Rollback()
			f.awaitFree()
			f.serves(1)
		})
	}
}
