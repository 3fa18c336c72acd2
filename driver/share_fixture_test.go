package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/lifecycle"
)

// A clockwork is a database inside of a bubble: each query takes a second and then returns the number of its execution, how
// many were begun before it included.
type clockwork struct {
	mu       sync.Mutex // guards what follows
	begun    int
	running  int
	most     int // that ran at once
	canceled int
	stubborn time.Duration                            // how long it goes on when it is canceled
	answer   func(execution int) (driver.Rows, error) // nil is the number
}

func (w *clockwork) Connect(context.Context) (driver.Conn, error) { return clockworkConn{w}, nil }
func (w *clockwork) Driver() driver.Driver                        { return nil }

func (w *clockwork) counts() (begun, most, canceled int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun, w.most, w.canceled
}

type clockworkConn struct{ w *clockwork }

func (c clockworkConn) Close() error                        { return nil }
func (c clockworkConn) Begin() (driver.Tx, error)           { return clockworkTx{}, nil }
func (c clockworkConn) Prepare(string) (driver.Stmt, error) { return nil, errors.New("not here") }

type clockworkTx struct{}

func (clockworkTx) Commit() error   { return nil }
func (clockworkTx) Rollback() error { return nil }

func (c clockworkConn) ExecContext(context.Context, string, []driver.NamedValue) (driver.Result, error) {
	return driver.RowsAffected(1), nil
}

func (c clockworkConn) QueryContext(ctx context.Context, _ string, _ []driver.NamedValue) (driver.Rows, error) {
	w := c.w
	w.mu.Lock()
	w.begun++
	n := w.begun
	w.running++
	w.most = max(w.most, w.running)
	answer := w.answer
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.running--
	}()
	select {
	case <-time.After(time.Second):
	case <-ctx.Done():
		w.mu.Lock()
		w.canceled++
		stubborn := w.stubborn
		w.mu.Unlock()
		time.Sleep(stubborn)
		return nil, ctx.Err()
	}
	if answer != nil {
		return answer(n)
	}
	return &listed{values: []driver.Value{int64(n)}}, nil
}

// listed are rows of one column.
type listed struct {
	values []driver.Value
	next   int
	err    error // after the last
	closed error
}

func (r *listed) Columns() []string { return []string{"n"} }
func (r *listed) Close() error      { return r.closed }
func (r *listed) Next(dest []driver.Value) error {
	if r.next == len(r.values) {
		if r.err != nil {
			return r.err
		}
		return io.EOF
	}
	dest[0] = r.values[r.next]
	r.next++
	return nil
}

// sharing is a pool over a clockwork, for tests in a bubble.
type sharing struct {
	*testing.T
	*clockwork
	db     *sql.DB
	c      *poolsql.Connector
	events *recorder
	ctx    context.Context // whose reads share
}

// share runs f in a bubble. At its end nothing may be left: no connection in use, no caller, no read that is under way.
func share(t *testing.T, f func(s *sharing), change ...func(*poolsql.Config)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &sharing{T: t, clockwork: &clockwork{}, events: &recorder{}}
		cfg := poolsql.Config{Connector: s.clockwork, MaxConns: 4, Observer: s.events}
		for _, c := range change {
			c(&cfg)
		}
		s.c = poolsql.NewConnector(cfg)
		if err := s.c.Err(); err != nil {
			t.Fatal(err)
		}
		s.db = sql.OpenDB(s.c)
		s.db.SetMaxIdleConns(10_000)
		s.ctx = poolsql.WithCoalescing(t.Context(), poolsql.Coalescing{})
		f(s)
		synctest.Wait()
		stats := s.c.Stats()
		if stats.InUseConns != 0 || stats.Waiting != 0 || stats.CoalesceWaiting != 0 {
			t.Errorf("left: %d connections in use, %d waiting, %d for others' executions", stats.InUseConns, stats.Waiting, stats.CoalesceWaiting)
		}
		if keys := s.c.Coalescing().Keys; keys != 0 {
			t.Errorf("%d reads are still known", keys)
		}
		_ = s.db.Close()
		<-s.c.Done()
	})
}

// An answer is what a call got, and when, from when on the bubble began.
type answer struct {
	n    int
	err  error
	took time.Duration
}

// ask asks on a goroutine of its own.
func (s *sharing) ask(ctx context.Context, query string, args ...any) <-chan answer {
	return s.asks(func() (n int, err error) {
		err = s.db.QueryRowContext(ctx, query, args...).Scan(&n)
		return n, err
	})
}

func (s *sharing) asks(f func() (int, error)) <-chan answer {
	got := make(chan answer, 1)
	began := time.Now()
	go func() {
		n, err := f()
		got <- answer{n, err, time.Since(began)}
	}()
	return got
}

// expect reports an error unless the call got what execution n returned, after that time.
func (s *sharing) expect(got <-chan answer, n int, took time.Duration) {
	s.Helper()
	if a := <-got; a.err != nil || a.n != n || a.took != took {
		s.Errorf("got execution %d, error %v, after %s; want %d after %s", a.n, a.err, a.took, n, took)
	}
}

// executions reports an error unless so many were begun.
func (s *sharing) executions(want int) {
	s.Helper()
	if begun, _, _ := s.counts(); begun != want {
		s.Errorf("%d executions, want %d", begun, want)
	}
}

// told returns the events of a kind.
func (s *sharing) told(kind lifecycle.Kind) (events []lifecycle.Event) {
	s.events.mu.Lock()
	defer s.events.mu.Unlock()
	for _, e := range s.events.events {
		if e.Kind == kind {
			events = append(events, e)
		}
	}
	return events
}
