package perf

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"testing"
	"syscall"

	"github.com/poolsql/poolsql"
)

type noop struct{}
type noopConn struct{}

func (noop) Connect(context.Context) (driver.Conn, error) { return noopConn{}, nil }
func (noop) Driver() driver.Driver                        { return nil }
func (noopConn) Prepare(string) (driver.Stmt, error)      { return nil, nil }
func (noopConn) Close() error                             { return nil }
func (noopConn) Begin() (driver.Tx, error)                { return nil, nil }
func (noopConn) ResetSession(context.Context) error       { return nil }
func (noopConn) IsValid() bool                            { return true }
func (noopConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func benchDB(b *testing.B, db *sql.DB) {
	ctx := context.Background()
	db.ExecContext(ctx, "x")
	b.ReportAllocs()
	u0 := cpu()
	defer func() { b.ReportMetric(float64(cpu()-u0)/float64(b.N), "cpu-ns/op") }()
	for b.Loop() {
		if _, err := db.ExecContext(ctx, "x"); err != nil {
			b.Fatal(err)
		}
	}
}
func BenchmarkPlain(b *testing.B) { db := sql.OpenDB(noop{}); db.SetMaxOpenConns(8); db.SetMaxIdleConns(8); benchDB(b, db) }
func BenchmarkPool(b *testing.B) {
	db, _ := poolsql.Open(poolsql.Config{Connector: noop{}, MaxConns: 8})
	benchDB(b, db)
}
func benchPar(b *testing.B, db *sql.DB, n int) {
	ctx := context.Background()
	b.ReportAllocs()
	b.SetParallelism(n/2)
	u0 := cpu()
	defer func() { b.ReportMetric(float64(cpu()-u0)/float64(b.N), "cpu-ns/op") }()
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if _, err := db.ExecContext(ctx, "x"); err != nil {
				b.Fatal(err)
			}
		}
	})
}
func BenchmarkPlainPar(b *testing.B) { db := sql.OpenDB(noop{}); db.SetMaxOpenConns(8); db.SetMaxIdleConns(8); benchPar(b, db, 64) }
func BenchmarkPoolPar(b *testing.B) {
	db, _ := poolsql.Open(poolsql.Config{Connector: noop{}, MaxConns: 8})
	benchPar(b, db, 64)
}
func BenchmarkPlainPar1000(b *testing.B) { db := sql.OpenDB(noop{}); db.SetMaxOpenConns(8); db.SetMaxIdleConns(8); benchPar(b, db, 1000) }
func BenchmarkPoolPar1000(b *testing.B) {
	db, _ := poolsql.Open(poolsql.Config{Connector: noop{}, MaxConns: 8})
	benchPar(b, db, 1000)
}

func cpu() int64 {
	var r syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &r)
	return r.Utime.Nano() + r.Stime.Nano()
}
