package perf

import (
	"context"
	"database/sql/driver"
	"testing"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/lifecycle"
)


func BenchmarkPartPool(b *testing.B) {
	p, _ := lifecycle.NewPool(lifecycle.Config[*int]{Max: 8, Create: func(context.Context) (*int, error) { return new(int), nil }, Destroy: func(context.Context, *int) error { return nil }})
	defer p.Close()
	ctx := context.Background()
	req := &lifecycle.Request{}
	for b.Loop() {
		h, err := p.AcquireFor(ctx, req)
		if err != nil {
			b.Fatal(err)
		}
		h.Release()
	}
}
func BenchmarkPartClock(b *testing.B) {
	for b.Loop() {
		mono.Now()
	}
}
func BenchmarkPartSession(b *testing.B) {
	db, _ := newConnector()
	ctx := context.Background()
	c, _ := db.Connect(ctx)
	e := c.(driver.ExecerContext)
	v := c.(driver.Validator)
	r := c.(driver.SessionResetter)
	for b.Loop() {
		r.ResetSession(ctx)
		e.ExecContext(ctx, "x", nil)
		v.IsValid()
	}
}
func BenchmarkPartInner(b *testing.B) {
	ctx := context.Background()
	var c driver.Conn = noopConn{}
	for b.Loop() {
		c.(driver.SessionResetter).ResetSession(ctx)
		c.(driver.ExecerContext).ExecContext(ctx, "x", nil)
		c.(driver.Validator).IsValid()
	}
}

func newConnector() (driver.Connector, error) {
	return poolsql.NewConnector(poolsql.Config{Connector: noop{}, MaxConns: 8}), nil
}
