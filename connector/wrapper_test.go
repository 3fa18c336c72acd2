package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

// inner is a connection as a careless wrapper sees it: with what it needs, and without what tells of a check-in.
type inner interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.QueryerContext
	driver.NamedValueChecker
}

type (
	neither       struct{ inner }
	resetterOnly  struct{ inner }
	validatorOnly struct{ inner }
	both          struct{ inner }
)

func (c resetterOnly) ResetSession(ctx context.Context) error {
	return c.inner.(driver.SessionResetter).ResetSession(ctx)
}
func (c validatorOnly) IsValid() bool { return c.inner.(driver.Validator).IsValid() }
func (c both) IsValid() bool          { return c.inner.(driver.Validator).IsValid() }
func (c both) ResetSession(ctx context.Context) error {
	return c.inner.(driver.SessionResetter).ResetSession(ctx)
}
func (c both) Raw() driver.Conn { return c.inner }

// wrapper is an instrumenting connector around ours.
type wrapper struct {
	*connector.Connector
	wrap func(inner) driver.Conn
}

func (w wrapper) Connect(ctx context.Context) (driver.Conn, error) {
	c, err := w.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return w.wrap(c.(inner)), nil
}

func (w wrapper) Driver() driver.Driver { return nil }

// Whatever a wrapper forwards, more callers than connections are all served, through statements, rows and transactions,
// and no connection stays with anybody.
func TestWrappersThatHideTheCheckInStarveNobody(t *testing.T) {
	for name, c := range map[string]struct {
		wrap    func(inner) driver.Conn
		rebound bool // the observer is told that check-ins are not seen
	}{
		"forwards neither":          {func(c inner) driver.Conn { return neither{c} }, true},
		"forwards only the reset":   {func(c inner) driver.Conn { return resetterOnly{c} }, true},
		"forwards only the check":   {func(c inner) driver.Conn { return validatorOnly{c} }, false},
		"forwards both":             {func(c inner) driver.Conn { return both{c} }, false},
		"is no wrapper, to compare": {nil, false},
	} {
		t.Run(name, func(t *testing.T) {
			testdb.NoLeaks(t)
			var rebound atomic.Int32
			pool := connector.NewConnector(connector.Config{
				DSN: testdb.New(t).DSN, MaxConns: 2, AcquireTimeout: 20 * time.Second,
				Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
					if e.Kind == lifecycle.KindRebound {
						rebound.Add(1)
					}
				}),
			})
			var outer driver.Connector = pool
			if c.wrap != nil {
				outer = wrapper{pool, c.wrap}
			}
			db := sql.OpenDB(outer)
			defer func() { db.Close(); <-pool.Done() }()

			var wg sync.WaitGroup
			for i := range 12 {
				wg.Add(1)
				go func() {
					defer wg.Done()
					for range 10 {
						if err := useOnce(db, i%3); err != nil {
							t.Error(err)
						}
					}
				}()
			}
			wg.Wait()
			if n := rebound.Load(); (n > 0) != c.rebound || n > 1 {
				t.Errorf("told %d times that check-ins are not seen", n)
			}
			if s := pool.Stats(); s.TotalConns > 2 || s.Waiting != 0 {
				t.Errorf("afterwards: %+v", s)
			}
			if !c.rebound {
				if s := pool.Stats(); s.InUseConns != 0 {
					t.Errorf("%d connections are held by nobody", s.InUseConns)
				}
			}
		})
	}
}

// useOnce uses db in one of three ways.
func useOnce(db *sql.DB, way int) error {
	ctx := context.Background()
	switch way {
	case 0:
		_, err := db.ExecContext(ctx, "select pg_sleep(0.001)")
		return err
	case 1:
		rows, err := db.QueryContext(ctx, "select generate_series(1, 100)")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	default:
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		var a, b int
		if err := tx.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&a); err != nil {
			return err
		}
		if err := tx.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&b); err != nil {
			return err
		}
		if a != b {
			return errTwoBackends
		}
		return tx.Commit()
	}
}

var errTwoBackends = errors.New("one transaction ran on two backends")

func TestFromDBLooksBehindAWrapper(t *testing.T) {
	testdb.NoLeaks(t)
	pool := connector.NewConnector(connector.Config{DSN: testdb.New(t).DSN, MaxConns: 1})
	db := sql.OpenDB(wrapper{pool, func(c inner) driver.Conn { return both{c} }})
	defer func() { db.Close(); <-pool.Done() }()
	found, err := connector.FromDB(db)
	if err != nil || found != pool {
		t.Errorf("found %p (%v), want %p", found, err, pool)
	}
	if n := pool.Stats().NewConnsCount; n != 0 {
		t.Errorf("looking cost %d connections", n)
	}
}

// The session of a *sql.Conn keeps its state even if it is the very first and others wait.
func TestTheFirstConnKeepsItsStateWhileOthersWait(t *testing.T) {
	db, c := open(t, connector.Config{MaxConns: 1})
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(ctx, "create temp table mine (id int)"); err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { _, err := db.ExecContext(ctx, "select 1"); done <- err }()
	await(t, func() bool { return c.Stats().Waiting == 1 })
	for range 3 {
		if _, err := conn.ExecContext(ctx, "insert into mine values (1)"); err != nil {
			t.Fatal(err)
		}
	}
	if n := c.Stats().Waiting; n != 1 {
		t.Errorf("%d wait, want 1: the Conn must keep its connection", n)
	}
	conn.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
