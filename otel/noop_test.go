package poolotel_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/poolsql/poolsql/connector"
)

// noop is a driver that does nothing, so that what is measured is what stands before it.
type (
	noop     struct{}
	noopConn struct{}
)

func (noop) Connect(context.Context) (driver.Conn, error) { return noopConn{}, nil }
func (noop) Driver() driver.Driver                        { return nil }
func (noopConn) Prepare(string) (driver.Stmt, error)      { return nil, driver.ErrSkip }
func (noopConn) Close() error                             { return nil }
func (noopConn) Begin() (driver.Tx, error)                { return nil, driver.ErrSkip }
func (noopConn) ResetSession(context.Context) error       { return nil }
func (noopConn) IsValid() bool                            { return true }
func (noopConn) CheckNamedValue(*driver.NamedValue) error { return nil }
func (noopConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

// onNoop returns a pool on the driver that does nothing, and a *sql.DB on the pool.
func onNoop(tb testing.TB, cfg connector.Config) (*connector.Connector, *sql.DB) {
	tb.Helper()
	cfg.Connector = noop{}
	pool := connector.NewConnector(cfg)
	db := sql.OpenDB(pool)
	db.SetMaxIdleConns(100)
	tb.Cleanup(func() { db.Close() })
	if err := pool.Err(); err != nil {
		tb.Fatal(err)
	}
	return pool, db
}

// nothing runs a statement that does nothing. It is no helper of the testing package's, whose look at the stack would be
// most of what it costs.
func nothing(tb testing.TB, ctx context.Context, db *sql.DB) {
	if _, err := db.ExecContext(ctx, "nothing"); err != nil {
		tb.Fatal(err)
	}
}
