package connector_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"

	"github.com/poolsql/poolsql/connector"
)

// idle is a driver that does nothing, so that what is counted is the layers above it.
type (
	idleConnector struct{}
	idleConn      struct{}
)

func (idleConnector) Connect(context.Context) (driver.Conn, error) { return idleConn{}, nil }
func (idleConnector) Driver() driver.Driver                        { return nil }
func (idleConn) Prepare(string) (driver.Stmt, error)               { return nil, driver.ErrSkip }
func (idleConn) Close() error                                      { return nil }
func (idleConn) Begin() (driver.Tx, error)                         { return nil, driver.ErrSkip }
func (idleConn) ResetSession(context.Context) error                { return nil }
func (idleConn) IsValid() bool                                     { return true }
func (idleConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

// With no observer, an operation on an idle session allocates nothing more than plain database/sql does.
func TestAnOperationAllocatesNoMoreThanPlainDatabaseSQL(t *testing.T) {
	plain := sql.OpenDB(idleConnector{})
	defer plain.Close()
	pooled, err := connector.Open(connector.Config{Connector: idleConnector{}})
	if err != nil {
		t.Fatal(err)
	}
	defer pooled.Close()
	allocs := func(db *sql.DB) float64 {
		ctx := context.Background()
		return testing.AllocsPerRun(500, func() {
			if _, err := db.ExecContext(ctx, "nothing"); err != nil {
				t.Fatal(err)
			}
		})
	}
	if p, q := allocs(plain), allocs(pooled); q > p {
		t.Errorf("%v allocations an operation, plain database/sql has %v", q, p)
	}
}
