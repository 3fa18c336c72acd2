package lifecycle_test

import (
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestEvictEndsOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 5, Observer: told})
		hs := takeAll(t, p, 4)
		giveAll(hs[:3])

		if !p.Evict(2) { // idle, in the middle of the stack
			t.Error("2 was not found")
		}
		synctest.Wait()
		if s := p.Stats(); s.Total != 3 || s.Destroyed[lifecycle.EndEvicted] != 1 {
			t.Errorf("after 2: %+v", s)
		}
		check(t, p)
		if p.Evict(2) || p.Evict(0) || p.Evict(99) {
			t.Error("what is not there was found")
		}

		for range 2 {
			if !p.Evict(4) { // held
				t.Error("4 was not found")
			}
		}
		synctest.Wait()
		if info := p.Resources()[2]; info.ID != 4 || info.State != lifecycle.Draining || info.End != lifecycle.EndEvicted {
			t.Errorf("after 4: %+v", info)
		}
		if w.isEnded() != 1 {
			t.Error("4 was ended in its holder's hands")
		}
		hs[3].Release()
		synctest.Wait()
		if s := p.Stats(); s.Total != 2 || s.Destroyed[lifecycle.EndEvicted] != 2 {
			t.Errorf("after 4 came back: %+v", s)
		}

		w.set(func(w *works) { w.createTakes = time.Second })
		held := takeAll(t, p, 2)
		waits := call(t.Context(), p, priority.Options{})
		if !p.Evict(5) { // under creation
			t.Error("5 was not found")
		}
		if waits.served(t).ID() != 6 || !near(waits.waited, 2*time.Second) {
			t.Errorf("the caller got %d after %s, want the next to be created", waits.h.ID(), waits.waited)
		}
		giveAll(append(held, waits.h))
	})
}

func TestEvictWhileItIsBeingClosedFindsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{destroyTakes: time.Second}, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "")
		h.Destroy(lifecycle.EndBroken)
		if p.Evict(1) {
			t.Error("what is closing was evicted")
		}
	})
}

func TestResetRetiresAllAndCallersGoOnWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 100 * time.Millisecond}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3})
		hs := takeAll(t, p, 2)
		hs[1].Release()                                         // 2 is idle, 1 is held
		again := take(t, p, "")                                 // 2 is held
		waits := call(t.Context(), p, priority.Options{})       // 3 is under creation
		waitsLonger := call(t.Context(), p, priority.Options{}) // and there is no room for a fourth
		time.Sleep(50 * time.Millisecond)
		p.Reset()
		check(t, p)
		for _, info := range p.Resources()[:2] {
			if info.State != lifecycle.Draining || info.End != lifecycle.EndReset {
				t.Errorf("%+v", info)
			}
		}
		again.Release()
		for range 2 {
			waits.served(t)
			if id := waits.h.ID(); id <= 3 {
				t.Errorf("the caller got %d, which is older than the reset", id)
			}
			waits.h.Release()
			waits = waitsLonger
		}
		hs[0].Release()
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Destroyed[lifecycle.EndReset] != 3 {
			t.Errorf("%+v", s)
		}
		for _, info := range p.Resources() {
			if info.ID <= 3 {
				t.Errorf("left from before the reset: %+v", info)
			}
		}
	})
}

func TestResetOfIdleOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 5})
		giveAll(takeAll(t, p, 5))
		p.Reset()
		synctest.Wait()
		check(t, p)
		if w.isEnded() != 5 || p.Stats().Total != 0 {
			t.Errorf("%d ended, %+v", w.isEnded(), p.Stats())
		}
	})
}

func TestResizeDownUnderLoadShrinksAsTheyComeBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10})
		hs := takeAll(t, p, 10)
		hs[9].Release()
		var callers []*caller
		callers = append(callers, call(t.Context(), p, priority.Options{}))
		for range 20 {
			callers = append(callers, call(t.Context(), p, priority.Options{}))
		}
		if err := p.Resize(1, 4); err != nil {
			t.Fatal(err)
		}
		for i := range hs[:9] {
			hs[i].Release()
			synctest.Wait()
			check(t, p)
			if s := p.Stats(); s.InUse > max(4, 9-i) || s.Max != 4 || s.Min != 1 {
				t.Errorf("after release %d: %+v", i+1, s)
			}
		}
		for _, c := range callers {
			c.served(t)
			if s := p.Stats(); s.InUse > 4 {
				t.Errorf("%d in use of at most 4", s.InUse)
			}
			c.h.Release()
		}
		synctest.Wait()
		if s := p.Stats(); s.Total != 4 || s.Destroyed[lifecycle.EndShrunk] != 6 {
			t.Errorf("%+v", s)
		}
	})
}

func TestResizeDownEndsTheLongestIdleAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 5})
		giveAll(takeAll(t, p, 5))
		if err := p.Resize(0, 2); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		check(t, p)
		if all := p.Resources(); len(all) != 2 || all[0].ID != 4 || all[1].ID != 5 {
			t.Errorf("left are %+v", all)
		}
	})
}

func TestResizeDownEndsWhatIsUnderCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 4})
		hs := takeAll(t, p, 2)
		w.set(func(w *works) { w.createTakes = time.Second })
		a, b := call(t.Context(), p, priority.Options{}), call(t.Context(), p, priority.Options{})
		if err := p.Resize(0, 2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		check(t, p)
		if s := p.Stats(); s.InUse != 2 || s.Total != 2 || s.Destroyed[lifecycle.EndShrunk] != 2 || a.decided() || b.decided() {
			t.Errorf("%+v", s)
		}
		giveAll(hs)
		a.served(t).Release()
		b.served(t).Release()
	})
}

func TestResizeUpServesThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 100 * time.Millisecond}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "")
		var callers []*caller
		for range 9 {
			callers = append(callers, call(t.Context(), p, priority.Options{}))
		}
		time.Sleep(time.Second)
		if err := p.Resize(2, 10); err != nil {
			t.Fatal(err)
		}
		for _, c := range callers {
			c.served(t)
		}
		if w.peakCreating < 2 {
			t.Error("MaxCreating kept the first maximum")
		}
		if s := p.Stats(); s.InUse != 10 || s.Max != 10 || s.Min != 2 {
			t.Errorf("%+v", s)
		}
		for _, c := range callers {
			c.h.Release()
		}
		h.Release()
	})
}

func TestResizeToTheImpossibleChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Min: 1, Max: 8, Reserve: 3})
		for name, n := range map[string][2]int{"Min": {5, 4}, "Max": {0, 0}, "Reserve": {0, 3}, "Min is -1": {-1, 8}} {
			err := p.Resize(n[0], n[1])
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("Resize(%d, %d) said %v", n[0], n[1], err)
			}
		}
		if s := p.Stats(); s.Min != 1 || s.Max != 8 {
			t.Errorf("%+v", s)
		}
	})
}

func TestClearTurnsAwayWhoWaitsAndNobodyElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "")
		var callers []*caller
		for range 3 {
			callers = append(callers, call(t.Context(), p, priority.Options{Retries: 1}))
		}
		time.Sleep(time.Second)
		if n := p.Clear("deploying 7.1"); n != 3 {
			t.Errorf("%d cleared", n)
		}
		for _, c := range callers {
			if e := c.refused(t); !errors.Is(e, priority.ErrCleared) || !strings.Contains(e.Error(), "deploying 7.1") {
				t.Errorf("refused with %v", e)
			}
		}
		check(t, p)
		if n := p.Clear(""); n != 0 {
			t.Errorf("%d cleared of none", n)
		}
		after := call(t.Context(), p, priority.Options{})
		if !h.Held() || after.decided() {
			t.Error("the holder lost it")
		}
		h.Release()
		after.served(t).Release()
	})
}
