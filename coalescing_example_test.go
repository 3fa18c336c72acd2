package poolsql_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"io"
	"log"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql"
)

// Every page shows the same list, and a hundred requests ask for it at once. One says for them all that they may share.
func ExampleWithCoalescing() {
	shop := &priceList{}
	pool := poolsql.NewConnector(poolsql.Config{Connector: shop, Name: "shop"})
	db := sql.OpenDB(pool)
	defer db.Close()

	ctx := poolsql.WithCoalescing(context.Background(), poolsql.Coalescing{})
	var pages sync.WaitGroup
	for range 100 {
		pages.Go(func() {
			var price int
			if err := db.QueryRowContext(ctx, "select price from item where id = $1", 7).Scan(&price); err != nil {
				log.Fatal(err)
			}
		})
	}
	pages.Wait()

	s := pool.Stats()
	fmt.Println("answered:", s.CoalescedCount+s.ExecutionCount)
	fmt.Println("executed a few times:", shop.queries.Load() < 10)
	// Output:
	// answered: 100
	// executed a few times: true
}

// priceList is a database that takes 50 ms to tell a price.
type priceList struct{ queries atomic.Int32 }

func (p *priceList) Connect(context.Context) (driver.Conn, error) { return priceConn{p}, nil }
func (p *priceList) Driver() driver.Driver                        { return nil }

type priceConn struct{ *priceList }

func (priceConn) Close() error                        { return nil }
func (priceConn) Begin() (driver.Tx, error)           { return nil, driver.ErrSkip }
func (priceConn) Prepare(string) (driver.Stmt, error) { return nil, driver.ErrSkip }
func (c priceConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	c.queries.Add(1)
	time.Sleep(50 * time.Millisecond)
	return &price{}, nil
}

type price struct{ read bool }

func (*price) Columns() []string { return []string{"price"} }
func (*price) Close() error      { return nil }
func (p *price) Next(dest []driver.Value) error {
	if p.read {
		return io.EOF
	}
	p.read, dest[0] = true, int64(1299)
	return nil
}
