package pooldriver_test

import (
	"database/sql"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/priority"
)

// watchedLimit is short enough for a test, and what runs for long is what runs for so long: the watchdog would have ended it.
const (
	watchedLimit = 700 * time.Millisecond
	long         = "2.2"
)

func withStatementTimeout(cfg *poolsql.Config) { cfg.StatementTimeout = watchedLimit }

// Rows that nobody reads for long have been sent, or wait for room: no server is dead because of that.
func TestRowsThatAreReadSlowlyAreNotTakenForABlackHole(t *testing.T) {
	t.Parallel()
	for name, rows := range map[string]int{"all sent": 200, "waiting for room": 2000000} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			keeps(t, func() *fixture { return patient(t, 1, statementTimeout(1500*time.Millisecond)) }, func(f *fixture) {
				r, err := f.db.QueryContext(f.ctx, fmt.Sprintf("select repeat('x', 100) from generate_series(1, %d)", rows))
				if err != nil {
					t.Fatal(err)
				}
				defer r.Close()
				n := 0
				for r.Next() {
					if n++; n%50 == 0 && n <= 200 {
						time.Sleep(800 * time.Millisecond)
					}
				}
				var pgErr *pgconn.PgError
				if err := r.Err(); rows == 200 && (err != nil || n != rows) {
					t.Errorf("%d rows, then %v", n, err)
				} else if rows > 200 && !errors.As(err, &pgErr) { // it is the server's right to end what its client reads slowly
					t.Errorf("%d rows, then %v", n, err)
				}
			})
		})
	}
}

func TestWatchdogLetsBeWhatTheServerLetsBe(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(*fixture) error{
		"a notification awaited": func(f *fixture) error {
			return f.c.Do(f.ctx, func(pg *pgx.Conn) error {
				if _, err := pg.Exec(f.ctx, "listen something"); err != nil {
					return err
				}
				notifier := f.outside()
				notified := make(chan error, 1)
				time.AfterFunc(2200*time.Millisecond, func() {
					_, err := notifier.Exec(f.ctx, "notify something")
					notified <- err
				})
				_, err := pg.WaitForNotification(f.ctx)
				return errors.Join(err, <-notified)
			})
		},
		"no timeout": func(f *fixture) error {
			_, err := f.db.ExecContext(poolsql.WithTimeout(f.ctx, priority.NoTimeout), "select pg_sleep("+long+")")
			return err
		},
		"a longer timeout": func(f *fixture) error {
			_, err := f.db.ExecContext(poolsql.WithTimeout(f.ctx, 10*time.Second), "select pg_sleep("+long+")")
			return err
		},
		"no limits": func(f *fixture) error {
			_, err := f.db.ExecContext(priority.WithoutLimits(f.ctx), "select pg_sleep("+long+")")
			return err
		},
		"no timeout in a transaction": func(f *fixture) error {
			return inTx(f.ctx, f.db, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(poolsql.WithTimeout(f.ctx, priority.NoTimeout), "select pg_sleep("+long+")")
				return errors.Join(err, tx.Commit())
			})
		},
		"an idle transaction": func(f *fixture) error {
			return inTx(f.ctx, f.db, func(tx *sql.Tx) error {
				if _, err := tx.ExecContext(f.ctx, "select 1"); err != nil {
					return err
				}
				time.Sleep(2200 * time.Millisecond)
				return tx.Commit()
			})
		},
		"an idle Conn": func(f *fixture) error {
			conn, err := f.db.Conn(f.ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			for range 2 {
				if _, err := conn.ExecContext(f.ctx, "select 1"); err != nil {
					return err
				}
				time.Sleep(2200 * time.Millisecond)
			}
			return conn.PingContext(f.ctx)
		},
		// What a COMMIT has to do is not limited by the server's timeout, and by us with EndTimeout.
		"a commit that takes long": func(f *fixture) error {
			return inTx(f.ctx, f.db, func(tx *sql.Tx) error {
				_, err := tx.ExecContext(f.ctx, "insert into slow values (1)")
				return errors.Join(err, tx.Commit())
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 2, withStatementTimeout)
			f.exec(`create table slow (id int);
				create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(` + long + `); return null; end';
				create constraint trigger slowly after insert on slow deferrable initially deferred for each row execute function wait()`)
			if err := run(f); err != nil {
				t.Error(err)
			}
			f.awaitFree()
			if n := f.c.Stats().NewConnsCount; n != 1 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

// The server does its part: the watchdog is for where it cannot be heard.
func TestServerEndsAStatementBeforeTheWatchdogDoes(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, withStatementTimeout)
	before := f.pid()
	for range 3 {
		_, err := f.db.ExecContext(f.ctx, "select pg_sleep(60)")
		timedOut(t, err, pooldriver.LimitStatement, false)
	}
	if after := f.pid(); after != before {
		t.Error("the connection was lost")
	}
}

// A transaction that is over must not have its end remembered by the connection.
func TestLimitOfATransactionIsNotThatOfTheNextHolder(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*sql.Tx) error{
		"commit": (*sql.Tx).Commit, "rollback": (*sql.Tx).Rollback,
		"failed": func(tx *sql.Tx) error {
			if _, err := tx.Exec("select 1/0"); err == nil {
				return errors.New("no error")
			}
			return tx.Rollback()
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, transactionTimeout(watchedLimit))
			before := f.pid()
			if err := inTx(f.ctx, f.db, end); err != nil {
				t.Error(err)
			}
			conn, err := f.db.Conn(f.ctx)
			if err != nil {
				t.Fatal(err)
			}
			for range 2 {
				if _, err := conn.ExecContext(f.ctx, "select 1"); err != nil {
					t.Error(err)
				}
				time.Sleep(watchedLimit)
			}
			conn.Close()
			if after := f.pid(); after != before {
				t.Error("the connection was lost")
			}
		})
	}
}

func TestTransactionThatIsIdleAtItsEndLosesItsConnection(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, func(cfg *poolsql.Config) { cfg.TransactionTimeout = watchedLimit })
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(f.ctx, "select 1"); err != nil {
		t.Fatal(err)
	}
	time.Sleep(watchedLimit + time.Second)
	_, err = tx.ExecContext(f.ctx, "select 1")
	timedOut(t, err, pooldriver.LimitTransaction, true)
	_ = tx.Rollback()
	f.settled()
	f.serves(1)
}

// A black hole in the middle of a transaction that has a limit ends with that.
func TestTransactionInABlackHole(t *testing.T) {
	t.Parallel()
	var n network
	f := open(t, 1, n.through, transactionTimeout(2*watchedLimit))
	f.serves(1)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	watch := startWatch()
	n.black.Store(true)
	_, err = tx.ExecContext(f.ctx, "select 1")
	timedOut(t, err, pooldriver.LimitTransaction, true)
	watch.within(t, 2*watchedLimit+1100*time.Millisecond, "a statement in a black hole")
	_ = tx.Rollback()
	f.settled()
	n.black.Store(false)
	f.serves(1)
}
