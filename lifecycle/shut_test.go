package lifecycle_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func isGone(p *lifecycle.Pool[*thing]) bool {
	select {
	case <-p.Done():
		return true
	default:
		return false
	}
}

func TestDrainWaitsForWhoHoldsAndForWhatIsClosing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{destroyTakes: time.Second}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, Observer: told})
		hs := takeAll(t, p, 3)
		hs[2].Release()
		go func() {
			time.Sleep(10 * time.Second)
			hs[0].Release()
			time.Sleep(10 * time.Second)
			hs[1].Destroy(lifecycle.EndBroken)
		}()
		start := time.Now()
		if err := p.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 21*time.Second || !isGone(p) {
			t.Errorf("it took %s; gone: %t", took, isGone(p))
		}
		if err := p.Drain(t.Context()); err != nil {
			t.Errorf("once more: %v", err)
		}
		synctest.Wait()
		if e := told.all(lifecycle.KindDrainStarted, lifecycle.KindDrainComplete); len(e) != 2 || e[0].Count != 2 {
			t.Errorf("told of %v", e)
		}
		if s := p.Stats(); s.Destroyed[lifecycle.EndClosed] != 2 || s.Destroyed[lifecycle.EndBroken] != 1 {
			t.Errorf("%+v", s)
		}
	})
}

func TestDrainTurnsAwayWhoWaitsAndWhoComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "")
		waits := call(t.Context(), p, priority.Options{Retries: 5})
		ended := make(chan error)
		go func() { ended <- p.Drain(t.Context()) }()
		synctest.Wait()
		comes := call(t.Context(), p, priority.Options{})
		for _, c := range []*caller{waits, comes} {
			e := c.refused(t)
			if !errors.Is(e, lifecycle.ErrClosed) || !strings.Contains(e.Error(), "drained") || e.Refused.Reason != priority.Closed {
				t.Errorf("refused with %v", e)
			}
		}
		check(t, p)
		h.Release()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestDrainThatEndsEarlyNamesWhoHoldsAndGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Name: "db", Max: 3})
		slow := take(t, p, "nightly report")
		time.Sleep(time.Minute)
		quick := take(t, p, "checkout")
		why := errors.New("the orchestrator is impatient")
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
		defer cancel()
		err := p.Drain(ctx)
		var e *lifecycle.DrainError
		if !errors.As(err, &e) || !errors.Is(err, why) {
			t.Fatalf("Drain said %v", err)
		}
		if len(e.Stragglers) != 2 || e.Stragglers[0].Label != "nightly report" || e.Stragglers[0].Held != 61*time.Second {
			t.Errorf("stragglers %+v", e.Stragglers)
		}
		want := `poolsql: pool "db": drain ended with 2 still held: "nightly report" (normal) for 1m1s, ` +
			`"checkout" (normal) for 1s: the orchestrator is impatient`
		if err.Error() != want {
			t.Errorf("it says\n%s\nwant\n%s", err, want)
		}
		if isGone(p) {
			t.Error("gone already")
		}
		slow.Release()
		if isGone(p) || w.isEnded() > 1 {
			t.Error("gone, with one in use")
		}
		quick.Release()
		<-p.Done()
		if w.isEnded() != 2 {
			t.Errorf("%d ended", w.isEnded())
		}
	})
}

func TestDrainOfAnEmptyPoolSucceedsThoughItsContextHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 { // a select between the two would choose at random
			p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3})
			if err := p.Drain(ctx); err != nil {
				t.Fatalf("nothing was held, but Drain said %v", err)
			}
		}
	})
}

func TestDrainDuringCreationEndsWhatIsCreated(t *testing.T) {
	for name, heeds := range map[string]bool{"that heeds its context": true, "that does not": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &works{createTakes: time.Minute}
				create := w.create
				if !heeds {
					create = func(context.Context) (*thing, error) { return w.create(context.Background()) }
				}
				p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, CreateTimeout: time.Hour, Create: create})
				c := call(t.Context(), p, priority.Options{})
				start := time.Now()
				if err := p.Drain(t.Context()); err != nil {
					t.Fatal(err)
				}
				if e := c.refused(t); !errors.Is(e, lifecycle.ErrClosed) {
					t.Errorf("refused with %v", e)
				}
				want := time.Minute
				if heeds {
					want = 0
				}
				if took := time.Since(start); took != want || w.isMade() != w.isEnded() {
					t.Errorf("it took %s; %d made, %d ended", took, w.isMade(), w.isEnded())
				}
			})
		})
	}
}

func TestCloseReturnsAtOnceAndEverythingEndsAsItComesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, Observer: told})
		hs := takeAll(t, p, 2)
		hs[1].Release()
		hs[1] = take(t, p, "")
		w.set(func(w *works) { w.createTakes = time.Minute })
		waits := call(t.Context(), p, priority.Options{}) // and a creation is under way
		also := call(t.Context(), p, priority.Options{})
		start := time.Now()
		p.Close()
		p.Close()
		if took := time.Since(start); took != 0 {
			t.Errorf("Close took %s", took)
		}
		for _, c := range []*caller{waits, also, call(t.Context(), p, priority.Options{})} {
			e := c.refused(t)
			if !errors.Is(e, lifecycle.ErrClosed) {
				t.Errorf("refused with %v", e)
			}
			if errors.Is(e, context.Canceled) || e.LastFailure != nil {
				t.Errorf("%v: nobody but the pool canceled the creation", e)
			}
		}
		synctest.Wait()
		check(t, p)
		if f := p.Stats().Failure; f != nil {
			t.Errorf("closing is no failure to create: %v", f)
		}
		hs[0].Release()
		synctest.Wait()
		if isGone(p) || w.isEnded() != 1 {
			t.Errorf("gone: %t, with one in use; %d ended", isGone(p), w.isEnded())
		}
		if s := p.Stats(); s.Total != 1 || s.InUse != 1 {
			t.Errorf("%+v", s)
		}
		hs[1].Release()
		<-p.Done()
		p.Close()
		synctest.Wait()
		if n := len(told.all(lifecycle.KindClosed)); n != 1 {
			t.Errorf("told %d times of the close", n)
		}
		if n := len(told.all(lifecycle.KindDrainComplete, lifecycle.KindDrainStarted)); n != 0 {
			t.Error("told of a drain")
		}
	})
}

func TestCloseOfAPoolNeverUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Min: 2, Max: 3})
		p.Close()
		if !isGone(p) {
			t.Error("not gone, though it was empty")
		}
		if _, err := p.Acquire(t.Context()); !errors.Is(err, lifecycle.ErrClosed) {
			t.Errorf("Acquire said %v", err)
		}
	})
}

func TestDrainThenCloseThenDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, Observer: told})
		h := take(t, p, "")
		ended := make(chan error, 2)
		drain := func() { ended <- p.Drain(t.Context()) }
		go drain()
		synctest.Wait()
		p.Close()
		go drain()
		synctest.Wait()
		if len(ended) > 0 {
			t.Fatal("a drain ended while one was held")
		}
		h.Release()
		for range 2 {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		if n := len(told.all(lifecycle.KindDrainStarted)); n != 1 {
			t.Errorf("told of %d drains", n)
		}
	})
}

func TestShutPoolStaysShutWhateverIsAskedOfIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 2, Max: 5, IdleTimeout: time.Second})
		hs := takeAll(t, p, 3)
		p.Close()
		made := w.attempts()
		p.Reset()
		p.Clear("")
		if err := p.Resize(3, 4); !errors.Is(err, priority.ErrClosed) {
			t.Error(err)
		}
		if !p.Evict(hs[0].ID()) || p.Evict(99) {
			t.Error("Evict is wrong about what is there")
		}
		hs[0].Release()
		time.Sleep(time.Hour)
		synctest.Wait()
		check(t, p)
		if w.attempts() != made || p.NextRound() > 0 {
			t.Errorf("%d creations after Close", w.attempts()-made)
		}
		giveAll(hs[1:])
	})
}
