package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// leaveLoose has a statement canceled of whose cancel nobody will ever hear that it has ended.
func leaveLoose(f *fixture, n *network, run func(context.Context, string, ...any) (sql.Result, error)) {
	f.t.Helper()
	n.mute.Store(true)
	ctx, cancel := context.WithTimeout(f.ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := run(ctx, "select pg_sleep(60)"); !ended(f.t, err) {
		f.t.Error("the statement was not canceled")
	}
}

// Where the end of a cancel cannot be seen, nothing more is sent in the transaction: it says that it is lost.
func TestTransactionIsLostWhereACancelIsNotSeenToEnd(t *testing.T) {
	t.Parallel()
	for name, next := range map[string]func(*fixture, *sql.Tx) error{
		"statement": func(f *fixture, tx *sql.Tx) error { _, err := tx.ExecContext(f.ctx, "select 1"); return err },
		"commit":    func(_ *fixture, tx *sql.Tx) error { return tx.Commit() },
		"rollback":  func(_ *fixture, tx *sql.Tx) error { return tx.Rollback() },
	} {
		t.Run(name, func(t *testing.T) {
			var n network
			f := open(t, 1, tcp, n.through)
			tx, err := f.db.BeginTx(f.ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			leaveLoose(f, &n, tx.ExecContext)
			err = next(f, tx)
			var lost *pooldriver.LostError
			if !errors.As(err, &lost) || errors.Is(err, driver.ErrBadConn) {
				t.Errorf("%v (%T)", err, err)
			}
			_ = tx.Rollback()
			n.mute.Store(false)
			f.serves(1)
			f.reap()
		})
	}
}

// A cancel that is still under way holds up what comes next, but not past its context.
func TestWaitForTheEndOfACancelEndsWithTheContext(t *testing.T) {
	t.Parallel()
	var n network
	f := open(t, 1, tcp, n.through, func(cfg *poolsql.Config) { cfg.CancelTimeout = 3 * time.Second })
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	leaveLoose(f, &n, tx.ExecContext)
	ctx, cancel := context.WithTimeout(f.ctx, 100*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err = tx.ExecContext(ctx, "select 1")
	var timeout *pooldriver.TimeoutError
	if d := time.Since(began); !errors.As(err, &timeout) || !timeout.Unsent || timeout.Closed || d > time.Second {
		t.Errorf("after %s: %v", d, err)
	}
	if err := tx.Rollback(); err == nil {
		t.Error("rolled back where a cancel was not seen to end")
	}
	n.mute.Store(false)
	f.serves(1)
	f.reap()
}

// Behind a wrapper that tells nothing, the end of the transaction is the check-in, whatever comes of it.
func TestSessionBehindAWrapperIsFreeAfterATransactionThatIsLost(t *testing.T) {
	t.Parallel()
	var n network
	f := open(t, 1, tcp, n.through)
	db := sql.OpenDB(wrapping{f.c, func(s session) driver.Conn { return forwardsNeither{s} }})
	defer db.Close()
	tx, err := db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	leaveLoose(f, &n, tx.ExecContext)
	if err := tx.Rollback(); err == nil {
		t.Error("rolled back on a connection that was closed")
	}
	n.mute.Store(false)
	f.awaitFree()
	if tx, err = db.BeginTx(f.ctx, nil); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	f.reap()
}

// What a hook sends after a statement of its own that was canceled is not hit by the cancel.
func TestCancelInAHookDoesNotHitItsNextStatement(t *testing.T) {
	t.Parallel()
	failed := 0
	hook := func(ctx context.Context, pg *pgx.Conn) error {
		for i := range rounds(100) {
			short, cancel := context.WithTimeout(ctx, time.Duration(i*21)*time.Microsecond)
			if _, err := pg.Exec(short, "select pg_sleep(0.001)"); err != nil {
				failed++
			}
			cancel()
			for range 3 {
				if _, err := pg.Exec(ctx, "select pg_sleep(0.0005)"); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for name, use := range map[string]func(*poolsql.Config){
		"AfterConnect": func(cfg *poolsql.Config) { cfg.AfterConnect = hook },
		"ResetSession": func(cfg *poolsql.Config) { cfg.ResetSession = hook },
	} {
		t.Run(name, func(t *testing.T) {
			f := open(t, 1, tcp, use, func(cfg *poolsql.Config) { // on a busy machine
				cfg.ConnectTimeout, cfg.EndTimeout = 2*time.Minute, 2*time.Minute
			})
			before := f.pid()
			if after := f.pid(); after != before {
				t.Error("the hook failed")
			}
			if failed == 0 {
				t.Error("no statement was canceled")
			}
		})
	}
}
