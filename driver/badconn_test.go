package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"
	"testing"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

func contextual(c *fakeConn) driver.Conn { return contextConn{c} }

// failOnce makes the next operation of that name on a connection answer err.
func (f *fake) failOnce(op string, err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	done := false
	f.failing = func(_ int, what string) error {
		if done || what != op {
			return nil
		}
		done = true
		return err
	}
}

func TestBadConnectionOfAnotherDriverIsReplacedUnnoticed(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	for op, use := range map[string]func(context.Context, *sql.DB) error{
		"exec":  func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, "any"); return err },
		"query": func(ctx context.Context, db *sql.DB) error { return db.QueryRowContext(ctx, "any").Scan(new(int)) },
		"ping":  func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) },
		"begin": func(ctx context.Context, db *sql.DB) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			return tx.Rollback()
		},
		"prepare": func(ctx context.Context, db *sql.DB) error {
			st, err := db.PrepareContext(ctx, "any")
			if err != nil {
				return err
			}
			return st.Close()
		},
		"reset": func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, "any"); return err },
	} {
		f := &fake{wrap: contextual}
		db, c := onFake(t, f, 1)
		if _, err := db.ExecContext(t.Context(), "any first"); err != nil {
			t.Fatal(err)
		}
		f.failOnce(op, driver.ErrBadConn)
		f.take()
		if err := use(t.Context(), db); err != nil {
			t.Errorf("%s: %v", op, err)
		}
		if opened, _, _ := f.counts(); opened != 2 {
			t.Errorf("%s: %d connections opened, want 2", op, opened)
		}
		if n := c.Stats().InUseConns; n != 0 {
			t.Errorf("%s: %d connections in use", op, n)
		}
	}
}

func TestBadConnectionInATransactionIsNotReplaced(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	f := &fake{wrap: contextual}
	db, c := onFake(t, f, 1)
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	f.failOnce("exec", driver.ErrBadConn)
	var lost *pooldriver.LostError
	if _, err := tx.ExecContext(t.Context(), "any"); !errors.As(err, &lost) || errors.Is(err, driver.ErrBadConn) {
		t.Errorf("in a transaction: %v", err)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if log := f.take(); strings.Contains(log, "exec") {
		t.Errorf("ran elsewhere: %s", log)
	}
	if s := c.Stats(); s.ClosedConns[lifecycle.EndBroken] != 1 && s.ClosingConns != 1 {
		t.Errorf("a connection that called itself bad serves on: %+v", s)
	}
}

func TestNewConnectionThatIsBadEndsTheTrial(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	f := &fake{wrap: contextual, failing: func(_ int, op string) error {
		if op == "exec" {
			return driver.ErrBadConn
		}
		return nil
	}}
	db, c := onFake(t, f, 2)
	for range 5 {
		if _, err := db.ExecContext(t.Context(), "any"); err == nil || errors.Is(err, driver.ErrBadConn) {
			t.Errorf("got %v", err)
		}
	}
	if opened, _, _ := f.counts(); opened > 10 {
		t.Errorf("%d connections opened for 5 statements", opened)
	}
	if s := c.Stats(); s.InUseConns != 0 {
		t.Errorf("%d connections in use", s.InUseConns)
	}
}

func TestOtherDriversOwnVerdictsOnTheirConnectionsCount(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	f := &fake{wrap: contextual, broken: map[int]bool{}}
	db, c := onFake(t, f, 1)
	for range 3 {
		if _, err := db.ExecContext(t.Context(), "any"); err != nil {
			t.Fatal(err)
		}
	}
	f.mu.Lock()
	resets := f.resets
	f.broken[1] = true // as its IsValid will say at the next check-in
	f.mu.Unlock()
	if resets != 2 {
		t.Errorf("reset %d times, want before the second and the third use", resets)
	}
	for range 2 {
		if _, err := db.ExecContext(t.Context(), "any"); err != nil {
			t.Fatal(err)
		}
	}
	if opened, _, _ := f.counts(); opened != 2 {
		t.Errorf("%d connections opened, want a second one in place of the invalid", opened)
	}
	if n := c.Stats().InUseConns; n != 0 {
		t.Errorf("%d connections in use", n)
	}
}

// nothing is a connector that returns neither a connection nor an error.
type nothing struct{}

func (nothing) Connect(context.Context) (driver.Conn, error) { return nil, nil }
func (nothing) Driver() driver.Driver                        { return nil }

func TestInnerConnectorThatReturnsNothingIsTold(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db, _ := onFake(t, nothing{}, 1)
	for range 3 {
		if err := db.PingContext(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing, returned neither") {
			t.Errorf("got %v", err)
		}
	}
}

// panickingConn panics at whatever it is asked for first.
type panickingConn struct{ contextConn }

func (panickingConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	panic(bang)
}

func TestPanicOfAnotherDriverLosesNoConnection(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	f := &fake{wrap: func(c *fakeConn) driver.Conn { return panickingConn{contextConn{c}} }}
	db, c := onFake(t, f, 1)
	for range 5 {
		if v := survives(func() { _, _ = db.ExecContext(t.Context(), "any") }); v != bang {
			t.Errorf("panicked with %v", v)
		}
	}
	if err := db.PingContext(t.Context()); err != nil {
		t.Error(err)
	}
	if s := c.Stats(); s.InUseConns != 0 || s.Waiting != 0 {
		t.Errorf("%d connections in use, %d waiting", s.InUseConns, s.Waiting)
	}
}
