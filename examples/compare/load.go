package main

import (
	"context"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/poolsql/poolsql/examples/internal/timing"
)

// operation is what a caller does over and over; it returns once the caller has its answer.
type operation func(ctx context.Context) error

// load is a closed loop: a number of callers, each of which does its next operation as soon as it has the answer to the
// one before.
type load struct {
	callers   int
	perCaller int

	// timed takes the latency of every operation. Reading the clock twice costs some 100 ns, which is why the
	// experiments that count nanoseconds leave it off.
	timed bool
}

// outcome is what a load did. Failed operations are among ops and latencies.
type outcome struct {
	ops       int
	wall      time.Duration
	mallocs   uint64
	latencies []time.Duration // sorted; empty unless the load is timed
	failed    int
	err       error // the first failure of one of the callers
}

// caller is one goroutine of a load. Its fields are its own until it ends.
type caller struct {
	latencies []time.Duration
	failed    int
	err       error
}

// run starts all callers, lets them go together, and waits for them. Operations that fail are counted and do not end
// the loop of their caller, unless ctx has ended.
func (l load) run(ctx context.Context, op operation) outcome {
	callers := make([]caller, l.callers)
	start := make(chan struct{})
	var ready, done sync.WaitGroup
	ready.Add(l.callers)
	for i := range callers {
		c := &callers[i]
		if l.timed {
			c.latencies = make([]time.Duration, 0, l.perCaller)
		}
		done.Go(func() {
			ready.Done()
			<-start
			c.loop(ctx, l, op)
		})
	}
	ready.Wait()

	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	begin := time.Now()
	close(start)
	done.Wait()
	wall := time.Since(begin)
	runtime.ReadMemStats(&after)

	out := outcome{ops: l.callers * l.perCaller, wall: wall, mallocs: after.Mallocs - before.Mallocs}
	for _, c := range callers {
		out.latencies = append(out.latencies, c.latencies...)
		out.failed += c.failed
		if out.err == nil {
			out.err = c.err
		}
	}
	slices.Sort(out.latencies)
	return out
}

func (c *caller) loop(ctx context.Context, l load, op operation) {
	for range l.perCaller {
		var begin time.Time
		if l.timed {
			begin = time.Now()
		}
		err := op(ctx)
		if l.timed {
			c.latencies = append(c.latencies, time.Since(begin))
		}
		if err == nil {
			continue
		}
		c.failed++
		if c.err == nil {
			c.err = err
		}
		if ctx.Err() != nil {
			return
		}
	}
}

func (o outcome) nanosPerOp() float64     { return float64(o.wall.Nanoseconds()) / float64(o.ops) }
func (o outcome) allocsPerOp() float64    { return float64(o.mallocs) / float64(o.ops) }
func (o outcome) opsPerSecond() float64   { return float64(o.ops) / o.wall.Seconds() }
func (o outcome) p(share float64) float64 { return milliseconds(timing.Percentile(o.latencies, share)) }

// rehearsal is a shorter run of the same load: it makes the sessions, prepared statements and buffers that a pool makes
// once, before the clock starts.
func (l load) rehearsal() load {
	l.perCaller = max(l.perCaller/20, 1)
	return l
}
