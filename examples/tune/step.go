package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/timing"
	"github.com/poolsql/poolsql/lifecycle"
)

// lastCalls bounds how long the calls that are under way when a step ends may still take.
const lastCalls = 30 * time.Second

// lending is one call as the pool saw it: from the moment it had its connection until it gave that back.
type lending struct {
	ended time.Time
	held  time.Duration
}

// recorder is the pool's observer, and notes what each call took. Safe for concurrent use.
type recorder struct {
	mu sync.Mutex
	// guarded by mu

	lendings []lending
}

// Observe implements poolsql.Observer.
func (r *recorder) Observe(e poolsql.Event) {
	if e.Kind != lifecycle.KindRelease {
		return
	}
	now := time.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lendings = append(r.lendings, lending{now, e.Duration})
}

// forget begins anew. What it returned before is written over.
func (r *recorder) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.lendings = r.lendings[:0]
}

// taken returns what was noted since. It is valid until forget.
func (r *recorder) taken() []lending {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lendings
}

// sample is what one size did in one pass.
type sample struct {
	perSecond float64
	calls     int // that began while it was measured
	p50, p99  time.Duration
}

// summarize says what was done between two instants.
//
// A call that was under way at either of them counts for the share of it that lies between. Were only those counted that
// end there, a statement of half a second in a step of one would be seen once, twice or three times by chance. The
// latencies are those of the calls that began there, whenever they ended, so that the slow ones are not left out.
func summarize(lendings []lending, from, to time.Time) sample {
	var s sample
	var done float64
	var took []time.Duration
	for _, l := range lendings {
		began := l.ended.Add(-l.held)
		inside := min(l.ended.Sub(from), to.Sub(began), l.held, to.Sub(from))
		switch {
		case l.held > 0 && inside > 0:
			done += float64(inside) / float64(l.held)
		case l.held <= 0 && !l.ended.Before(from) && l.ended.Before(to):
			done++ // faster than the clock can tell
		}
		if !began.Before(from) && began.Before(to) {
			took = append(took, l.held)
		}
	}
	slices.Sort(took)
	s.perSecond = done / to.Sub(from).Seconds()
	s.calls, s.p50, s.p99 = len(took), timing.Percentile(took, 0.50), timing.Percentile(took, 0.99)
	return s
}

// meter measures one pool, which it resizes while it lives. Used by one goroutine at a time.
type meter struct {
	db       *sql.DB
	pool     *poolsql.Connector
	recorder *recorder // which observes pool
	load     workload
	callers  int
	warmup   time.Duration
	duration time.Duration
	// watch, if set, runs beside each measured time.
	watch func(ctx context.Context, size int)
}

// stepOver is why who still waits for a connection at the end of a step is turned away.
const stepOver = "the step has ended"

// step measures one size. Callers call again as soon as they are answered, and there are more of them than connections,
// so that every connection that comes back goes to somebody who waits: what limits is the pool, and then the server.
func (m *meter) step(ctx context.Context, size int) (sample, error) {
	if err := m.resize(ctx, size); err != nil {
		return sample{}, err
	}
	m.recorder.forget()
	limited, stop := context.WithTimeoutCause(ctx, m.warmup+m.duration+lastCalls,
		fmt.Errorf("calls still ran %s after the measured time", lastCalls))
	defer stop()
	calls, fail := context.WithCancelCause(limited)
	defer fail(nil)

	var over atomic.Bool
	var callers sync.WaitGroup
	for range m.callers {
		callers.Go(func() {
			for !over.Load() {
				err := m.load.call(calls, m.db)
				switch {
				case over.Load() && errors.Is(err, poolsql.ErrCleared):
					return
				case err != nil:
					fail(m.load.failed(err)) // the first of them counts
					return
				}
			}
		})
	}
	timing.Pause(calls, m.warmup)
	from := time.Now()
	m.measured(calls, size)
	to := time.Now()
	over.Store(true)
	m.pool.Clear(stepOver)
	callers.Wait()
	if err := context.Cause(calls); err != nil {
		return sample{}, err
	}
	return summarize(m.recorder.taken(), from, to), nil
}

// measured lets the measured time pass.
func (m *meter) measured(ctx context.Context, size int) {
	watched, stop := context.WithCancel(ctx)
	var watching sync.WaitGroup
	if m.watch != nil {
		watching.Go(func() { m.watch(watched, size) })
	}
	timing.Pause(ctx, m.duration)
	stop()
	watching.Wait()
}

// resize gives the pool its next size, and returns when it has exactly so many connections, open and idle.
func (m *meter) resize(ctx context.Context, size int) error {
	if err := m.pool.Resize(size, size); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, lastCalls, fmt.Errorf("the pool had not changed after %s", lastCalls))
	defer cancel()
	if err := m.pool.Warmup(ctx, size); err != nil {
		return fmt.Errorf("open %d connections: %w", size, errors.Join(err, context.Cause(ctx)))
	}
	for m.pool.Stats().TotalConns > size { // the server counts those that are being closed, and so do we
		timing.Pause(ctx, time.Millisecond)
		if ctx.Err() != nil {
			return fmt.Errorf("close all but %d connections: %w", size, context.Cause(ctx))
		}
	}
	return nil
}
