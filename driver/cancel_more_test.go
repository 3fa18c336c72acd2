package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// rounds returns how many rounds of a race are worth their time.
func rounds(n int) int {
	if testing.Short() {
		return n / 10
	}
	return n
}

// ended reports whether err says that a statement was ended by a timeout, or a cancel, of its context; and an error of t
// if it says that in no way that it should.
func ended(t *testing.T, err error) bool {
	t.Helper()
	if err == nil {
		return false
	}
	var timeout *pooldriver.TimeoutError
	var canceled *pooldriver.CanceledError
	switch {
	case errors.As(err, &timeout) && !timeout.Closed, errors.As(err, &canceled) && !canceled.Closed:
	default:
		t.Errorf("a statement ended with %v (%T)", err, err)
	}
	return true
}

// In Do nothing of ours comes before the next statement.
func TestCancelInDoDoesNotHitTheNextStatement(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, transport)
			before := f.pid()
			failed := 0
			for range rounds(300) {
				err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
					ctx, cancel := context.WithTimeout(f.ctx, rand.N(2*time.Millisecond))
					defer cancel()
					if _, err := pg.Exec(ctx, "select pg_sleep(0.001)"); err != nil {
						failed++
					}
					for range 3 {
						later, cancel := context.WithTimeout(f.ctx, patience)
						_, err := pg.Exec(later, "select pg_sleep(0.0005)")
						cancel()
						if err != nil {
							return fmt.Errorf("the next statement was hit: %w", err)
						}
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
			}
			if failed == 0 {
				t.Error("no statement was canceled")
			}
			if after := f.pid(); after != before {
				t.Errorf("process %d serves, %d did before", after, before)
			}
		})
	}
}

// The same through (*sql.Conn).Raw, and between Raw and what is ours.
func TestCancelInRawDoesNotHitTheNextStatement(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	before := f.pid()
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for round := range rounds(200) {
		ctx, cancel := context.WithTimeout(f.ctx, rand.N(2*time.Millisecond))
		if _, err := conn.ExecContext(ctx, "select pg_sleep(0.001)"); ended(t, err) {
			cancel()
		}
		cancel()
		ctx, cancel = context.WithTimeout(f.ctx, rand.N(2*time.Millisecond))
		err := conn.Raw(func(driverConn any) error {
			pg := driverConn.(interface{ Conn() *pgx.Conn }).Conn()
			if _, err := pg.Exec(f.ctx, "select pg_sleep(0.0005)"); err != nil {
				return err
			}
			_, _ = pg.Exec(ctx, "select pg_sleep(0.001)")
			_, err := pg.Exec(f.ctx, "select pg_sleep(0.0005)")
			return err
		})
		cancel()
		if err != nil && round > 10 && strings.Contains(err.Error(), "conn closed") {
			// A busy server was not seen to end a request, so the connection was given up: nothing was hit.
			t.Logf("closed in round %d: %v", round, err)
			return
		}
		if err != nil {
			t.Fatalf("the next statement was hit: %v", err)
		}
		if _, err := conn.ExecContext(f.ctx, "select pg_sleep(0.0005)"); err != nil {
			t.Fatalf("the next statement was hit: %v", err)
		}
	}
	conn.Close()
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}

func TestCancelsAreLimitedAndEachConnectionIsKept(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n network
			const conns, limit = 50, 3
			f := patient(t, conns, transport, n.through, func(cfg *poolsql.Config) { cfg.MaxCancels = limit })
			before := idleConns(f, conns)
			var all sync.WaitGroup
			watch, deadline := startWatch(), time.Now().Add(time.Second)
			for range conns {
				all.Go(func() {
					ctx, cancel := context.WithDeadline(f.ctx, deadline)
					defer cancel()
					_, err := f.db.ExecContext(ctx, "select pg_sleep(60)")
					timedOut(t, err, pooldriver.LimitContext, false)
				})
			}
			all.Wait()
			watch.within(t, 2*time.Second, "canceling them all, and the second before,")
			f.settled()
			if n.peak.Load() > limit {
				t.Errorf("%d requests to cancel at once", n.peak.Load())
			}
			if n.sides.Load() < conns {
				t.Errorf("%d requests to cancel", n.sides.Load())
			}
			known := make(map[int]bool)
			for _, pid := range before {
				known[pid] = true
			}
			for _, pid := range idleConns(f, conns) {
				if !known[pid] {
					t.Errorf("process %d is new", pid)
				}
			}
		})
	}
}

// The context ends when the statement does: it succeeds or it does not, the connection lives, and what runs next on it
// is not hit.
func TestContextThatEndsWithItsStatementHarmsNothing(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 2, transport)
			idleConns(f, 2)
			var mu sync.Mutex
			var failed, succeeded int
			var all sync.WaitGroup
			for range 4 {
				all.Go(func() {
					for range rounds(500) {
						ctx, cancel := context.WithCancel(f.ctx)
						// Around the time that the statement takes.
						stop := time.AfterFunc(rand.N(time.Millisecond), cancel)
						_, err := f.db.ExecContext(ctx, "select $1::int", 1)
						stop.Stop()
						cancel()
						if !waitedInVain(err) {
							mu.Lock()
							if ended(t, err) {
								failed++
							} else {
								succeeded++
							}
							mu.Unlock()
						}
						if err := f.db.QueryRowContext(f.ctx, "select 1 from pg_sleep(0)").Scan(new(int)); err != nil {
							t.Errorf("the next statement: %v", err)
						}
					}
				})
			}
			all.Wait()
			if failed == 0 || succeeded == 0 {
				t.Errorf("%d failed and %d succeeded: no race", failed, succeeded)
			}
			if n := f.c.Stats().NewConnsCount; n != 2 {
				t.Errorf("%d connections were opened", n)
			}
		})
	}
}

// waitedInVain reports whether err is that of somebody who left the queue.
func waitedInVain(err error) bool {
	var timeout *pooldriver.TimeoutError
	var canceled *pooldriver.CanceledError
	return err != nil && !errors.As(err, &timeout) && !errors.As(err, &canceled) && errors.Is(err, context.Canceled)
}

// In a transaction: a statement that succeeded leaves it as it was, whatever cancel was on its way; one that failed fails
// it.
func TestContextThatEndsWithItsStatementLeavesTheTransactionAsItsErrorSays(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	f.exec("create table things (id int)")
	before := f.pid()
	var committed, failed int
	for round := range rounds(500) {
		tx, err := f.db.BeginTx(f.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		seconds := 0.0005
		if round%10 == 9 {
			seconds = 0.2 // where timers are late, all the others are done before they are canceled
		}
		ctx, cancel := context.WithCancel(f.ctx)
		stop := time.AfterFunc(rand.N(2*time.Millisecond), cancel)
		_, err = tx.ExecContext(ctx, "insert into things select 1 from pg_sleep($1)", seconds)
		stop.Stop()
		cancel()
		_, next := tx.ExecContext(f.ctx, "select 1")
		var unsent *pooldriver.CanceledError
		if errors.As(err, &unsent) && unsent.Unsent { // nothing happened
			if next != nil {
				t.Errorf("after a statement that was not sent: %v", next)
			}
			_ = tx.Rollback()
			continue
		}
		if errors.Is(err, context.Canceled) && unsent == nil { // database/sql's own look at the context
			_ = tx.Rollback()
			continue
		}
		var pgErr *pgconn.PgError
		if ended(t, err) {
			failed++
			if !errors.As(next, &pgErr) || pgErr.Code != "25P02" {
				t.Errorf("after a statement that failed: %v", next)
			}
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
			continue
		}
		if next != nil {
			t.Errorf("after a statement that succeeded: %v", next)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		committed++
	}
	if n := f.number("select count(*) from things"); n != committed {
		t.Errorf("%d rows of %d transactions that were committed", n, committed)
	}
	if failed == 0 || committed == 0 {
		t.Errorf("%d failed and %d were committed: no race", failed, committed)
	}
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}

// The cancel of a statement that has not reached the server is lost. It is repeated.
func TestCancelThatComesBeforeItsStatementIsRepeated(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n network
			f := patient(t, 1, transport, n.through)
			before := f.pid()
			for range 3 {
				n.delay.Store(int64(100 * time.Millisecond))
				watch := startWatch()
				err := f.sleep(20 * time.Millisecond)
				n.delay.Store(0)
				timedOut(t, err, pooldriver.LimitContext, false)
				watch.within(t, time.Second, "a statement that is canceled twice")
				f.exec("select pg_sleep(0.01)")
			}
			if n.packets.Load() < 4 { // one for each, and one more unless this program was slower than the network
				t.Errorf("%d requests to cancel", n.packets.Load())
			}
			if after := f.pid(); after != before {
				t.Errorf("process %d serves, %d did before", after, before)
			}
		})
	}
}

func TestCancelThatCannotBeDialedCostsTheConnectionInTime(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var n network
			f := open(t, 1, transport, n.through)
			before := f.pid()
			n.refuse.Store(true)
			watch := startWatch()
			err := f.sleep(50 * time.Millisecond)
			watch.within(t, 1500*time.Millisecond, "a statement that cannot be canceled")
			if d := time.Since(watch.began); d < 800*time.Millisecond {
				t.Errorf("it was given up after %s", d)
			}
			timedOut(t, err, pooldriver.LimitContext, true)
			if err != nil && !strings.Contains(err.Error(), "did not answer and was closed") {
				t.Errorf("the error says %v", err)
			}
			f.settled()
			n.refuse.Store(false)
			if after := f.pid(); after == before {
				t.Error("the connection serves still")
			}
			f.reap()
		})
	}
}

// A request whose end is not heard of may hit anything at any time: the connection must not serve again, though its
// statement has ended.
func TestCancelWhoseEndIsNotHeardCostsTheConnection(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		for _, deadlines := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, deadlines: %t", name, deadlines), func(t *testing.T) {
				t.Parallel()
				var n network
				f := open(t, 1, transport, n.through)
				for range 2 {
					n.mute.Store(false)
					before := f.pid()
					n.noDeadlines.Store(!deadlines)
					n.mute.Store(true)
					watch := startWatch()
					err := f.sleep(50 * time.Millisecond)
					watch.within(t, 1500*time.Millisecond, "the statement")
					timedOut(t, err, pooldriver.LimitContext, false)
					watch = startWatch()
					if after := f.pid(); after == before {
						t.Error("the connection serves still")
					}
					watch.within(t, 2500*time.Millisecond, "the next")
					// In Do the same statement's end is awaited at once.
					err = f.c.Do(f.ctx, func(pg *pgx.Conn) error {
						ctx, cancel := context.WithTimeout(f.ctx, 50*time.Millisecond)
						defer cancel()
						_, err := pg.Exec(ctx, "select pg_sleep(60)")
						if err == nil {
							return errors.New("it slept")
						}
						_, err = pg.Exec(f.ctx, "select 1")
						return err
					})
					if err == nil {
						t.Error("a statement in Do ran on a connection that may be canceled at any time")
					}
					f.settled()
				}
			})
		}
	}
}

func TestSocketsWithoutDeadlinesKeepTheirConnection(t *testing.T) {
	t.Parallel()
	var n network
	f := patient(t, 1, n.through)
	n.noDeadlines.Store(true)
	before := f.pid()
	for range 5 {
		timedOut(t, f.sleep(30*time.Millisecond), pooldriver.LimitContext, false)
		f.exec("select pg_sleep(0.01)")
		err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
			ctx, cancel := context.WithTimeout(f.ctx, 30*time.Millisecond)
			defer cancel()
			if _, err := pg.Exec(ctx, "select pg_sleep(60)"); err == nil {
				return errors.New("it slept")
			}
			_, err := pg.Exec(f.ctx, "select pg_sleep(0.01)")
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}

// The context of rows may end while another statement of the transaction is tried: that is refused, as ever, and the rows
// end in order.
func TestContextOfOpenRowsEndsWhileAnotherStatementIsTried(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	before := f.pid()
	for range rounds(50) {
		tx, err := f.db.BeginTx(f.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(f.ctx)
		rows, err := tx.QueryContext(ctx, "select g, case when g > 5000 then pg_sleep(60) end from generate_series(1, 10000) g")
		if err != nil {
			cancel()
			_ = tx.Rollback()
			t.Fatal(err)
		}
		go cancel()
		for range 20 {
			if _, err := tx.ExecContext(f.ctx, "select 1"); err == nil {
				t.Error("a statement ran in the middle of rows, or after them in a transaction that has failed")
			} else if !errors.Is(err, pooldriver.ErrBusy) && !strings.Contains(err.Error(), "25P02") {
				t.Error(err)
			}
		}
		for rows.Next() {
		}
		if err := rows.Err(); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		rows.Close()
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}

// A transaction whose context ends is rolled back by database/sql on a goroutine; its connection lives.
func TestContextOfATransactionEndsInTheMiddleOfAStatement(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	before := f.pid()
	for range rounds(50) {
		ctx, cancel := context.WithTimeout(f.ctx, time.Millisecond+rand.N(3*time.Millisecond))
		err := inTx(ctx, f.db, func(tx *sql.Tx) error {
			_, err := tx.ExecContext(f.ctx, "select pg_sleep(0.002)")
			return err
		})
		cancel()
		_ = err
		f.awaitFree()
	}
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}
