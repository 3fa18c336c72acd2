package health_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"testing"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
)

// An instant is a database that does nothing, at once: what an operation takes is all poolsql's and database/sql's.
type instant struct{}

func (instant) Connect(context.Context) (driver.Conn, error) { return instant{}, nil }
func (instant) Driver() driver.Driver                        { return nil }
func (instant) Prepare(string) (driver.Stmt, error)          { return nil, errors.ErrUnsupported }
func (instant) Begin() (driver.Tx, error)                    { return nil, errors.ErrUnsupported }
func (instant) Close() error                                 { return nil }
func (instant) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.ResultNoRows, nil
}

// BenchmarkOperation is what a monitor costs an operation that does nothing else.
func BenchmarkOperation(b *testing.B) {
	for _, monitored := range []bool{false, true} {
		name := "alone"
		if monitored {
			name = "monitored"
		}
		b.Run(name, func(b *testing.B) {
			pool := connector.NewConnector(connector.Config{Connector: instant{}, MaxConns: 4})
			db := sql.OpenDB(pool)
			defer db.Close()
			if err := pool.Warmup(b.Context(), 1); err != nil { // else the first caller waits, and the monitor listens for a while
				b.Fatal(err)
			}
			if monitored {
				m, err := health.New(pool, health.Config{})
				if err != nil {
					b.Fatal(err)
				}
				defer m.Close()
				m.Start()
			}
			ctx := b.Context()
			b.ReportAllocs()
			for b.Loop() {
				if _, err := db.ExecContext(ctx, "select"); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkReport is what a report costs, with a hundred connections of which half are in use. To look at the pool, as is done
// once a second, is the greater part of it.
func BenchmarkReport(b *testing.B) {
	pool := connector.NewConnector(connector.Config{Connector: instant{}, MaxConns: 100})
	db := sql.OpenDB(pool)
	defer db.Close()
	m, err := health.New(pool, health.Config{})
	if err != nil {
		b.Fatal(err)
	}
	defer m.Close()
	if err := pool.Warmup(b.Context(), 100); err != nil {
		b.Fatal(err)
	}
	for range 50 {
		conn, err := db.Conn(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		defer conn.Close()
		if _, err := conn.ExecContext(b.Context(), "update accounts set balance = balance - 1 where id = 17 and note = 'text'"); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportAllocs()
	for b.Loop() {
		if r := m.Report(); len(r.Stats.Connections) != 100 {
			b.Fatal("not all are there")
		}
	}
}
