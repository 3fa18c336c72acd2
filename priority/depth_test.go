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

// queue is a scheduler whose permits are all out and in whose queue others wait, as many all the time: for measuring
// what one more operation costs.
type queue struct {
	sched   priority.Scheduler
	ctx     context.Context
	born    mono.Time
	rnd     *rand.Rand
	waiters []*priority.Waiter // by arrival
}

// round is how many operations are timed together: reading the clock costs as much as one of them.
const round = 50

func newQueueOf(tb testing.TB, depth int) *queue {
	ctx, cancel := context.WithCancel(context.Background())
	q := &queue{ctx: ctx, born: mono.Now(), rnd: rand.New(rand.NewSource(1))}
	q.sched.Init(priority.Limits{Permits: 1}, func() {})
	q.sched.TryAdmit(priority.Normal)
	q.waiters = make([]*priority.Waiter, depth)
	for i := range q.waiters {
		q.waiters[i] = q.waiter()
		q.enqueue(q.waiters[i])
	}
	tb.Cleanup(cancel)
	return q
}

func (q *queue) waiter() *priority.Waiter {
	return priority.NewWaiter(q.ctx, &priority.Options{}, mono.Now())
}

func (q *queue) enqueue(w *priority.Waiter) {
	var batch priority.Batch
	if !q.sched.Enqueue(w, &batch) {
		panic("a queue without a limit was full")
	}
}

// rounds times each of n operations, round by round: prepare, which is not timed, returns what to do.
func rounds(n int, prepare func() (do, undo func())) time.Duration {
	var total time.Duration
	for range n / round {
		do, undo := prepare()
		begin := time.Now()
		do()
		total += time.Since(begin)
		undo()
	}
	return total
}

// ops are the operations that the queue's length must not slow down. Each does n, a multiple of round.
func (q *queue) ops() map[string]func(n int) time.Duration {
	var batch priority.Batch
	who := make([]*priority.Waiter, round)
	fresh := func() {
		for i := range who {
			who[i] = q.waiter()
		}
	}
	leave := func() {
		for _, w := range who {
			q.sched.Leave(w, priority.Canceled)
		}
	}
	free := func() {
		for _, w := range who {
			w.Free()
		}
	}
	return map[string]func(n int) time.Duration{
		"enqueue": func(n int) time.Duration {
			return rounds(n, func() (do, undo func()) {
				fresh()
				return func() {
					for _, w := range who {
						q.enqueue(w)
					}
				}, func() { leave(); free() }
			})
		},
		"cancel random": func(n int) time.Duration {
			return rounds(n, func() (do, undo func()) {
				at := q.rnd.Perm(round) // one of each of so many stretches of the queue
				for i := range at {
					stretch := len(q.waiters) / round
					at[i] = at[i]*stretch + q.rnd.Intn(stretch)
					who[i] = q.waiters[at[i]]
				}
				return leave, func() {
					free()
					for _, i := range at {
						q.waiters[i] = q.waiter()
						q.enqueue(q.waiters[i])
					}
				}
			})
		},
		"hand over": func(n int) time.Duration {
			return rounds(n, func() (do, undo func()) {
				return func() {
						for i := range who {
							q.sched.Release(priority.Normal)
							who[i] = q.sched.Next(mono.Now(), &batch)
						}
					}, func() {
						free()
						for range who {
							q.enqueue(q.waiter())
						}
					}
			})
		},
		"requeue in front": func(n int) time.Duration {
			return rounds(n, func() (do, undo func()) {
				for i := range who { // who came before everybody else
					who[i] = priority.NewWaiter(q.ctx, &priority.Options{}, q.born)
				}
				return func() {
					for _, w := range who {
						q.sched.EnqueueFront(w)
					}
				}, func() { leave(); free() }
			})
		},
	}
}

// TestNoOperationTakesLongerBecauseManyWait tells constant from linear: the factor leaves room for cold caches and for a
// busy machine, but none for a walk along the queue, which would be another 1,000 times slower.
func TestNoOperationTakesLongerBecauseManyWait(t *testing.T) {
	const few, many, n, factor = 100, 200_000, 20 * round, 300
	for name := range newQueueOf(t, few).ops() {
		var took [2]time.Duration
		for i, depth := range []int{few, many} {
			op := newQueueOf(t, depth).ops()[name]
			op(round)
			took[i] = min(op(n), op(n), op(n))
		}
		if took[1] > factor*took[0] {
			t.Errorf("%s: %v each behind %d, %v behind %d", name, took[0]/n, few, took[1]/n, many)
		}
	}
}

func TestWaiterIsSmall(t *testing.T) {
	const n, most = 50_000, 300
	var before, after runtime.MemStats
	keep := make([]*queue, 0, 1)
	runtime.GC()
	runtime.ReadMemStats(&before)
	keep = append(keep, newQueueOf(t, n))
	runtime.GC()
	runtime.ReadMemStats(&after)
	size := float64(after.HeapAlloc-before.HeapAlloc)/n - 8 // our own slice
	t.Logf("%.0f bytes", size)
	if size > most {
		t.Errorf("a waiter takes %.0f bytes beside its goroutine, want at most %d", size, most)
	}
	runtime.KeepAlive(keep)
}

// depths is how many wait: few, and so many that anything but a constant cost shows; with -short, to have run once, fewer.
func depths() []int {
	if testing.Short() {
		return []int{100, 10_000}
	}
	return []int{100, 1_000_000}
}

func BenchmarkDepth(b *testing.B) {
	for _, name := range []string{"enqueue", "cancel random", "hand over", "requeue in front"} {
		for _, depth := range depths() {
			op := newQueueOf(b, depth).ops()[name]
			b.Run(fmt.Sprintf("%s/waiting=%d", name, depth), func(b *testing.B) {
				n := (b.N/round + 1) * round
				b.ReportMetric(float64(op(n).Nanoseconds())/float64(n), "ns/op")
			})
		}
	}
}

// sleepers are goroutines that wait for one permit. Who gets it releases it and waits again; who is canceled waits again.
type sleepers struct {
	sem      *priority.Semaphore
	permit   priority.Permit
	done     sync.WaitGroup
	cancels  []atomic.Pointer[context.CancelFunc]
	left     atomic.Int64 // hand-overs still to do
	back     chan priority.Permit
	canceled chan struct{}
}

func newSleepers(tb testing.TB, n int) *sleepers {
	s := &sleepers{
		sem: newSemaphore(tb, priority.Limits{Permits: 1}), cancels: make([]atomic.Pointer[context.CancelFunc], n),
		back: make(chan priority.Permit, 1), canceled: make(chan struct{}, n),
	}
	s.permit, _ = s.sem.TryAcquire(context.Background())
	for i := range n {
		s.done.Go(func() { s.sleeper(i) })
	}
	s.settle()
	tb.Cleanup(func() {
		s.sem.Close()
		s.done.Wait()
	})
	return s
}

// settle waits until everybody waits.
func (s *sleepers) settle() {
	for s.sem.Stats().Waiting < len(s.cancels) {
		time.Sleep(time.Millisecond) // polling: the callers have nobody to tell that they are in the queue
	}
}

func (s *sleepers) sleeper(i int) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancels[i].Store(&cancel)
	for {
		permit, err := s.sem.Acquire(ctx)
		switch {
		case err == nil && s.left.Add(-1) == 0:
			s.back <- permit
		case err == nil:
			permit.Release()
		case ctx.Err() != nil:
			ctx, cancel = context.WithCancel(context.Background())
			s.cancels[i].Store(&cancel)
			s.canceled <- struct{}{}
		default: // closed
			cancel()
			return
		}
	}
}

// handOver lets the permit go from one to the next n times.
func (s *sleepers) handOver(n int) {
	s.left.Store(int64(n))
	s.permit.Release()
	s.permit = <-s.back
}

// cancel cancels n of them at random, each after the one before has left the queue.
func (s *sleepers) cancel(n int, rnd *rand.Rand) {
	for range n {
		(*s.cancels[rnd.Intn(len(s.cancels))].Load())()
		<-s.canceled
	}
}

// BenchmarkDepthAwake is BenchmarkDepth with the goroutines: a million of them need some 4 GiB.
func BenchmarkDepthAwake(b *testing.B) {
	for _, depth := range depths() {
		s := newSleepers(b, depth)
		rnd := rand.New(rand.NewSource(1))
		b.Run(fmt.Sprintf("hand over/waiting=%d", depth), func(b *testing.B) {
			s.settle()
			b.ResetTimer()
			s.handOver(b.N)
		})
		b.Run(fmt.Sprintf("cancel random/waiting=%d", depth), func(b *testing.B) {
			s.settle()
			b.ResetTimer()
			s.cancel(b.N, rnd)
		})
	}
}
