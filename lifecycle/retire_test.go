package lifecycle_test

import (
	"context"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
)

func TestManyWhoFailTogetherCauseOneReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 5, Observer: told})
		hs := takeAll(t, p, 5)
		hs[4].Release()
		retired := 0
		for i := range hs[:4] {
			if p.RetireOlder(hs[i].Generation()) {
				retired++
			}
			hs[i].Release()
		}
		synctest.Wait()
		check(t, p)
		if s := p.Stats(); retired != 1 || s.Destroyed[lifecycle.EndReset] != 5 || s.Total != 0 {
			t.Errorf("%d resets, %+v", retired, s)
		}
		if e := told.all(lifecycle.KindRetired, lifecycle.KindReset); len(e) != 1 || e[0].Kind != lifecycle.KindRetired || e[0].Count != 5 {
			t.Errorf("told %v", e)
		}
	})
}

func TestRetiringIsDoneOnceASecondAtMost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		at := func(d time.Duration, want bool) {
			t.Helper()
			time.Sleep(d)
			h := take(t, p, "")
			defer h.Release()
			if got := p.RetireOlder(h.Generation()); got != want {
				t.Errorf("retired: %t", got)
			}
		}
		at(0, true)
		at(999*time.Millisecond, false)
		at(2*time.Millisecond, true)
		at(500*time.Millisecond, false)
		p.Reset() // which may happen at any time, and is none of this
		at(0, false)
		at(time.Second, true)
		h := take(t, p, "")
		p.Close()
		time.Sleep(time.Minute)
		if p.RetireOlder(h.Generation()) {
			t.Error("retired though it is closed")
		}
		h.Release()
	})
}

func TestWhatWasBegunBeforeIsRetiredWhenItIsDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3})
		h := take(t, p, "")
		w.set(func(w *works) { w.createTakes = time.Second })
		next := make(chan lifecycle.Handle[*thing])
		go func() { next <- take(t, p, "next") }()
		synctest.Wait()
		if !p.RetireOlder(h.Generation()) {
			t.Fatal("not retired")
		}
		got := <-next
		if got.Generation() != h.Generation()+1 || got.Value().id != 3 {
			t.Errorf("thing %d of generation %d was lent", got.Value().id, got.Generation())
		}
		time.Sleep(time.Minute)
		if p.RetireOlder(h.Generation()) {
			t.Error("a generation was retired twice")
		}
		got.Release()
		h.Release()
		if (&lifecycle.Handle[*thing]{}).Generation() != 0 {
			t.Error("nothing has a generation")
		}
	})
}

func TestSuspectsProveThemselvesOnceAndNewOnesNeedNot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var asked []bool
		p := newPool(t, &works{}, lifecycle.Config[*thing]{
			Max: 3,
			Validate: func(_ context.Context, _ *thing, _ time.Duration, suspect bool) error {
				mu.Lock()
				defer mu.Unlock()
				asked = append(asked, suspect)
				return nil
			},
		})
		expect := func(why string, want ...bool) {
			t.Helper()
			mu.Lock()
			defer mu.Unlock()
			if !slices.Equal(asked, want) {
				t.Errorf("%s: %v, want %v", why, asked, want)
			}
			asked = nil
		}
		hs := takeAll(t, p, 2)
		expect("created", false, false)
		hs[0].Release()
		p.Suspect()
		hs[1].Release()
		hs = takeAll(t, p, 3)
		expect("the idle and the held one, and a new one", true, true, false)
		giveAll(hs)
		giveAll(takeAll(t, p, 3))
		expect("proven", false, false, false)
	})
}

// A network that swallows everything is found out once, and not once for each resource behind it.
func TestSuspectThatDoesNotAnswerTakesTheOtherIdleSuspectsWithIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const patience = time.Second
		p := newPool(t, &works{}, lifecycle.Config[*thing]{
			Max: 4,
			Validate: func(_ context.Context, _ *thing, _ time.Duration, suspect bool) error {
				if suspect {
					time.Sleep(patience)
					return fmt.Errorf("ping: %w", os.ErrDeadlineExceeded)
				}
				return nil
			},
		})
		held := take(t, p, "")
		giveAll(takeAll(t, p, 3))
		p.Suspect()
		began := time.Now()
		h := take(t, p, "")
		if took := time.Since(began); took > patience+time.Second/2 {
			t.Errorf("waited %s, as if each had been asked", took)
		}
		synctest.Wait()
		if s := p.Stats(); s.Destroyed[lifecycle.EndInvalid] != 3 || s.InUse != 2 {
			t.Errorf("%d were ended, %d are in use; want the 3 that were idle, and 2", s.Destroyed[lifecycle.EndInvalid], s.InUse)
		}
		h.Release()
		held.Release()
	})
}

func TestSuspicionRaisedDuringTheProofNeedsAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *lifecycle.Pool[*thing]
		var asked []bool
		p = newPool(t, &works{}, lifecycle.Config[*thing]{
			Max: 1,
			Validate: func(_ context.Context, _ *thing, _ time.Duration, suspect bool) error {
				asked = append(asked, suspect)
				if len(asked) == 2 {
					p.Suspect()
				}
				return nil
			},
		})
		for range 4 {
			h := take(t, p, "")
			h.Release()
			if len(asked) == 1 {
				p.Suspect()
			}
		}
		if want := []bool{false, true, true, false}; !slices.Equal(asked, want) {
			t.Errorf("%v, want %v", asked, want)
		}
	})
}

func TestHeldVisitsWhatIsInUseWithNoLockHeld(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3})
		hs := takeAll(t, p, 3)
		hs[1].Release()
		time.Sleep(time.Second)
		seen := map[uint64]bool{}
		p.Held(func(id uint64, value *thing, epoch uint64, since mono.Time) {
			_ = p.Stats()
			seen[id] = true
			if h := hs[id-1]; value != h.Value() || epoch != h.Epoch() || mono.Since(since) != time.Second {
				t.Errorf("told of %d: thing %d, epoch %d, held for %s", id, value.id, epoch, mono.Since(since))
			}
		})
		if len(seen) != 2 || seen[2] {
			t.Errorf("visited %v", seen)
		}
		hs[0].Release()
		hs[2].Release()
		p.Held(func(id uint64, _ *thing, _ uint64, _ mono.Time) { t.Errorf("%d is held", id) })
	})
}
