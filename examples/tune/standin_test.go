package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"time"
)

// standin is a database whose throughput is known: a statement takes work while no more than cores are under way, and
// longer in proportion beyond; each one beyond adds drag on top. Safe for concurrent use.
type standin struct {
	cores int
	work  time.Duration
	drag  time.Duration
	fail  int64 // the statement with this number fails; 0 is none

	running, statements, open, mostOpen atomic.Int64
}

var errStandin = errors.New("the stand-in fails as it was told to")

func (s *standin) Connect(context.Context) (driver.Conn, error) {
	n := s.open.Add(1)
	for most := s.mostOpen.Load(); n > most && !s.mostOpen.CompareAndSwap(most, n); most = s.mostOpen.Load() {
	}
	return &standinConn{s}, nil
}

func (s *standin) Driver() driver.Driver { return standinDriver{} }

type standinDriver struct{}

func (standinDriver) Open(string) (driver.Conn, error) { return nil, errStandin }

type standinConn struct{ s *standin }

// ExecContext takes what the number of connections at work makes it take.
func (c *standinConn) ExecContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Result, error) {
	if n := c.s.statements.Add(1); n == c.s.fail {
		return nil, errStandin
	}
	n := c.s.running.Add(1)
	defer c.s.running.Add(-1)
	took := c.s.work
	if beyond := n - int64(c.s.cores); beyond > 0 {
		took = time.Duration(float64(took)*float64(n)/float64(c.s.cores)) + time.Duration(beyond)*c.s.drag
	}
	timer := time.NewTimer(took)
	defer timer.Stop()
	select {
	case <-timer.C:
		return driver.RowsAffected(1), nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

func (c *standinConn) ResetSession(context.Context) error  { return nil }
func (c *standinConn) IsValid() bool                       { return true }
func (c *standinConn) Close() error                        { c.s.open.Add(-1); return nil }
func (c *standinConn) Prepare(string) (driver.Stmt, error) { return nil, errStandin }
func (c *standinConn) Begin() (driver.Tx, error)           { return nil, errStandin }
