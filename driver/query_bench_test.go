package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/poolsql/poolsql"
)

// instant is a driver whose queries return one row at once.
type (
	instant     struct{}
	instantConn struct{}
)

func (instant) Connect(context.Context) (driver.Conn, error)   { return instantConn{}, nil }
func (instant) Driver() driver.Driver                          { return nil }
func (instantConn) Close() error                               { return nil }
func (instantConn) Begin() (driver.Tx, error)                  { return nil, errors.New("not here") }
func (instantConn) Prepare(string) (driver.Stmt, error)        { return nil, errors.New("not here") }
func (instantConn) CheckNamedValue(v *driver.NamedValue) error { return nil }
func (instantConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return noRows{}, nil
}

type noRows struct{}

func (noRows) Columns() []string         { return nil }
func (noRows) Close() error              { return nil }
func (noRows) Next([]driver.Value) error { return errors.New("none") }

// What a query costs above a driver that does nothing, with a context of some depth and with options in it.
func BenchmarkQuery(b *testing.B) {
	db := sql.OpenDB(poolsql.NewConnector(poolsql.Config{Connector: instant{}}))
	defer db.Close()
	type key struct{}
	deep := context.Background()
	for i := range 5 {
		deep = context.WithValue(deep, key{}, i)
	}
	for _, c := range []struct {
		name string
		ctx  context.Context
	}{{"plain", context.Background()}, {"deep", deep}, {"labeled", poolsql.WithLabel(deep, "page")}} {
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				rows, err := db.QueryContext(c.ctx, "select n from item where id = $1", 1)
				if err != nil {
					b.Fatal(err)
				}
				rows.Close()
			}
		})
	}
}
