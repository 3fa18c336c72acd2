package priority_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// stressTime is how long all the stress tests together run. POOLSQL_STRESS, a duration, makes them run longer.
func stressTime(t *testing.T) time.Duration {
	s := os.Getenv("POOLSQL_STRESS")
	if s == "" {
		return 2 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("POOLSQL_STRESS: %v", err)
	}
	return d
}

// crush is many callers at one semaphore. What they count for themselves must agree with what the semaphore counts.
type crush struct {
	sem    *priority.Semaphore
	limits priority.Limits // the largest that are ever in force
	stop   atomic.Bool
	done   sync.WaitGroup

	inside, insideLower atomic.Int64
	calls, got          atomic.Int64
	refused             [16]atomic.Int64 // by reason
	complaint           atomic.Pointer[string]
}

func (c *crush) complain(format string, args ...any) {
	s := fmt.Sprintf(format, args...)
	c.complaint.CompareAndSwap(nil, &s)
	c.stop.Store(true)
}

func (c *crush) state() string {
	refused := map[priority.Reason]int64{}
	for reason := range c.refused {
		if n := c.refused[reason].Load(); n > 0 {
			refused[priority.Reason(reason)] = n
		}
	}
	return fmt.Sprintf("%d calls: %d got a permit, %v refused, %d are inside, %d of lower classes\nthe semaphore says %+v",
		c.calls.Load(), c.got.Load(), refused, c.inside.Load(), c.insideLower.Load(), c.sem.Stats())
}

// caller acquires and releases until it is told to stop.
func (c *crush) caller(rnd *rand.Rand) {
	for !c.stop.Load() {
		o := priority.Options{Class: priority.Classes()[rnd.Intn(priority.NumClasses)]}
		if rnd.Intn(2) == 0 {
			o.Tenant = string(rune('a' + rnd.Intn(4)))
		}
		ctx, cancel := priority.NewContext(context.Background(), o), context.CancelFunc(func() {})
		switch rnd.Intn(4) {
		case 0:
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.Intn(200))*time.Microsecond)
		case 1:
			ctx, cancel = context.WithCancel(ctx)
			time.AfterFunc(time.Duration(rnd.Intn(200))*time.Microsecond, cancel)
		}
		c.call(ctx, o, rnd)
		cancel()
	}
}

func (c *crush) call(ctx context.Context, o priority.Options, rnd *rand.Rand) {
	if rnd.Intn(8) == 0 {
		if permit, ok := c.sem.TryAcquire(ctx); ok {
			c.calls.Add(1)
			c.use(&permit, o, rnd)
		}
		return
	}
	c.calls.Add(1)
	permit, err := c.sem.Acquire(ctx)
	if err == nil {
		c.use(&permit, o, rnd)
		return
	}
	var refused *priority.RefusedError
	if !errors.As(err, &refused) {
		c.complain("an error of another kind: %v", err)
		return
	}
	c.refused[refused.Reason].Add(1)
	runtime.Gosched() // or those who find the queue full keep the others from emptying it
	if (refused.Reason == priority.Canceled || refused.Reason == priority.Deadline) && ctx.Done() == nil {
		c.complain("%v, but its context cannot end", err)
	}
}

func (c *crush) use(permit *priority.Permit, o priority.Options, rnd *rand.Rand) {
	c.got.Add(1)
	if n := c.inside.Add(1); n > int64(c.limits.Permits) {
		c.complain("%d inside, of %d", n, c.limits.Permits)
	}
	if o.Class < priority.High {
		if n, most := c.insideLower.Add(1), int64(c.limits.Permits-c.limits.Reserve); n > most {
			c.complain("%d of the lower classes inside, want at most %d", n, most)
		}
	}
	switch rnd.Intn(100) {
	case 0:
		time.Sleep(time.Duration(rnd.Intn(50)) * time.Microsecond) // long work
	default:
		if rnd.Intn(2) == 0 {
			runtime.Gosched()
		}
	}
	if o.Class < priority.High {
		c.insideLower.Add(-1)
	}
	c.inside.Add(-1)
	permit.Release()
	permit.Release()
}

// wait waits for the callers, and shows the state if they are stuck.
func (c *crush) wait(t *testing.T, atMost time.Duration) {
	t.Helper()
	ended := make(chan struct{})
	go func() {
		c.done.Wait()
		close(ended)
	}()
	select {
	case <-ended:
	case <-time.After(atMost):
		stacks := make([]byte, 64<<10)
		stacks = stacks[:runtime.Stack(stacks, true)]
		t.Fatalf("stuck: %s\n%s", c.state(), stacks)
	}
	if complaint := c.complaint.Load(); complaint != nil {
		t.Fatalf("%s\n%s", *complaint, c.state())
	}
}

// balance checks that everybody is accounted for, once.
func (c *crush) balance(t *testing.T) {
	t.Helper()
	stats := c.sem.Stats()
	if stats.InUse != 0 || stats.Waiting != 0 || c.inside.Load() != 0 {
		t.Errorf("not empty at the end: %s", c.state())
	}
	// How a context ended is seen by the scheduler an instant before the caller looks: what was canceled then may be past
	// its deadline now. Only together they are exact.
	kind := func(r priority.Reason) priority.Reason {
		if r == priority.Deadline {
			return priority.Canceled
		}
		return r
	}
	counted, met := map[priority.Reason]int64{}, map[priority.Reason]int64{}
	var granted, refused int64
	for _, class := range stats.Classes {
		granted += int64(class.Granted)
		for reason, n := range class.Refused {
			counted[kind(reason)] += int64(n)
		}
	}
	for reason := range c.refused {
		if n := c.refused[reason].Load(); n > 0 {
			met[kind(priority.Reason(reason))] += n
			refused += n
		}
	}
	if !maps.Equal(counted, met) {
		t.Errorf("refused: %v counted by the semaphore, %v met by callers", counted, met)
	}
	if got := c.got.Load(); c.calls.Load() != got+refused {
		t.Errorf("%d calls, but %d got a permit and %d were refused", c.calls.Load(), got, refused)
	}
	// A permit that was granted in the instant of a cancel is handed on: granted twice, got once.
	if got, ended := c.got.Load(), met[priority.Canceled]; granted < got || granted > got+ended {
		t.Errorf("%d granted, %d got, %d of the others canceled", granted, got, ended)
	}
	t.Log(c.state())
}

func (c *crush) start(callers int, seed int64) {
	for i := range callers {
		c.done.Go(func() { c.caller(rand.New(rand.NewSource(seed + int64(i)))) })
	}
}

func TestStressLimitsAndReserveHoldAndNobodyIsLost(t *testing.T) {
	limits := priority.Limits{
		Permits: 4, Reserve: 1, AgingShare: 4, MaxWaiting: 50, MaxWait: 2 * time.Millisecond,
	}
	c := &crush{sem: newSemaphore(t, limits), limits: limits}
	c.start(64, time.Now().UnixNano())
	time.AfterFunc(stressTime(t)*2/5, func() { c.stop.Store(true) })
	c.wait(t, stressTime(t)+20*time.Second)
	c.balance(t)
}

func TestStressEverythingChangesAllTheTime(t *testing.T) {
	limits := priority.Limits{Permits: 8}
	c := &crush{sem: newSemaphore(t, limits), limits: limits}
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	c.start(64, seed)
	c.done.Go(func() {
		rnd := rand.New(rand.NewSource(seed))
		for !c.stop.Load() {
			switch rnd.Intn(8) {
			case 0:
				c.sem.Clear("stress")
			default:
				err := c.sem.SetLimits(priority.Limits{
					Permits: rnd.Intn(9), AgingShare: []int{0, 2, -1}[rnd.Intn(3)],
					MaxWaiting: rnd.Intn(3) * 25, MaxWait: time.Duration(rnd.Intn(3)) * 100 * time.Microsecond,
				})
				if err != nil {
					c.complain("%v", err)
				}
			}
			time.Sleep(time.Duration(rnd.Intn(300)) * time.Microsecond) // the pace of the changes
		}
		if err := c.sem.SetLimits(limits); err != nil { // or callers without a deadline wait for ever
			c.complain("%v", err)
		}
	})
	time.AfterFunc(stressTime(t)*2/5, func() { c.stop.Store(true) })
	c.wait(t, stressTime(t)+20*time.Second)
	c.balance(t)
}

func TestStressCloseDuringTraffic(t *testing.T) {
	seed := time.Now().UnixNano()
	t.Logf("seed %d", seed)
	cycles := 0
	for end := time.Now().Add(stressTime(t) / 5); time.Now().Before(end); cycles++ {
		limits := priority.Limits{Permits: 2, MaxWait: time.Millisecond}
		c := &crush{sem: newSemaphore(t, limits), limits: limits}
		c.start(24, seed+int64(cycles))
		for c.got.Load() < 50 && c.complaint.Load() == nil {
			runtime.Gosched()
		}
		c.sem.Close()
		for c.refused[priority.Closed].Load() == 0 && c.complaint.Load() == nil {
			runtime.Gosched()
		}
		c.stop.Store(true)
		c.wait(t, 20*time.Second)
		if got := c.sem.Stats(); got.InUse != 0 || got.Waiting != 0 {
			t.Fatalf("cycle %d: not empty after Close: %s", cycles, c.state())
		}
	}
	t.Logf("%d cycles", cycles)
}
