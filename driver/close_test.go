package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// Whatever a holder does when a drain loses its patience, its connection is closed, and it hears why.
func TestDrainInterruptsWhateverAHolderDoes(t *testing.T) {
	t.Parallel()
	for name, hold := range map[string]func(f *fixture, holds, interrupted chan struct{}) error{
		"a statement": func(f *fixture, holds, _ chan struct{}) error {
			go f.awaitHolder(holds)
			_, err := f.db.ExecContext(f.ctx, "select pg_sleep(60)")
			return err
		},
		"a statement of a transaction": func(f *fixture, holds, _ chan struct{}) error {
			return inTx(f.ctx, f.db, func(tx *sql.Tx) error {
				go f.awaitHolder(holds)
				_, err := tx.ExecContext(f.ctx, "select pg_sleep(60)")
				_ = tx.Rollback()
				return err
			})
		},
		"an idle transaction": func(f *fixture, holds, interrupted chan struct{}) error {
			return inTx(f.ctx, f.db, func(tx *sql.Tx) error {
				close(holds)
				<-interrupted
				_, err := tx.ExecContext(f.ctx, "select 1")
				_ = tx.Rollback()
				return err
			})
		},
		"rows half read": func(f *fixture, holds, interrupted chan struct{}) error {
			rows, err := f.db.QueryContext(f.ctx, "select g, case when g > 5000 then pg_sleep(60) end from generate_series(1, 10000) g")
			if err != nil {
				return err
			}
			defer rows.Close()
			rows.Next()
			close(holds)
			<-interrupted
			for rows.Next() {
			}
			return rows.Err()
		},
		"a notification awaited": func(f *fixture, holds, _ chan struct{}) error {
			return f.c.Do(f.ctx, func(pg *pgx.Conn) error {
				if _, err := pg.Exec(f.ctx, "listen something"); err != nil {
					return err
				}
				go f.awaitHolder(holds)
				_, err := pg.WaitForNotification(f.ctx)
				return err
			})
		},
	} {
		for transport, use := range transports {
			t.Run(name+" "+transport, func(t *testing.T) {
				t.Parallel()
				f := open(t, 2, use)
				holds, interrupted := make(chan struct{}), make(chan struct{})
				done := make(chan error, 1)
				go func() { done <- hold(f, holds, interrupted) }()
				<-holds
				ctx, cancel := context.WithTimeout(f.ctx, 50*time.Millisecond)
				defer cancel()
				time.AfterFunc(600*time.Millisecond, func() { close(interrupted) })
				var drained *lifecycle.DrainError
				if err := f.c.Drain(ctx); !errors.As(err, &drained) || drained.Interrupted != 1 || drained.Left != 0 {
					t.Errorf("drain: %v", err)
				}
				if err := <-done; !errors.Is(err, lifecycle.ErrClosed) {
					t.Errorf("the holder heard %v", err)
				}
				f.await("the connection to be closed", func() bool { return f.c.Stats().TotalConns == 0 })
				f.reap()
			})
		}
	}
}

// awaitHolder closes holds when someone has been at something for a while.
func (f *fixture) awaitHolder(holds chan struct{}) {
	defer close(holds)
	for f.ctx.Err() == nil {
		for _, c := range f.c.Connections() {
			if c.State == lifecycle.InUse && c.Running > 100*time.Millisecond {
				return
			}
		}
		time.Sleep(time.Millisecond)
	}
}

// A drain interrupts while statements end, time out and begin.
func TestDrainInTheMiddleOfEverything(t *testing.T) {
	t.Parallel()
	for i := range 10 {
		t.Run(strconv.Itoa(i), drainInTheMiddleOfEverything)
	}
}

func drainInTheMiddleOfEverything(t *testing.T) {
	t.Parallel()
	f := patient(t, 4)
	stop := make(chan struct{})
	done := make(chan struct{})
	for range 8 {
		go func() {
			defer func() { done <- struct{}{} }()
			for {
				select {
				case <-stop:
					return
				default:
				}
				ctx, cancel := context.WithTimeout(f.ctx, rand.N(3*time.Millisecond))
				_ = inTx(ctx, f.db, func(tx *sql.Tx) error {
					defer tx.Rollback()
					_, err := tx.ExecContext(ctx, "select pg_sleep(0.002)")
					return errors.Join(err, tx.Commit())
				})
				_, _ = f.db.ExecContext(f.ctx, "select pg_sleep(0.05)")
				cancel()
			}
		}()
	}
	time.Sleep(rand.N(50 * time.Millisecond))
	ctx, cancel := context.WithTimeout(f.ctx, time.Millisecond)
	_ = f.c.Drain(ctx)
	cancel()
	close(stop)
	for range 8 {
		<-done
	}
	f.await("the connections to be closed", func() bool { return f.c.Stats().TotalConns == 0 })
	f.db.Close()
}

// A connection is closed while a cancel is under way: nothing of it is left.
func TestCloseWhileACancelIsUnderWay(t *testing.T) {
	t.Parallel()
	for _, muted := range []bool{false, true} {
		t.Run(fmt.Sprintf("muted: %t", muted), func(t *testing.T) {
			t.Parallel()
			var n network
			f := open(t, 2, n.through)
			f.serves(2)
			n.mute.Store(muted)
			for range 10 {
				err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
					ctx, cancel := context.WithCancel(f.ctx)
					defer cancel()
					rows, err := pg.Query(ctx, "select g, case when g > 5000 then pg_sleep(60) end from generate_series(1, 10000) g")
					if err != nil {
						return err
					}
					rows.Next()
					go cancel()
					time.Sleep(rand.N(time.Millisecond))
					_ = pg.PgConn().Close(context.Background()) // and the rows stay open
					return nil
				})
				if err != nil {
					t.Error(err)
				}
				if muted {
					break
				}
			}
			f.settled()
			f.reap()
		})
	}
}

// A tracer panics in the middle of a statement whose context ends right then.
func TestPanicInTheMiddleOfAStatementThatIsCanceled(t *testing.T) {
	t.Parallel()
	for _, atEnd := range []bool{false, true} {
		t.Run(fmt.Sprintf("at the end: %t", atEnd), func(t *testing.T) {
			t.Parallel()
			tracer := &panickingTracer{atEnd: atEnd}
			f := patient(t, 2, func(cfg *poolsql.Config) { cfg.ConnConfig.Tracer = tracer })
			for range 20 {
				f.serves(1)
				ctx, cancel := context.WithCancel(f.ctx)
				tracer.on.Store(true)
				go cancel()
				_ = survives(func() { _, _ = f.db.ExecContext(ctx, "select pg_sleep(0.001), $1::int", 1) })
				_ = survives(func() {
					rows, err := f.db.QueryContext(ctx, "select generate_series(1, 1000)")
					if err == nil {
						for rows.Next() {
						}
						rows.Close()
					}
				})
				tracer.on.Store(false)
				cancel()
				f.settled()
			}
			f.serves(2)
		})
	}
}

// A function given to Do panics while rows are open, and its context ends right then.
func TestPanicInDoWithRowsOpenWhoseContextEnds(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	for range 20 {
		ctx, cancel := context.WithCancel(f.ctx)
		v := survives(func() {
			_ = f.c.Do(f.ctx, func(pg *pgx.Conn) error {
				rows, err := pg.Query(ctx, "select g, case when g > 5000 then pg_sleep(60) end from generate_series(1, 10000) g")
				if err != nil {
					return err
				}
				rows.Next()
				time.AfterFunc(rand.N(2*time.Millisecond), cancel)
				panic(bang)
			})
		})
		if v != bang {
			t.Errorf("panicked with %v", v)
		}
		f.settled()
		<-ctx.Done()
	}
	f.reap()
	f.serves(1)
	var lost *pooldriver.LostError
	if _, err := f.db.ExecContext(f.ctx, "select 1"); errors.As(err, &lost) {
		t.Error(err)
	}
}
