package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// spike lets n callers come at once, each of whom holds for use, and returns how long the slowest waited.
func spike(t *testing.T, p *lifecycle.Pool[*thing], n int, use time.Duration) (slowest time.Duration) {
	t.Helper()
	var (
		mu  sync.Mutex
		all sync.WaitGroup
	)
	for range n {
		all.Go(func() {
			came := time.Now()
			h, err := p.Acquire(t.Context())
			if err != nil {
				t.Error(err)
				return
			}
			mu.Lock()
			slowest = max(slowest, time.Since(came))
			mu.Unlock()
			time.Sleep(use)
			h.Release()
		})
	}
	all.Wait()
	return slowest
}

func TestSpikeOfShortUsesOpensAtMostTwo(t *testing.T) {
	for name, open := range map[string]func(*testing.T, *lifecycle.Pool[*thing]){
		"warmed up": func(t *testing.T, p *lifecycle.Pool[*thing]) {
			if err := p.Warmup(t.Context(), 5); err != nil {
				t.Fatal(err)
			}
		},
		"opened by demand": func(t *testing.T, p *lifecycle.Pool[*thing]) {
			spike(t, p, 5, time.Second)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &works{createTakes: 150 * time.Millisecond}
				p := newPool(t, w, lifecycle.Config[*thing]{Max: 50})
				open(t, p)
				if w.isMade() != 5 {
					t.Fatalf("%d open, want 5", w.isMade())
				}
				slowest := spike(t, p, 50, 2*time.Millisecond)
				time.Sleep(time.Second)
				if w.isMade() > 7 {
					t.Errorf("the spike opened %d", w.isMade()-5)
				}
				if slowest > 20*time.Millisecond {
					t.Errorf("the slowest waited %s: for a creation, not for its turn", slowest)
				}
			})
		})
	}
}

func TestColdStartWithLongUsesOpensTwiceAsManyEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 100 * time.Millisecond}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 20})
		slowest := spike(t, p, 20, time.Minute)
		rounds := map[time.Duration]int{}
		for _, at := range w.begun {
			rounds[at.Sub(w.begun[0])]++
		}
		if rounds[0] != 2 || rounds[100*time.Millisecond] != 8 {
			t.Errorf("%d creations at first and %d then, want 2 and 8: %v", rounds[0], rounds[100*time.Millisecond], rounds)
		}
		if w.peakCreating != lifecycle.DefaultMaxCreating {
			t.Errorf("at most %d creations at once, want %d", w.peakCreating, lifecycle.DefaultMaxCreating)
		}
		// 2, then 8, then 8, then the last 2.
		if slowest != 400*time.Millisecond {
			t.Errorf("the last of 20 was served after %s, want 4 rounds of 100 ms: %v", slowest, rounds)
		}
		if a := p.Allowance(); a != 2 {
			t.Errorf("nobody waits any more, and %d may be created at once", a)
		}
	})
}

func TestMaxCreatingHolds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 100 * time.Millisecond}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 20, MaxCreating: 1})
		spike(t, p, 5, time.Hour)
		if w.peakCreating != 1 || w.isMade() != 5 {
			t.Errorf("made %d, at most %d at once", w.isMade(), w.peakCreating)
		}
	})
}

func TestCallerTakesWhatIsFreedBeforeItsOwnCreationEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 2})
		h := take(t, p, "")
		w.set(func(w *works) { w.createTakes = time.Second })
		waits := call(t.Context(), p, priority.Options{})
		time.Sleep(10 * time.Millisecond)
		if p.Stats().Creating != 1 {
			t.Fatalf("no creation is under way: %+v", p.Stats())
		}
		h.Release()
		if waits.served(t).ID() != 1 || !near(waits.waited, 10*time.Millisecond) {
			t.Errorf("got %d after %s", waits.h.ID(), waits.waited)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 1 || s.InUse != 1 {
			t.Errorf("what was begun was not kept: %+v", s)
		}
		waits.h.Release()
	})
}

func TestCallerWhoLeavesDoesNotWasteTheCreation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 2})
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		if _, err := p.Acquire(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Fatal(err)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 1 || w.attempts() != 1 {
			t.Errorf("%d creations, %+v", w.attempts(), s)
		}
	})
}

func TestCreationThatHangsEndsAtItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{hangs: true}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 2, CreateTimeout: 3 * time.Second})
		c := call(t.Context(), p, priority.Options{})
		e := c.refused(t)
		if !near(c.waited, 3*time.Second) || !errors.Is(e, priority.ErrUnavailable) || !errors.Is(e, context.DeadlineExceeded) {
			t.Errorf("after %s: %v", c.waited, e)
		}
		if e.Timeout() {
			t.Error("Timeout is true, though the caller's time had not run out")
		}
		check(t, p)
		w.set(func(w *works) { w.hangs = false })
		time.Sleep(time.Second)
		h := take(t, p, "")
		h.Release()
	})
}

func TestPanicWhileCreatingIsAFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		endings := []func(){func() { panic("boom") }, func() { runtime.Goexit() }}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, Observer: told, Create: func(ctx context.Context) (*thing, error) {
			if len(endings) > 0 {
				end := endings[0]
				endings = endings[1:]
				end()
			}
			return w.create(ctx)
		}})
		for _, why := range []string{"boom", "Goexit"} {
			c := call(t.Context(), p, priority.Options{})
			if !c.decided() {
				t.Fatalf("%s: the caller waits for ever: %+v", why, p.Stats())
			}
			if e := c.refused(t); !strings.Contains(e.Error(), why) || !errors.Is(e, priority.ErrUnavailable) {
				t.Errorf("refused with %v", e)
			}
			check(t, p)
			time.Sleep(time.Second)
		}
		h := take(t, p, "")
		h.Release()
		if n := len(told.all(lifecycle.KindCreateError)); n != 2 {
			t.Errorf("told of %d failures", n)
		}
	})
}

func TestPanicWhileDestroyingLosesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		endings := []func(){func() { panic("boom") }, func() { runtime.Goexit() }, func() {}}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, Observer: told, Destroy: func(ctx context.Context, th *thing) error {
			_ = w.destroy(ctx, th)
			end := endings[0]
			endings = endings[1:]
			end()
			return nil
		}})
		for _, h := range takeAll(t, p, 3) {
			h.Destroy(lifecycle.EndBroken)
			synctest.Wait()
		}
		check(t, p)
		if s := p.Stats(); s.Total != 0 || s.Destroyed[lifecycle.EndBroken] != 3 {
			t.Errorf("%+v", s)
		}
		failed := told.all(lifecycle.KindDestroyError)
		if len(failed) != 2 || !strings.Contains(fmt.Sprint(failed[0].Err), "boom") {
			t.Errorf("told of %v", failed)
		}
		if err := p.Drain(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestDestructionHoldsItsPlaceUntilItReturns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{destroyTakes: time.Minute}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, DestroyTimeout: 2 * time.Second})
		h := take(t, p, "")
		h.Destroy(lifecycle.EndBroken)
		c := call(t.Context(), p, priority.Options{})
		if s := p.Stats(); s.Closing != 1 || s.Total != 1 || s.Creating != 0 {
			t.Errorf("%+v", s)
		}
		c.served(t).Release()
		if !near(c.waited, 2*time.Second) {
			t.Errorf("served after %s, want the time-out of the destruction", c.waited)
		}
	})
}
