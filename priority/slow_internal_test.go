package priority

import (
	"context"
	"math"
	"testing"
	"testing/synctest"
	"time"
)

func TestASharePercentageOfVeryManyPermitsIsThatOfThem(t *testing.T) {
	for permits, want := range map[int]int{0: 1, 1: 1, 3: 1, 4: 2, 99: 49, 101: 50, math.MaxInt: math.MaxInt / 2} {
		s := Scheduler{limit: permits, limits: Limits{SlowShare: 50}}
		if got := s.slowMost(); got != want {
			t.Errorf("half of %d is %d, want %d", permits, got, want)
		}
	}
}

// The look at the clock that says that a slow call may not go yet, and the one that sets the alarm, may lie before and after the
// instant from which it may.
func TestTheAlarmForSlowCallsIsNotMissed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rang := 0
		var s Scheduler
		s.Init(Limits{Permits: 4, SlowAfter: 100 * time.Millisecond}, func() { rang++ })
		defer s.Stop()
		slow := Options{Label: "slow"}
		var use Use
		s.Admit(&slow, Now(), &use)
		for range 5 {
			s.Reckon(Use{}, "slow", "", time.Second)
		}
		s.slowHeld = 1 // the share
		var quick Use
		s.Admit(&Options{}, Now(), &quick)
		pause := s.slowPause()
		time.Sleep(pause - time.Millisecond)
		var b Batch
		before := Now()
		if s.Admit(&slow, before, &use) {
			t.Fatal("admitted too early")
		}
		w := NewWaiter(context.Background(), &slow, before)
		time.Sleep(2 * time.Millisecond) // for the lock
		s.Enqueue(w, &b)
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if rang != 1 {
			t.Errorf("the alarm rang %d times, want once", rang)
		}
		s.alarmAt = 0
		s.Release(Normal)
		s.Reckon(quick, "", "", time.Millisecond)
		if got := s.Next(before, &b); got != nil {
			t.Fatal("granted too early")
		}
		time.Sleep(time.Millisecond)
		synctest.Wait()
		if rang != 2 {
			t.Errorf("the alarm rang %d times, want twice", rang)
		}
		s.Expire(Now(), &b)
		if got := s.Next(Now(), &b); got != w {
			t.Error("the slow call does not go")
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if rang != 2 {
			t.Errorf("the alarm rang %d times, want no more", rang)
		}
	})
}
