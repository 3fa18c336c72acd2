package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
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
	neither struct{ inner }
	both    struct{ inner }
)

func (c both) IsValid() bool { return c.inner.(driver.Validator).IsValid() }
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

func TestFromDBLooksBehindAWrapper(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
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
	t.Parallel()
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
