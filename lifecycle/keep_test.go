package lifecycle_test

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

func TestMinimumIsFilledFromTheFirstUseOnAndAfterEachLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 3, Max: 10})
		h := take(t, p, "")
		idle := func(want int) {
			t.Helper()
			time.Sleep(5 * time.Second)
			synctest.Wait()
			check(t, p)
			if s := p.Stats(); s.Idle != want || s.Total != s.Idle+s.InUse {
				t.Errorf("want %d idle: %+v", want, s)
			}
		}
		idle(2)
		h.Destroy(lifecycle.EndBroken)
		idle(3)
		if !p.Evict(p.Resources()[0].ID) {
			t.Error("nothing was evicted")
		}
		idle(3)
		p.Reset()
		idle(3)
		if w.isMade() != 3+1+1+3 {
			t.Errorf("%d made", w.isMade())
		}
	})
}

func TestIdleTimeoutEndsTheLongestIdleDownToTheMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 2, Max: 10, IdleTimeout: time.Minute, Observer: told})
		hs := takeAll(t, p, 6)
		time.Sleep(time.Hour) // what is held is never idle
		giveAll(hs)
		time.Sleep(59 * time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 6 {
			t.Errorf("before the time-out: %+v", s)
		}
		// One stays in use now and then: it is the last that was given back, and stays.
		h := take(t, p, "")
		if h.ID() != 6 {
			t.Errorf("lent %d", h.ID())
		}
		h.Release()
		time.Sleep(31 * time.Second) // a round comes every half time-out
		synctest.Wait()
		check(t, p)
		var left []uint64
		for _, info := range p.Resources() {
			left = append(left, info.ID)
		}
		if want := []uint64{5, 6}; !slices.Equal(left, want) {
			t.Errorf("left are %v, want %v, the last to have been used", left, want)
		}
		time.Sleep(24 * time.Hour)
		if s := p.Stats(); s.Idle != 2 || s.Destroyed[lifecycle.EndIdleTimeout] != 4 || w.isMade() != 6 {
			t.Errorf("a day later: made %d, %+v", w.isMade(), s)
		}
		if e := told.all(lifecycle.KindEviction); len(e) != 1 || e[0].Count != 4 || e[0].Reason != lifecycle.EndIdleTimeout {
			t.Errorf("told of the evictions %v", e)
		}
	})
}

func TestEmptiedPoolRestsAndWakesAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2, IdleTimeout: time.Second})
		for range 3 {
			h := take(t, p, "")
			h.Release()
			if p.NextRound() <= 0 {
				t.Error("something is idle, and the keeper has no next round")
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			if s := p.Stats(); s.Total != 0 {
				t.Errorf("a minute later: %+v", s)
			}
			if p.NextRound() != 0 {
				t.Error("nothing is left, and the keeper goes on")
			}
		}
	})
}

// ages returns how old those were that ended for their age.
func ages(told *recorder) (ages []time.Duration) {
	for _, e := range told.all(lifecycle.KindDestroy) {
		if e.Reason == lifecycle.EndMaxLifetime {
			ages = append(ages, e.Duration)
		}
	}
	return ages
}

func TestLifetimesEndApart(t *testing.T) {
	const lifetime, round = 10 * time.Minute, time.Second
	for name, c := range map[string]struct {
		jitter   time.Duration
		earliest time.Duration
		distinct int
	}{
		"the default is a tenth": {0, lifetime * 9 / 10, 5},
		"as configured":          {4 * time.Minute, 6 * time.Minute, 15},
		"none":                   {-1, lifetime, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := &recorder{}
				p := newPool(t, &works{}, lifecycle.Config[*thing]{
					Max: 40, MaxLifetime: lifetime, LifetimeJitter: c.jitter, KeepInterval: round, Observer: told,
				})
				if err := p.Warmup(t.Context(), 40); err != nil {
					t.Fatal(err)
				}
				time.Sleep(lifetime + round)
				synctest.Wait()
				got := ages(told)
				if len(got) != 40 || slices.Min(got) < c.earliest || slices.Max(got) > lifetime+round {
					t.Errorf("%d ended, at the age of %s to %s", len(got), slices.Min(got), slices.Max(got))
				}
				slices.Sort(got)
				if n := len(slices.Compact(got)); n < c.distinct || (c.distinct == 1 && n > 1) {
					t.Errorf("they ended at %d different ages, want %d or more", n, c.distinct)
				}
			})
		})
	}
}

func TestLifetimeNeverEndsWhatIsHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, MaxLifetime: time.Minute, Observer: told})
		h := take(t, p, "")
		time.Sleep(time.Hour)
		synctest.Wait()
		if w.isEnded() != 0 {
			t.Fatal("it was ended in its holder's hands")
		}
		info := p.Resources()[0]
		if info.State != lifecycle.Draining || info.End != lifecycle.EndMaxLifetime {
			t.Errorf("it is %s, to end for %s", info.State, info.End)
		}
		h.Release()
		synctest.Wait()
		if got := ages(told); len(got) != 1 || got[0] != time.Hour {
			t.Errorf("after the release: %v", told.take())
		}
	})
}

func TestLifetimeRefillsTheMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 100 * time.Millisecond}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 3, Max: 5, MaxLifetime: time.Minute})
		if err := p.Initialize(t.Context()); err != nil {
			t.Fatal(err)
		}
		for range 600 {
			time.Sleep(6 * time.Second)
			check(t, p)
			if s := p.Stats(); s.Total > 5 || s.Idle+s.Creating+s.Closing < 3 {
				t.Fatalf("%+v", s)
			}
		}
		if n := w.isMade(); n < 3*55 || n > 3*80 {
			t.Errorf("%d made in an hour, each to live a minute", n)
		}
	})
}

func TestKeepIntervalIsShortWhereTimesAreShort(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, c := range []struct {
			cfg  lifecycle.Config[*thing]
			want time.Duration
		}{
			{lifecycle.Config[*thing]{}, time.Minute},
			{lifecycle.Config[*thing]{IdleTimeout: 10 * time.Second, MaxLifetime: time.Hour}, 5 * time.Second},
			{lifecycle.Config[*thing]{MaxLifetime: 20 * time.Second}, 10 * time.Second},
			{lifecycle.Config[*thing]{IdleTimeout: time.Millisecond}, 10 * time.Millisecond},
			{lifecycle.Config[*thing]{IdleTimeout: 10 * time.Second, KeepInterval: time.Hour}, time.Hour},
		} {
			c.cfg.Max = 1
			p := newPool(t, &works{}, c.cfg)
			h := take(t, p, "")
			if got := p.NextRound(); got != c.want {
				t.Errorf("with %s idle and %s alive the next round is in %s, want %s",
					c.cfg.IdleTimeout, c.cfg.MaxLifetime, got, c.want)
			}
			h.Release()
		}
	})
}
