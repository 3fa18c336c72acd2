package priority_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// call is one goroutine's Acquire. Its other fields may be read when it has ended.
type call struct {
	ended  atomic.Bool
	permit priority.Permit
	err    error
	took   time.Duration
}

// start acquires on a goroutine of its own, and returns when that has its permit, or waits, or was refused.
func start(ctx context.Context, sem *priority.Semaphore) *call {
	c := &call{}
	go func() {
		begin := time.Now()
		c.permit, c.err = sem.Acquire(ctx)
		c.took = time.Since(begin)
		c.ended.Store(true)
	}()
	synctest.Wait()
	return c
}

// as starts n calls of a class.
func as(t *testing.T, sem *priority.Semaphore, class priority.Class, n int) []*call {
	var calls []*call
	for range n {
		calls = append(calls, start(priority.WithClass(t.Context(), class), sem))
	}
	return calls
}

// hold acquires a permit that is free.
func hold(t *testing.T, sem *priority.Semaphore) *priority.Permit {
	t.Helper()
	permit, ok := sem.TryAcquire(t.Context())
	if !ok {
		t.Fatal("no permit is free")
	}
	return &permit
}

// refusal returns the error of a call that must have been refused after exactly this time for this reason.
func (c *call) refusal(t *testing.T, after time.Duration, reason priority.Reason) *priority.RefusedError {
	t.Helper()
	synctest.Wait()
	var refused *priority.RefusedError
	if !c.ended.Load() || !errors.As(c.err, &refused) {
		t.Fatalf("ended: %t, error %v; want to be refused: %v", c.ended.Load(), c.err, reason)
	}
	if refused.Reason != reason || c.took != after {
		t.Fatalf("refused after %v: %v; want after %v: %v", c.took, c.err, after, reason)
	}
	return refused
}

func (c *call) granted(t *testing.T, after time.Duration) *priority.Permit {
	t.Helper()
	synctest.Wait()
	if !c.ended.Load() || c.err != nil || c.took != after {
		t.Fatalf("ended: %t, after %v, error %v; want a permit after %v", c.ended.Load(), c.took, c.err, after)
	}
	return &c.permit
}

func (c *call) waits(t *testing.T) {
	t.Helper()
	synctest.Wait()
	if c.ended.Load() {
		t.Fatalf("has ended with error %v, want it to wait", c.err)
	}
}

func empty(t *testing.T, sem *priority.Semaphore) {
	t.Helper()
	synctest.Wait()
	stats := sem.Stats()
	if stats.InUse != 0 || stats.Waiting != 0 {
		t.Errorf("%d in use and %d waiting, want nobody", stats.InUse, stats.Waiting)
	}
}

const ms = time.Millisecond

func TestEachWaitEndsExactlyAtMaxWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1, MaxWait: 100 * ms})
		permit := hold(t, sem)
		var calls []*call
		for _, class := range []priority.Class{priority.Low, priority.High, priority.Normal, priority.High} {
			calls = append(calls, start(priority.WithClass(t.Context(), class), sem))
			time.Sleep(30 * ms)
		}
		time.Sleep(time.Second)
		for _, c := range calls {
			refused := c.refusal(t, 100*ms, priority.Timeout)
			if refused.Waited.Round(time.Microsecond) != 100*ms {
				t.Errorf("the error says that it waited for %v", refused.Waited)
			}
			if !errors.Is(c.err, priority.ErrTimeout) || !errors.Is(c.err, context.DeadlineExceeded) || !refused.Timeout() {
				t.Errorf("%v is no timeout", c.err)
			}
		}
		permit.Release()
		empty(t, sem)
	})
}

func TestAlarmForAWaiterWhoLeftDoesNotMissTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1, MaxWait: 100 * ms})
		permit := hold(t, sem)
		ctx, cancel := context.WithCancel(t.Context())
		first := start(ctx, sem)
		time.Sleep(30 * ms)
		second := start(t.Context(), sem)
		time.Sleep(20 * ms)
		cancel()
		first.refusal(t, 50*ms, priority.Canceled)
		third := start(t.Context(), sem)
		time.Sleep(70 * ms)
		second.waits(t)
		time.Sleep(time.Second)
		second.refusal(t, 100*ms, priority.Timeout)
		third.refusal(t, 100*ms, priority.Timeout)

		// Nobody waited for a while: the alarm must not be asleep.
		time.Sleep(time.Second)
		fourth := start(t.Context(), sem)
		time.Sleep(time.Second)
		fourth.refusal(t, 100*ms, priority.Timeout)
		permit.Release()
	})
}

func TestMaxWaitChangedWhileWaitingCountsFromTheArrival(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after time.Duration
		want          time.Duration // 0 is never
	}{
		{"shorter", 200 * ms, 80 * ms, 80 * ms},
		{"already over", 200 * ms, 20 * ms, 50 * ms},
		{"longer", 100 * ms, 300 * ms, 300 * ms},
		{"lifted", 100 * ms, 0, 0},
		{"imposed", 0, 100 * ms, 100 * ms},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				limits := priority.Limits{Permits: 1, MaxWait: tt.before}
				sem := newSemaphore(t, limits)
				permit := hold(t, sem)
				c := start(t.Context(), sem)
				time.Sleep(50 * ms)
				limits.MaxWait = tt.after
				if err := sem.SetLimits(limits); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Hour)
				if tt.want > 0 {
					c.refusal(t, tt.want, priority.Timeout)
				} else {
					c.waits(t)
				}
				permit.Release()
				if tt.want == 0 {
					c.granted(t, time.Hour+50*ms).Release()
				}
				empty(t, sem)
			})
		})
	}
}

func TestCallerNeverWaitsPastItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1, MaxWait: time.Second})
		permit := hold(t, sem)

		ctx, cancel := context.WithTimeout(t.Context(), 40*ms)
		defer cancel()
		deadline := start(ctx, sem)
		why := errors.New("the user went home")
		ctx, cancelCause := context.WithCancelCause(t.Context())
		canceled := start(ctx, sem)
		ctx, cancelLate := context.WithTimeoutCause(t.Context(), 60*ms, why)
		defer cancelLate()
		lateCause := start(ctx, sem)

		time.Sleep(20 * ms)
		cancelCause(why)
		if refused := canceled.refusal(t, 20*ms, priority.Canceled); refused.Cause != why || !errors.Is(canceled.err, context.Canceled) {
			t.Errorf("%v: want context.Canceled and the cause", canceled.err)
		}
		time.Sleep(time.Hour)
		deadline.refusal(t, 40*ms, priority.Deadline)
		if !errors.Is(deadline.err, context.DeadlineExceeded) || errors.Is(deadline.err, priority.ErrTimeout) {
			t.Errorf("%v: want the context's deadline, not ours", deadline.err)
		}
		if refused := lateCause.refusal(t, 60*ms, priority.Deadline); refused.Cause != why {
			t.Errorf("%v: want the cause", lateCause.err)
		}
		if got := sem.Stats().Class(priority.Normal).Refused; got[priority.Deadline] != 2 || got[priority.Canceled] != 1 {
			t.Errorf("counted %v, want 2 deadlines and a cancel", got)
		}
		permit.Release()
		empty(t, sem)
	})
}

func TestContextThatHasEndedGetsNothingAndDoesNotWait(t *testing.T) {
	sem := newSemaphore(t, priority.Limits{Permits: 1})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := sem.Acquire(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Acquire: %v, want context.Canceled", err)
	}
	if _, ok := sem.TryAcquire(ctx); ok {
		t.Error("TryAcquire gave a permit to a context that had ended")
	}
	why := errors.New("too slow")
	ctx, cancel = context.WithDeadlineCause(t.Context(), time.Now().Add(-time.Second), why)
	defer cancel()
	if _, err := sem.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, why) {
		t.Errorf("Acquire: %v, want context.DeadlineExceeded and its cause", err)
	}
	got := sem.Stats()
	refused := got.Class(priority.Normal).Refused
	if got.InUse != 0 || refused[priority.Canceled] != 1 || refused[priority.Deadline] != 1 {
		t.Errorf("%+v: want nothing in use, one canceled, one past its deadline", got)
	}
}

// meddler is a context that acts once, when it is asked for its channel while its caller is in the queue: just before
// that caller begins to listen, so that grant and end of context reach it together.
type meddler struct {
	context.Context
	sem  *priority.Semaphore
	once *sync.Once
	act  func()
}

func (m meddler) Done() <-chan struct{} {
	if m.sem.Stats().Class(priority.Normal).Waiting > 0 {
		m.once.Do(m.act)
	}
	return m.Context.Done()
}

func TestPermitGrantedAtTheInstantOfTheCancelIsHandedOn(t *testing.T) {
	outcomes := map[bool]int{}
	for range 60 {
		synctest.Test(t, func(t *testing.T) {
			sem := newSemaphore(t, priority.Limits{Permits: 1})
			permit := hold(t, sem)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			behind := as(t, sem, priority.Low, 1)[0]
			raced := start(meddler{ctx, sem, new(sync.Once), func() {
				permit.Release()
				cancel()
			}}, sem)
			if !raced.ended.Load() {
				t.Fatal("the canceled caller is still waiting")
			}
			outcomes[raced.err == nil]++
			if raced.err == nil {
				behind.waits(t)
				raced.permit.Release()
			} else if !errors.Is(raced.err, context.Canceled) {
				t.Fatalf("%v, want context.Canceled", raced.err)
			}
			behind.granted(t, 0).Release()
			empty(t, sem)
		})
	}
	if outcomes[true] == 0 || outcomes[false] == 0 {
		t.Errorf("of the two outcomes, granted and handed on, only one was seen: %v", outcomes)
	}
}

func TestPermitIsNeverGrantedToAContextPastItsDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1})
		permit := hold(t, sem)
		ctx, cancel := context.WithTimeout(t.Context(), 50*ms)
		defer cancel()
		// Its deadline is known, but nothing tells it when that passes.
		late := start(deaf{ctx}, sem)
		behind := start(t.Context(), sem)
		time.Sleep(100 * ms)
		permit.Release()
		late.refusal(t, 100*ms, priority.Deadline)
		behind.granted(t, 100*ms).Release()
		empty(t, sem)
	})
}

// deaf is a context that ends without a word.
type deaf struct{ context.Context }

func (deaf) Done() <-chan struct{} { return nil }

func TestClearTurnsAwayWhoWaitsAndNobodyElse(t *testing.T) {
	for _, reason := range []string{"maintenance", ""} {
		synctest.Test(t, func(t *testing.T) {
			sem := newSemaphore(t, priority.Limits{Permits: 1, MaxWait: time.Minute})
			permit := hold(t, sem)
			calls := slices.Concat(as(t, sem, priority.High, 2), as(t, sem, priority.Low, 2))
			calls = append(calls, start(priority.WithRetries(t.Context(), 3), sem))
			time.Sleep(10 * ms)
			if n := sem.Clear(reason); n != 5 {
				t.Errorf("Clear says %d, want 5", n)
			}
			for _, c := range calls {
				refused := c.refusal(t, 10*ms, priority.Cleared)
				if !errors.Is(c.err, priority.ErrCleared) {
					t.Errorf("%v is not ErrCleared", c.err)
				}
				if (refused.Cause == nil) != (reason == "") || refused.Cause != nil && refused.Cause.Error() != reason {
					t.Errorf("cause %v, want %q", refused.Cause, reason)
				}
			}
			if got := sem.Stats().InUse; got != 1 {
				t.Errorf("%d permits out after Clear, want the one as before", got)
			}
			later := start(t.Context(), sem)
			permit.Release()
			later.granted(t, 0).Release()
			if n := sem.Clear(reason); n != 0 {
				t.Errorf("Clear of nobody says %d", n)
			}
			empty(t, sem)
		})
	}
}

func TestCloseTurnsAwayEverybodyNowAndLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 2, MaxWait: time.Minute})
		first, second := hold(t, sem), hold(t, sem)
		calls := as(t, sem, priority.Normal, 3)
		second.Release()
		holder := calls[0].granted(t, 0)
		time.Sleep(10 * ms)
		sem.Close()
		sem.Close()
		for _, c := range calls[1:] {
			c.refusal(t, 10*ms, priority.Closed)
		}
		first.Release()
		if _, ok := sem.TryAcquire(t.Context()); ok {
			t.Error("TryAcquire gave a permit of a closed semaphore")
		}
		after := start(t.Context(), sem)
		after.refusal(t, 0, priority.Closed)
		if !errors.Is(after.err, priority.ErrClosed) {
			t.Errorf("%v is not ErrClosed", after.err)
		}
		if err := sem.SetLimits(priority.Limits{Permits: 5}); err != nil {
			t.Error(err)
		}
		holder.Release()
		empty(t, sem)
	})
}
