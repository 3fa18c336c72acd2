package main

import (
	"context"
	"database/sql/driver"
	"errors"
	"math/rand/v2"
	"runtime"
	"sync/atomic"
	"time"
)

// standin is a driver.Connector in the place of a server: its connections execute any statement by doing nothing, for
// as long as they are told to. Safe for concurrent use; the durations must not change once it is in use.
type standin struct {
	dial   time.Duration // what opening a connection takes
	work   time.Duration // what executing a statement takes
	spread float64       // up to this part of it more or less, drawn for each, and to 50 µs where the system can
	varied bool          // the context may say that it takes another time: withWork
	yield  bool          // let other goroutines run during a statement

	dials atomic.Int64 // connections opened or being opened since the start
}

// callSpread is the spread of calls that are the same to the one who makes them. With none, connections that once came free at
// the same instant, after a pause of the machine, would do so for ever, and whoever comes waits for all of them: the p99
// of one who is always next is then twice what a call takes, with every peer. With this it takes some 75 calls until each
// comes free at its own time again.
const callSpread = 0.1

// withWork returns a context whose statements take d on the stand-in.
func withWork(ctx context.Context, d time.Duration) context.Context {
	return context.WithValue(ctx, workKey{}, d)
}

type workKey struct{}

// errStandin answers what no experiment asks for.
var errStandin = errors.New("the stand-in driver only executes statements")

// Connect opens a connection, or returns the error of ctx if that ends before.
func (s *standin) Connect(ctx context.Context) (driver.Conn, error) {
	s.dials.Add(1)
	if s.dial > 0 {
		timer := time.NewTimer(s.dial)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	return &standinConn{s: s}, nil
}

func (s *standin) Driver() driver.Driver { return standinDriver{} }

type standinDriver struct{}

func (standinDriver) Open(string) (driver.Conn, error) { return nil, errStandin }

type standinConn struct{ s *standin }

var (
	_ driver.ExecerContext   = (*standinConn)(nil)
	_ driver.SessionResetter = (*standinConn)(nil)
	_ driver.Validator       = (*standinConn)(nil)
)

func (c *standinConn) ExecContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Result, error) {
	if c.s.yield {
		runtime.Gosched()
	}
	work := c.s.work
	if c.s.varied {
		if d, ok := ctx.Value(workKey{}).(time.Duration); ok {
			work = d
		}
	}
	switch {
	case work > 0 && c.s.spread > 0:
		nap(time.Duration(float64(work) * (1 + c.s.spread*(2*rand.Float64()-1))))
	case work > 0:
		time.Sleep(work)
	}
	return driver.ResultNoRows, nil
}

func (c *standinConn) ResetSession(context.Context) error  { return nil }
func (c *standinConn) IsValid() bool                       { return true }
func (c *standinConn) Close() error                        { return nil }
func (c *standinConn) Prepare(string) (driver.Stmt, error) { return nil, errStandin }
func (c *standinConn) Begin() (driver.Tx, error)           { return nil, errStandin }
