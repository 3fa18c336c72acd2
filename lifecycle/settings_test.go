package lifecycle_test

import (
	"context"
	"errors"
	"reflect"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// configure changes some of p's settings.
func configure(t *testing.T, p *lifecycle.Pool[*thing], change func(s *lifecycle.Settings)) {
	t.Helper()
	s := p.Settings()
	change(&s)
	if err := p.Configure(s); err != nil {
		t.Fatal(err)
	}
	synctest.Wait()
	if got := p.Settings(); !reflect.DeepEqual(got, s) {
		t.Errorf("in force is %+v\nwant %+v", got, s)
	}
	check(t, p)
}

func TestALoweredReserveServesWhoWaitsForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3, Min: 3, Reserve: 2})
		if err := p.Initialize(t.Context()); err != nil {
			t.Fatal(err)
		}
		first := call(t.Context(), p, priority.Options{})
		second := call(t.Context(), p, priority.Options{})
		third := call(t.Context(), p, priority.Options{})
		if !first.decided() || second.decided() {
			t.Fatal("the reserve did not hold")
		}
		configure(t, p, func(s *lifecycle.Settings) { s.Reserve = 1 })
		if !second.decided() || third.decided() {
			t.Error("with a reserve of 1 two callers should be served")
		}
		configure(t, p, func(s *lifecycle.Settings) { s.Reserve = 0 })
		for _, c := range []*caller{first, second, third} {
			c.served(t).Release()
		}
	})
}

func TestAChangedAcquireTimeoutCountsFromWhenTheCallerCame(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, AcquireTimeout: time.Minute})
		h := take(t, p, "holder")
		waits := call(t.Context(), p, priority.Options{})
		time.Sleep(10 * time.Second)
		configure(t, p, func(s *lifecycle.Settings) { s.AcquireTimeout = 15 * time.Second })
		waits.refused(t)
		if !near(waits.waited, 15*time.Second) {
			t.Errorf("waited for %s, want 15s", waits.waited)
		}

		waits = call(t.Context(), p, priority.Options{})
		time.Sleep(10 * time.Second)
		configure(t, p, func(s *lifecycle.Settings) { s.AcquireTimeout = 5 * time.Second })
		waits.refused(t)
		if !near(waits.waited, 10*time.Second) {
			t.Errorf("waited for %s, want no longer than until the change, after 10s", waits.waited)
		}

		waits = call(t.Context(), p, priority.Options{})
		configure(t, p, func(s *lifecycle.Settings) { s.AcquireTimeout = time.Hour })
		time.Sleep(59 * time.Minute)
		h.Release()
		waits.served(t).Release()
	})
}

func TestAShorterLifetimeEndsWhatIsTooOldByIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3, MaxLifetime: time.Hour, LifetimeJitter: -1})
		hs := takeAll(t, p, 2)
		hs[0].Release()
		time.Sleep(10 * time.Minute)
		young := takeAll(t, p, 2) // one that is old, and one anew
		giveAll(young)
		configure(t, p, func(s *lifecycle.Settings) { s.MaxLifetime, s.LifetimeJitter = 10*time.Minute, -1 })
		if s := p.Stats(); s.Idle != 1 || s.InUse != 1 || s.Destroyed[lifecycle.EndMaxLifetime] != 1 {
			t.Errorf("of the idle ones one is too old: %+v", s)
		}
		hs[1].Release()
		synctest.Wait()
		if s := p.Stats(); s.Idle != 1 || s.Destroyed[lifecycle.EndMaxLifetime] != 2 {
			t.Errorf("the held one is too old when it comes back: %+v", s)
		}
		configure(t, p, func(s *lifecycle.Settings) { s.MaxLifetime = 0 })
		time.Sleep(time.Hour)
		if s := p.Stats(); s.Idle != 1 {
			t.Errorf("without a lifetime it should live on: %+v", s)
		}
	})
}

func TestAShorterIdleTimeoutHoldsAtOnceAndForTheKeeper(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3, IdleTimeout: time.Hour, KeepInterval: 30 * time.Minute})
		giveAll(takeAll(t, p, 2))
		time.Sleep(time.Minute)
		h := take(t, p, "still in use")
		configure(t, p, func(s *lifecycle.Settings) { s.IdleTimeout, s.KeepInterval = time.Minute, time.Second })
		if s := p.Stats(); s.Idle != 0 || s.Destroyed[lifecycle.EndIdleTimeout] != 1 {
			t.Errorf("one has been idle for a minute: %+v", s)
		}
		h.Release()
		time.Sleep(62 * time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Total != 0 {
			t.Errorf("the keeper should have come each second: %+v", s)
		}
	})
}

func TestLeaksAreLookedForFromWhenSomebodyAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2, Observer: told})
		h := take(t, p, "forgotten")
		time.Sleep(time.Minute)
		configure(t, p, func(s *lifecycle.Settings) { s.LeakThreshold = time.Minute })
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		if leaks := told.all(lifecycle.KindLeak); len(leaks) != 1 || leaks[0].Label != "forgotten" {
			t.Errorf("told %v, want the one that is held", leaks)
		}
		configure(t, p, func(s *lifecycle.Settings) { s.LeakThreshold = 0 })
		other := take(t, p, "nobody asks")
		time.Sleep(time.Hour)
		if leaks := told.all(lifecycle.KindLeak); len(leaks) != 1 {
			t.Errorf("told %v, but nobody asks any more", leaks)
		}
		h.Release()
		other.Release()
	})
}

func TestALoweredLimitOfTheQueueTurnsNobodyAwayWhoIsInIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "holder")
		waiting := []*caller{call(t.Context(), p, priority.Options{}), call(t.Context(), p, priority.Options{})}
		configure(t, p, func(s *lifecycle.Settings) { s.MaxWaiting = 1 })
		late := call(t.Context(), p, priority.Options{})
		if err := late.refused(t); !errors.Is(err, priority.ErrQueueFull) {
			t.Errorf("got %v, want that the queue is full", err)
		}
		h.Release()
		for _, c := range waiting {
			c.served(t).Release()
		}
	})
}

func TestMoreMayBeCreatedAtOnceFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 20, MaxCreating: 1})
		var callers []*caller
		for range 20 {
			callers = append(callers, call(t.Context(), p, priority.Options{}))
		}
		configure(t, p, func(s *lifecycle.Settings) { s.MaxCreating = 4 })
		for _, c := range callers {
			c.served(t)
		}
		if w.peakCreating != 4 {
			t.Errorf("%d were under creation at once, want 4", w.peakCreating)
		}
		for _, c := range callers {
			c.h.Release()
		}
	})
}

func TestFewerAreCreatedAtOnceFromNowOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1})
		callers := []*caller{call(t.Context(), p, priority.Options{})}
		callers[0].served(t)
		for range 4 {
			callers = append(callers, call(t.Context(), p, priority.Options{}))
		}
		configure(t, p, func(s *lifecycle.Settings) { s.Max, s.MaxCreating = 5, 1 })
		for _, c := range callers {
			c.served(t)
		}
		if w.peakCreating != 1 {
			t.Errorf("%d were under creation at once, want 1", w.peakCreating)
		}
		for _, c := range callers {
			c.h.Release()
		}
	})
}

func TestACreationTimeoutIsThatOfItsBeginning(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{hangs: true}, lifecycle.Config[*thing]{Max: 1, CreateTimeout: time.Hour})
		configure(t, p, func(s *lifecycle.Settings) { s.CreateTimeout = time.Second })
		c := call(t.Context(), p, priority.Options{})
		configure(t, p, func(s *lifecycle.Settings) { s.CreateTimeout = time.Hour })
		if err := c.refused(t); !errors.Is(err, context.DeadlineExceeded) || !near(c.waited, time.Second) {
			t.Errorf("after %s: %v", c.waited, err)
		}
	})
}

func TestSettingsThatContradictThemselvesChangeNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 4, Reserve: 1, AcquireTimeout: time.Second})
		before := p.Settings()
		for _, change := range []func(s *lifecycle.Settings){
			func(s *lifecycle.Settings) { s.Max = 0 },
			func(s *lifecycle.Settings) { s.AcquireTimeout, s.Min = time.Hour, 5 },
			func(s *lifecycle.Settings) { s.Reserve = 4 },
			func(s *lifecycle.Settings) { s.LeakThreshold = -1 },
			func(s *lifecycle.Settings) { s.AgingShare = 1 },
		} {
			s := before
			change(&s)
			if err := p.Configure(s); err == nil {
				t.Errorf("accepted: %+v", s)
			}
			if got := p.Settings(); !reflect.DeepEqual(got, before) {
				t.Errorf("in force is %+v\nwant %+v", got, before)
			}
		}
	})
}
