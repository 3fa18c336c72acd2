package lifecycle_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestStatsAddUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second, destroyTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 1, Max: 4})
		hs := takeAll(t, p, 3) // each waits a second, for its creation
		time.Sleep(10 * time.Second)
		hs[0].Release()
		hs[1].Destroy(lifecycle.EndBroken)
		// One is idle, one in use, one closing and one under creation.
		h := take(t, p, "")
		waits := call(t.Context(), p, priority.Options{Class: priority.High})
		h.Release()
		waits.served(t).Release()
		late := call(t.Context(), p, priority.Options{})
		late.served(t)

		s := p.Stats()
		if s.Total != s.Idle+s.InUse+s.Creating+s.Closing || s.Closing != 1 || s.InUse != 2 || s.Max != 4 || s.Min != 1 {
			t.Errorf("%+v", s)
		}
		if s.Acquired != 6 || s.Released != 4 || s.Waits != 4 || s.WaitTime != 3*time.Second || s.UseTime != 12*time.Second+11*time.Second {
			t.Errorf("%+v", s)
		}
		high := s.Class(priority.High)
		if high.Granted != 1 || high.Waits != 1 || high.Held != 0 || s.Class(priority.Normal).Held != 2 {
			t.Errorf("%+v", s.Classes)
		}
		if none := s.Class(9); none.Class != 9 || none.Granted != 0 {
			t.Errorf("of what is no class: %+v", none)
		}
		late.h.Release()
		hs[2].Release()
	})
}

func TestResourcesTellEachState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 5})
		hs := takeAll(t, p, 4)
		start := time.Now()
		time.Sleep(time.Minute)
		w.set(func(w *works) { w.createTakes, w.destroyTakes = time.Second, time.Second })
		hs[0].Release()
		hs[1].Destroy(lifecycle.EndBroken)
		p.Evict(3)
		again := take(t, p, "again")
		waits := call(t.Context(), p, priority.Options{})
		again.Release()
		waits.served(t)
		waits.h.Release()
		want := []struct {
			state lifecycle.State
			end   lifecycle.EndReason
			uses  uint64
			since time.Duration
		}{
			{lifecycle.Idle, lifecycle.EndNone, 3, time.Minute},
			{lifecycle.Closing, lifecycle.EndBroken, 1, time.Minute},
			{lifecycle.Draining, lifecycle.EndEvicted, 1, 0},
			{lifecycle.InUse, lifecycle.EndNone, 1, 0},
			{lifecycle.Creating, lifecycle.EndNone, 0, time.Minute},
		}
		infos := p.Resources()
		if len(infos) != len(want) {
			t.Fatalf("%d resources", len(infos))
		}
		for i, info := range infos {
			c := want[i]
			creating := c.state == lifecycle.Creating
			if info.ID != uint64(i+1) || info.State != c.state || info.End != c.end || info.Uses != c.uses ||
				(info.Value == nil) != creating || info.Created.IsZero() != creating {
				t.Errorf("%+v, want %+v", info, c)
			}
			if since := info.Since.Sub(start); since < c.since-time.Microsecond || since > c.since+time.Microsecond {
				t.Errorf("%d is %s since %s, want %s", info.ID, info.State, since, c.since)
			}
		}
		giveAll(hs[2:])
	})
}
