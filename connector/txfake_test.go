package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"slices"
	"sync"
	"testing"

	"github.com/poolsql/poolsql/connector"
)

// scripted is a driver that answers each operation as answer says, and notes them. Its operations are "connect", "begin",
// "commit", "rollback" and the statements.
type scripted struct {
	answer func(op string) error

	mu  sync.Mutex // guards what follows
	ops []string
}

func (s *scripted) do(op string) error {
	s.mu.Lock()
	s.ops = append(s.ops, op)
	s.mu.Unlock()
	if s.answer == nil {
		return nil
	}
	return s.answer(op)
}

func (s *scripted) count(op string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, o := range s.ops {
		if o == op {
			n++
		}
	}
	return n
}

func (s *scripted) noted() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.ops)
}

func (s *scripted) Connect(context.Context) (driver.Conn, error) {
	return scriptedConn{s}, s.do("connect")
}
func (s *scripted) Driver() driver.Driver { return nil }

type scriptedConn struct{ s *scripted }

func (c scriptedConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not prepared") }
func (c scriptedConn) Close() error                        { return nil }
func (c scriptedConn) Begin() (driver.Tx, error)           { return c, c.s.do("begin") }
func (c scriptedConn) Commit() error                       { return c.s.do("commit") }
func (c scriptedConn) Rollback() error                     { return c.s.do("rollback") }

func (c scriptedConn) BeginTx(context.Context, driver.TxOptions) (driver.Tx, error) { return c.Begin() }

func (c scriptedConn) ExecContext(_ context.Context, query string, _ []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(0), c.s.do(query)
}

// first answers op with err the first time.
func first(op string, err error) func(string) error {
	var once sync.Once
	return func(o string) (answer error) {
		if o == op {
			once.Do(func() { answer = err })
		}
		return answer
	}
}

// each runs f on a *sql.DB over s itself and on one with poolsql between.
func (s *scripted) each(t *testing.T, f func(t *testing.T, db *sql.DB)) {
	t.Helper()
	t.Run("plain", func(t *testing.T) {
		db := sql.OpenDB(s)
		defer db.Close()
		f(t, db)
	})
	t.Run("poolsql", func(t *testing.T) {
		db, err := connector.Open(connector.Config{Connector: s, MaxConns: 2})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := connector.FromDB(db)
		defer func() { db.Close(); <-c.Done() }()
		f(t, db)
		if n := c.Stats().InUseConns; n != 0 {
			t.Errorf("%d connections in use", n)
		}
	})
}
