package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"sync"
	"testing"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// session is all that instrumentation usually forwards. What makes a check-in visible is not in it.
type session interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.Pinger
	driver.NamedValueChecker
}

type (
	forwardsNeither  struct{ session }
	forwardsReset    struct{ session }
	forwardsValidity struct{ session }
	forwardsBoth     struct{ session }
)

func (w forwardsReset) ResetSession(ctx context.Context) error {
	return w.session.(driver.SessionResetter).ResetSession(ctx)
}
func (w forwardsValidity) IsValid() bool { return w.session.(driver.Validator).IsValid() }
func (w forwardsBoth) ResetSession(ctx context.Context) error {
	return w.session.(driver.SessionResetter).ResetSession(ctx)
}
func (w forwardsBoth) IsValid() bool { return w.session.(driver.Validator).IsValid() }

// Raw is how otelsql's connections let FromDB look behind them.
func (w forwardsBoth) Raw() driver.Conn { return w.session }

// wrapping is a connector whose connections are wrapped.
type wrapping struct {
	driver.Connector
	wrap func(session) driver.Conn
}

func (w wrapping) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return w.wrap(conn.(*pooldriver.Session)), nil
}

var wrappers = []struct {
	name    string
	wrap    func(session) driver.Conn
	reports int
}{
	{"neither is forwarded", func(s session) driver.Conn { return forwardsNeither{s} }, 1},
	{"SessionResetter is forwarded", func(s session) driver.Conn { return forwardsReset{s} }, 1},
	{"Validator is forwarded", func(s session) driver.Conn { return forwardsValidity{s} }, 0},
	{"both are forwarded", func(s session) driver.Conn { return forwardsBoth{s} }, 0},
}

func TestManyGoroutinesBehindAWrapperAllFinish(t *testing.T) {
	t.Parallel()
	for _, w := range wrappers {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 2)
			db := sql.OpenDB(wrapping{f.c, w.wrap})
			db.SetMaxIdleConns(1000)
			var wg sync.WaitGroup
			for g := range 16 {
				wg.Go(func() {
					for range 10 {
						p := paths[g%len(paths)]
						if p.name == "raw" { // behind a wrapper that is another matter
							continue
						}
						if err := p.run(f.ctx, db); err != nil {
							t.Errorf("%s: %v", p.name, err)
							return
						}
					}
				})
			}
			wg.Wait()
			if err := db.Close(); err != nil {
				t.Error(err)
			}
			f.free("after the close")
			if n := f.events.count(lifecycle.KindRebound); n != w.reports {
				t.Errorf("reported %d times, want %d", n, w.reports)
			}
		})
	}
}

// A wrapper that hides check-ins must not let a session keep its connection for ever while others starve.
func TestConnectionOfAHiddenCheckInServesWhoComesLater(t *testing.T) {
	t.Parallel()
	for _, w := range wrappers {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1)
			db := sql.OpenDB(wrapping{f.c, w.wrap})
			defer db.Close()
			conn, err := db.Conn(f.ctx) // a session of its own, bound by nobody yet
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := db.ExecContext(f.ctx, "select 1"); err != nil { // on another session, which goes idle
				t.Fatal(err)
			}
			if _, err := conn.ExecContext(f.ctx, "select 1"); err != nil {
				t.Errorf("the connection of an idle session cannot be had: %v", err)
			}
		})
	}
}

func TestTransactionBehindAWrapperKeepsItsConnection(t *testing.T) {
	t.Parallel()
	for _, w := range wrappers {
		t.Run(w.name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1)
			db := sql.OpenDB(wrapping{f.c, w.wrap})
			defer db.Close()
			if _, err := f.outside().Exec(f.ctx, "create table behind (id int)"); err != nil {
				t.Fatal(err)
			}
			tx, err := db.BeginTx(f.ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			done := make(chan error, 1)
			go func() { _, err := db.ExecContext(f.ctx, "select 1"); done <- err }()
			f.await("somebody to wait", func() bool { return f.c.Stats().Waiting == 1 })
			for i := range 3 {
				if _, err := tx.ExecContext(f.ctx, fmt.Sprintf("insert into behind values (%d)", i)); err != nil {
					t.Error(err)
				}
			}
			if err := tx.Rollback(); err != nil {
				t.Error(err)
			}
			if err := <-done; err != nil {
				t.Error(err)
			}
			var n int
			if err := db.QueryRowContext(f.ctx, "select count(*) from behind").Scan(&n); err != nil || n != 0 {
				t.Errorf("%d rows of a transaction that was rolled back, %v", n, err)
			}
		})
	}
}
