package main

import (
	"context"
	"math/rand"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// depthGroup is G: what one operation costs when few wait, and when many do.
func depthGroup(l *lab) group {
	few, many := 100, l.scale(1_000_000, 1000)
	alone := func(ctx context.Context, depth int) ([]float64, error) {
		return measureQueue(ctx, depth, l.scale(10_000, 2)), nil
	}
	awake := func(ctx context.Context, depth int) ([]float64, error) {
		return measureSleepers(ctx, depth, l.scale(100_000, 100))
	}
	arms := func(run func(context.Context, int) ([]float64, error)) []arm {
		return []arm{
			func(ctx context.Context) ([]float64, error) { return run(ctx, few) },
			func(ctx context.Context) ([]float64, error) { return run(ctx, many) },
		}
	}
	return group{
		title:   "G. What one operation on poolsql's queue costs, by how many wait in it",
		columns: []string{"100 waiting", "1,000,000 waiting"},
		ratios:  []ratio{{of: "1,000,000 waiting", to: "100 waiting"}},
		experiments: []experiment{
			{
				name:  "G/queue",
				label: "the queue alone",
				measures: []measure{
					{name: "enqueue (ns)", digits: 1},
					{name: "hand over (ns)", digits: 1},
					{name: "cancel the oldest (ns)", digits: 1},
					{name: "cancel one at random (ns)", digits: 1},
				},
				arms: arms(alone),
			},
			{
				name:     "G/awake",
				label:    "with the caller's goroutine",
				measures: []measure{{name: "hand over (ns)"}, {name: "cancel one at random (ns)"}},
				arms:     arms(awake),
			},
		},
	}
}

// depthRound is how many operations are timed together: to read the clock costs as much as one of them.
const depthRound = 50

// waitingLine is a scheduler whose only permit is out, with callers who wait for it and have no goroutine.
type waitingLine struct {
	sched   priority.Scheduler
	ctx     context.Context
	waiters []*priority.Waiter // a ring by arrival
	oldest  int                // where it begins
	rnd     *rand.Rand
}

func newWaitingLine(ctx context.Context, depth int) *waitingLine {
	q := &waitingLine{ctx: ctx, waiters: make([]*priority.Waiter, depth), rnd: rand.New(rand.NewSource(1))}
	q.sched.Init(priority.Limits{Permits: 1}, func() {})
	q.sched.TryAdmit(priority.Normal)
	for i := range q.waiters {
		q.waiters[i] = q.newWaiter()
		q.enqueue(q.waiters[i])
	}
	return q
}

// measureQueue returns the mean time of each operation over so many rounds.
func measureQueue(ctx context.Context, depth, rounds int) []float64 {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()

	// One line each: what was canceled at random comes back out of order, which would show in what is measured next.
	var values []float64
	for _, op := range []func(*waitingLine) time.Duration{
		(*waitingLine).enqueueRound, (*waitingLine).handOverRound, (*waitingLine).cancelOldestRound, (*waitingLine).cancelRandomRound,
	} {
		q := newWaitingLine(ctx, depth)
		op(q)
		var total time.Duration
		for range rounds {
			total += op(q)
		}
		values = append(values, float64(total.Nanoseconds())/float64(rounds*depthRound))
	}
	return values
}

func (q *waitingLine) newWaiter() *priority.Waiter {
	return priority.NewWaiter(q.ctx, &priority.Options{}, priority.Now())
}

func (q *waitingLine) enqueue(w *priority.Waiter) {
	var batch priority.Batch
	q.sched.Enqueue(w, &batch) // never refused: the queue has no limit
}

// replace puts a newcomer in the place of one that is off the queue.
func (q *waitingLine) replace(i int) {
	q.waiters[i].Free()
	q.waiters[i] = q.newWaiter()
	q.enqueue(q.waiters[i])
}

func (q *waitingLine) enqueueRound() time.Duration {
	var who [depthRound]*priority.Waiter
	for i := range who {
		who[i] = q.newWaiter()
	}
	begin := time.Now()
	for _, w := range who {
		q.enqueue(w)
	}
	took := time.Since(begin)
	for _, w := range who {
		q.sched.Leave(w, priority.Canceled)
		w.Free()
	}
	return took
}

func (q *waitingLine) handOverRound() time.Duration {
	var batch priority.Batch
	begin := time.Now()
	for range depthRound {
		q.sched.Release(priority.Normal)
		q.sched.Next(priority.Now(), &batch)
	}
	took := time.Since(begin)
	q.replaceOldest()
	return took
}

func (q *waitingLine) cancelOldestRound() time.Duration {
	begin := time.Now()
	for i := range depthRound {
		q.sched.Leave(q.waiters[(q.oldest+i)%len(q.waiters)], priority.Canceled)
	}
	took := time.Since(begin)
	q.replaceOldest()
	return took
}

// replaceOldest replaces the oldest of a round, who are off the queue.
func (q *waitingLine) replaceOldest() {
	for range depthRound {
		q.replace(q.oldest)
		q.oldest = (q.oldest + 1) % len(q.waiters)
	}
}

func (q *waitingLine) cancelRandomRound() time.Duration {
	at := q.rnd.Perm(depthRound) // one out of each of so many stretches of the line
	stretch := len(q.waiters) / depthRound
	for i := range at {
		at[i] = at[i]*stretch + q.rnd.Intn(stretch)
	}
	begin := time.Now()
	for _, i := range at {
		q.sched.Leave(q.waiters[i], priority.Canceled)
	}
	took := time.Since(begin)
	for _, i := range at {
		q.replace(i)
	}
	return took
}

// sleepers are goroutines that wait for one permit. Who gets it releases it and waits again; who is canceled waits again.
type sleepers struct {
	sem      *priority.Semaphore
	members  sync.WaitGroup
	cancels  []atomic.Pointer[context.CancelFunc]
	turns    atomic.Int64 // hand-overs still to do
	back     chan priority.Permit
	canceled chan struct{}
}

// measureSleepers returns the mean time of a hand-over and of a cancel, each until the goroutine concerned has seen it.
func measureSleepers(ctx context.Context, depth, ops int) ([]float64, error) {
	sem, err := priority.NewSemaphore(priority.Limits{Permits: 1})
	if err != nil {
		return nil, err
	}
	s := &sleepers{
		sem: sem, cancels: make([]atomic.Pointer[context.CancelFunc], depth),
		back: make(chan priority.Permit, 1), canceled: make(chan struct{}, 1),
	}
	permit, err := sem.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	for i := range depth {
		s.members.Go(func() { s.sleeper(i) })
	}
	s.settle()

	begin := time.Now()
	s.turns.Store(int64(ops))
	permit.Release()
	permit = <-s.back
	handOver := time.Since(begin)

	s.settle()
	rnd := rand.New(rand.NewSource(1))
	begin = time.Now()
	for range ops {
		(*s.cancels[rnd.Intn(depth)].Load())()
		<-s.canceled
	}
	cancel := time.Since(begin)

	sem.Close()
	s.members.Wait()
	permit.Release()
	return []float64{float64(handOver.Nanoseconds()) / float64(ops), float64(cancel.Nanoseconds()) / float64(ops)}, nil
}

// settle waits until everybody waits.
func (s *sleepers) settle() {
	for s.sem.Stats().Waiting < len(s.cancels) {
		time.Sleep(time.Millisecond)
	}
}

func (s *sleepers) sleeper(i int) {
	ctx, cancel := context.WithCancel(context.Background())
	s.cancels[i].Store(&cancel)
	for {
		permit, err := s.sem.Acquire(ctx)
		switch {
		case err == nil && s.turns.Add(-1) == 0:
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
