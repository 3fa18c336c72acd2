package priority_test

import (
	"context"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/priority"
)

func TestFullQueueTurnsAwayTheLowestAndNeverHighBecauseOfLow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1, MaxWaiting: 4})
		permit := hold(t, sem)
		low := as(t, sem, priority.Low, 4)
		time.Sleep(10 * ms)

		full := start(priority.WithClass(t.Context(), priority.Low), sem)
		if refused := full.refusal(t, 0, priority.QueueFull); refused.Depth != 4 || refused.Limit != 1 || refused.InUse != 1 {
			t.Errorf("%+v: want depth 4, 1 of 1 in use", refused)
		}
		normal := as(t, sem, priority.Normal, 1)
		high := as(t, sem, priority.High, 3)
		for _, c := range low {
			c.refusal(t, 10*ms, priority.Evicted)
			if !errors.Is(c.err, priority.ErrQueueFull) {
				t.Errorf("%v is not ErrQueueFull", c.err)
			}
		}
		normal[0].waits(t)
		high = append(high, as(t, sem, priority.High, 1)...)
		normal[0].refusal(t, 0, priority.Evicted)
		as(t, sem, priority.High, 1)[0].refusal(t, 0, priority.QueueFull)

		permit.Release()
		for _, c := range high {
			c.granted(t, 0).Release()
		}
		stats := sem.Stats()
		for class, want := range map[priority.Class]map[priority.Reason]uint64{
			priority.Low:    {priority.Evicted: 4, priority.QueueFull: 1},
			priority.Normal: {priority.Evicted: 1},
			priority.High:   {priority.QueueFull: 1},
		} {
			got := stats.Class(class)
			for reason, n := range want {
				if got.Refused[reason] != n || len(got.Refused) != len(want) {
					t.Errorf("%v refused %v, want %v", class, got.Refused, want)
				}
			}
		}
		if got := stats.Class(priority.Low).RefusedTotal(); got != 5 {
			t.Errorf("RefusedTotal = %d, want 5", got)
		}
		empty(t, sem)
	})
}

func TestReleasingTwiceGivesBackOnePermit(t *testing.T) {
	sem := newSemaphore(t, priority.Limits{Permits: 2})
	first, second := hold(t, sem), hold(t, sem)
	first.Release()
	first.Release()
	if got := sem.Stats().InUse; got != 1 {
		t.Errorf("%d in use after one permit was released twice, want 1", got)
	}
	second.Release()
	var none priority.Permit
	none.Release()
	if got := sem.Stats().InUse; got != 0 {
		t.Errorf("%d in use, want 0", got)
	}
}

func TestRaisedLimitServesWaitersAtOnceAndLoweredOneLetsPermitsDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1})
		permit := hold(t, sem)
		calls := as(t, sem, priority.Normal, 5)
		time.Sleep(10 * ms)
		if err := sem.SetLimits(priority.Limits{Permits: 4}); err != nil {
			t.Fatal(err)
		}
		for _, c := range calls[:3] {
			c.granted(t, 10*ms)
		}
		calls[3].waits(t)

		if err := sem.SetLimits(priority.Limits{Permits: 2}); err != nil {
			t.Fatal(err)
		}
		if stats := sem.Stats(); stats.InUse != 4 || stats.Limit != 2 {
			t.Errorf("%d of %d in use, want 4 of 2", stats.InUse, stats.Limit)
		}
		permit.Release()
		calls[0].permit.Release()
		calls[3].waits(t)
		calls[1].permit.Release()
		calls[3].granted(t, 10*ms)
		calls[4].waits(t)

		// Of no permits nobody can have one, and everybody waits for better times.
		if err := sem.SetLimits(priority.Limits{}); err != nil {
			t.Fatal(err)
		}
		calls[2].permit.Release()
		calls[3].permit.Release()
		calls[4].waits(t)
		if err := sem.SetLimits(priority.Limits{Permits: 1}); err != nil {
			t.Fatal(err)
		}
		calls[4].granted(t, 10*ms).Release()
		empty(t, sem)
	})
}

func TestBadLimitsChangeNothing(t *testing.T) {
	good := priority.Limits{Permits: 2, Reserve: 1, AgingShare: 5, MaxWaiting: 7, MaxWait: time.Second}
	sem := newSemaphore(t, good)
	err := sem.SetLimits(priority.Limits{Permits: 2, Reserve: 2})
	if err == nil || !strings.Contains(err.Error(), "Reserve") {
		t.Errorf("SetLimits: %v, want it to name Reserve", err)
	}
	if got := sem.Limits(); !reflect.DeepEqual(got, good) {
		t.Errorf("limits are %+v, want %+v", got, good)
	}
	if _, err := priority.NewSemaphore(priority.Limits{Permits: -1}); err == nil {
		t.Error("a semaphore of -1 permits was made")
	}
}

func TestReserveIsKeptForHighAndLowerClassesKeepOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 3, Reserve: 2})
		normal := as(t, sem, priority.Normal, 2)
		low := as(t, sem, priority.Low, 1)
		normal[0].granted(t, 0)
		normal[1].waits(t)
		low[0].waits(t)
		if _, ok := sem.TryAcquire(t.Context()); ok {
			t.Error("TryAcquire took from the reserve")
		}
		high := as(t, sem, priority.High, 3)
		high[0].granted(t, 0)
		high[1].granted(t, 0)
		high[2].waits(t)

		// Two thirds of the permits are High's even when it is a lower class that releases.
		high[0].permit.Release()
		high[2].granted(t, 0)
		normal[1].waits(t)
		normal[0].permit.Release()
		normal[1].granted(t, 0).Release()
		low[0].granted(t, 0).Release()
		high[1].permit.Release()
		high[2].permit.Release()
		empty(t, sem)
	})
}

func TestRefusalTellsHowManyWereWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1, MaxWait: 100 * ms})
		permit := hold(t, sem)
		ctx, cancel := context.WithCancel(t.Context())
		canceled := start(ctx, sem)
		as(t, sem, priority.Normal, 1)
		time.Sleep(10 * ms)
		last := as(t, sem, priority.Normal, 1)[0]
		cancel()
		if got := canceled.refusal(t, 10*ms, priority.Canceled).Depth; got != 3 {
			t.Errorf("canceled at depth %d, want 3: itself and 2 others", got)
		}
		time.Sleep(time.Second)
		if got := last.refusal(t, 100*ms, priority.Timeout).Depth; got != 1 {
			t.Errorf("timed out at depth %d, want 1: itself", got)
		}
		permit.Release()
		empty(t, sem)
	})
}

func TestStatsCountWhatHappened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 2})
		ctx := priority.WithClass(t.Context(), priority.High)
		first, _ := sem.Acquire(ctx)
		second := hold(t, sem)
		waiting := as(t, sem, priority.High, 2)
		time.Sleep(10 * ms)

		stats := sem.Stats()
		if stats.Limit != 2 || stats.InUse != 2 || stats.Waiting != 2 {
			t.Errorf("%+v", stats)
		}
		first.Release()
		time.Sleep(10 * ms)
		second.Release()
		waiting[0].granted(t, 10*ms)
		waiting[1].granted(t, 20*ms)
		high := sem.Stats().Class(priority.High)
		high.WaitTime = high.WaitTime.Round(time.Microsecond)
		if high.Granted != 3 || high.Waits != 2 || high.Held != 2 || high.Waiting != 0 || high.WaitTime != 30*ms || high.Refused != nil {
			t.Errorf("%+v", high)
		}
		if high.Class != priority.High {
			t.Errorf("the class of High's numbers is %v", high.Class)
		}
		waiting[0].permit.Release()
		waiting[1].permit.Release()
		empty(t, sem)
	})
}

func TestSemaphoreWorksInOneBubbleAfterTheOther(t *testing.T) {
	use := func(t *testing.T) {
		sem := newSemaphore(t, priority.Limits{Permits: 1, MaxWait: time.Millisecond})
		permit := hold(t, sem)
		if _, err := sem.Acquire(context.Background()); !errors.Is(err, priority.ErrTimeout) {
			t.Errorf("%v, want ErrTimeout", err)
		}
		permit.Release()
	}
	use(t)
	for range 3 {
		synctest.Test(t, use)
	}
	use(t)
}
