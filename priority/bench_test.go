package priority_test

import (
	"context"
	"fmt"
	"math/rand"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

func newSemaphore(tb testing.TB, l priority.Limits) *priority.Semaphore {
	tb.Helper()
	sem, err := priority.NewSemaphore(l)
	if err != nil {
		tb.Fatal(err)
	}
	return sem
}

func BenchmarkAcquireFree(b *testing.B) {
	sem := newSemaphore(b, priority.Limits{Permits: 8})
	plain := context.Background()
	for _, bench := range []struct {
		name string
		ctx  context.Context
	}{
		{"no options", plain},
		{"options", priority.NewContext(plain, priority.Options{Class: priority.High, Tenant: "a", Label: "l"})},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				permit, err := sem.Acquire(bench.ctx)
				if err != nil {
					b.Fatal(err)
				}
				permit.Release()
			}
		})
	}
}

// BenchmarkContended is many goroutines over few permits. In the variant yield each lets others run while it holds its
// permit, so that the others do wait; else they hold it for so short a time that few ever meet.
func BenchmarkContended(b *testing.B) {
	for _, callers := range []int{64, 1000} {
		for _, yield := range []bool{false, true} {
			b.Run(fmt.Sprintf("callers=%d/yield=%t", callers, yield), func(b *testing.B) {
				sem := newSemaphore(b, priority.Limits{Permits: 8})
				b.ReportAllocs()
				var left atomic.Int64
				left.Store(int64(b.N))
				var done sync.WaitGroup
				for range callers {
					done.Go(func() {
						for left.Add(-1) >= 0 {
							permit, err := sem.Acquire(b.Context())
							if err != nil {
								b.Error(err)
								return
							}
							if yield {
								runtime.Gosched()
							}
							permit.Release()
						}
					})
				}
				done.Wait()
			})
		}
	}
}

var depths = []int{100, 1_000_000}

// crowd is a scheduler whose permits are all out, with waiters, for measuring what one operation costs behind them.
type crowd struct {
	sched   priority.Scheduler
	opts    priority.Options
	ctx     context.Context
	waiters []*priority.Waiter
}

func newCrowd(depth int) *crowd {
	ctx, _ := context.WithCancel(context.Background()) //nolint:govet // ended by nobody: real waiters have a context
	c := &crowd{ctx: ctx}
	c.sched.Init(priority.Limits{Permits: 1}, func() {})
	c.sched.TryAdmit(priority.Normal)
	for range depth {
		c.waiters = append(c.waiters, c.enqueue(c.make()))
	}
	return c
}

func (c *crowd) make() *priority.Waiter { return priority.NewWaiter(c.ctx, &c.opts, mono.Now()) }

func (c *crowd) enqueue(w *priority.Waiter) *priority.Waiter {
	var batch priority.Batch
	if !c.sched.Enqueue(w, &batch) {
		panic("refused")
	}
	return w
}

const round = 64

// enqueueTime times n enqueues; the queue is as deep as it was afterwards.
func (c *crowd) enqueueTime(n int) time.Duration {
	var total time.Duration
	var made [round]*priority.Waiter
	for range n / round {
		for i := range made {
			made[i] = c.make()
		}
		begin := time.Now()
		for _, w := range made {
			c.enqueue(w)
		}
		total += time.Since(begin)
		for _, w := range made {
			c.sched.Leave(w, priority.Canceled)
			w.Free()
		}
	}
	return total
}

// leaveTime times n departures of random waiters.
func (c *crowd) leaveTime(n int, rnd *rand.Rand) time.Duration {
	var total time.Duration
	var who [round]int
	for range n / round {
		seen := map[int]bool{}
		for i := range who {
			at := rnd.Intn(len(c.waiters))
			for seen[at] {
				at = rnd.Intn(len(c.waiters))
			}
			seen[at] = true
			who[i] = at
		}
		begin := time.Now()
		for _, at := range who {
			c.sched.Leave(c.waiters[at], priority.Canceled)
		}
		total += time.Since(begin)
		for _, at := range who {
			c.waiters[at] = c.enqueue(c.make())
		}
	}
	return total
}

// handOverTime times n releases, each of which gives the permit to the waiter at the head.
func (c *crowd) handOverTime(n int) time.Duration {
	var total time.Duration
	for range n / round {
		var batch priority.Batch
		begin := time.Now()
		for range round {
			c.sched.Release(priority.Normal)
			batch.Add(c.sched.Next(mono.Now(), &batch))
		}
		total += time.Since(begin)
		for range round {
			c.enqueue(c.make())
		}
	}
	return total
}

func BenchmarkDepth(b *testing.B) {
	for _, depth := range depths {
		c := newCrowd(depth)
		rnd := rand.New(rand.NewSource(1))
		ops := []struct {
			name string
			run  func(n int) time.Duration
		}{
			{"enqueue", c.enqueueTime},
			{"cancel", func(n int) time.Duration { return c.leaveTime(n, rnd) }},
			{"hand over", c.handOverTime},
		}
		for _, op := range ops {
			b.Run(fmt.Sprintf("%s/depth=%d", op.name, depth), func(b *testing.B) {
				n := (b.N/round + 1) * round
				b.ReportMetric(float64(op.run(n).Nanoseconds())/float64(n), "ns/op")
			})
		}
	}
}
