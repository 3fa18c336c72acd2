package lifecycle_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// perSecond returns the most attempts that fell into any one second, of those after from.
func (w *works) perSecond(from time.Time) (most int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	first := 0
	for i, at := range w.begun {
		for w.begun[first].Before(from) || at.Sub(w.begun[first]) >= time.Second {
			if first++; first > i {
				break
			}
		}
		most = max(most, i-first+1)
	}
	return most
}

func TestServerThatIsDownIsTriedAFewTimesASecondByOneProber(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const minutes = 1
		w := &works{createTakes: 5 * time.Millisecond, createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 2, Max: 50, AcquireTimeout: 30 * time.Second})
		start := time.Now()
		end := start.Add(minutes * time.Minute)
		var all sync.WaitGroup
		for i := range 1000 {
			o := priority.Options{}
			if i%10 == 0 {
				o.Retries = 1
			}
			all.Go(func() {
				time.Sleep(time.Duration(i) * time.Millisecond)
				for time.Now().Before(end) {
					came := time.Now()
					_, err := p.AcquireFor(t.Context(), &lifecycle.Request{Options: o})
					e := acquireError(t, err)
					waited := time.Since(came)
					switch {
					case !errors.Is(err, errDown):
						t.Errorf("%v does not say why", err)
					case o.Retries > 0 && (!near(waited, 30*time.Second) || !errors.Is(err, priority.ErrTimeout)):
						t.Errorf("a patient caller waited %s: %v", waited, err)
					case o.Retries == 0 && (waited > 10*time.Millisecond || e.Refused.Reason != priority.Unavailable):
						t.Errorf("an impatient caller waited %s: %v", waited, err)
					}
					time.Sleep(time.Second)
				}
			})
		}
		all.Wait()
		if n := w.perSecond(start); n > 5 {
			t.Errorf("%d attempts in one second", n)
		}
		if n := w.attempts(); n < minutes*60*3 {
			t.Errorf("only %d attempts in %d minutes: a server that comes back is found late", n, minutes)
		}
		w.mu.Lock()
		var together int
		for i := 3; i < len(w.begun); i++ {
			if w.begun[i].Sub(w.begun[i-1]) < 5*time.Millisecond {
				together++
			}
		}
		w.mu.Unlock()
		if together > 0 {
			t.Errorf("%d times two attempts were under way at once", together)
		}
		check(t, p)
	})
}

func TestServerThatComesBackIsFoundWithinThreeTenthsOfASecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const create = 5 * time.Millisecond
		w := &works{createTakes: create}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10, AcquireTimeout: time.Minute})
		for round := range 40 {
			w.set(func(w *works) { w.createFails = errDown })
			for range 2 {
				_ = call(t.Context(), p, priority.Options{}).refused(t)
			}
			patient := call(t.Context(), p, priority.Options{Retries: 1})
			time.Sleep(5*time.Second + time.Duration(round)*7*time.Millisecond)
			w.set(func(w *works) { w.createFails = nil })
			back := time.Now()
			h := patient.served(t)
			if late := time.Since(back); late > 300*time.Millisecond+create {
				t.Errorf("round %d: served %s after the server came back", round, late)
			}
			if f := p.Stats().Failure; f != nil {
				t.Errorf("still says %v", f)
			}
			h.Destroy(lifecycle.EndBroken)
			synctest.Wait()
		}
	})
}

// A network that swallows everything fails after CreateTimeout only, and each caller would wait for that.
func TestAnAttemptThatHangsAfterAFailureIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{hangs: true}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10, CreateTimeout: 10 * time.Second, AcquireTimeout: time.Minute})
		first := call(t.Context(), p, priority.Options{})
		if first.refused(t); !near(first.waited, 10*time.Second) {
			t.Errorf("the first waited %s, want the whole attempt: nothing had failed before", first.waited)
		}
		time.Sleep(time.Second)
		patient := call(t.Context(), p, priority.Options{Retries: 1}) // begins the next attempt
		time.Sleep(time.Second)
		for range 5 {
			c := call(t.Context(), p, priority.Options{})
			if c.refused(t); c.waited != 0 {
				t.Errorf("waited %s for an attempt that hangs", c.waited)
			}
			time.Sleep(time.Second)
		}
		w.set(func(w *works) { w.hangs = false })
		h := patient.served(t)
		h.Release()
		call(t.Context(), p, priority.Options{}).served(t).Release()
	})
}

func TestMinimumIsFilledWhenTheServerComesBackThoughNobodyCalls(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 3, Max: 10})
		_ = call(t.Context(), p, priority.Options{}).refused(t)
		time.Sleep(time.Hour)
		check(t, p)
		w.set(func(w *works) { w.createFails = nil })
		time.Sleep(time.Second)
		synctest.Wait()
		if s := p.Stats(); s.Idle != 3 || s.Failure != nil {
			t.Errorf("a second after the server came back: %+v", s)
		}
	})
}

func TestNobodyIsProbedForWhenNobodyWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10})
		_ = call(t.Context(), p, priority.Options{}).refused(t)
		before := w.attempts()
		time.Sleep(time.Hour)
		if n := w.attempts() - before; n > 0 {
			t.Errorf("%d attempts for nobody", n)
		}
		if p.NextRound() != 0 {
			t.Error("the keeper goes its rounds for nothing")
		}
	})
}

func TestCallersWaitForWhatIsThereWhileCreationFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 5, AcquireTimeout: time.Minute})
		h := take(t, p, "")
		w.set(func(w *works) { w.createFails = errDown })
		c := call(t.Context(), p, priority.Options{})
		time.Sleep(10 * time.Second)
		if c.decided() {
			t.Fatalf("decided: %v", c.err)
		}
		check(t, p)
		if n := w.perSecond(time.Now().Add(-9 * time.Second)); n < 1 || n > 5 {
			t.Errorf("%d attempts a second meanwhile", n)
		}
		h.Release()
		c.served(t)
		if !near(c.waited, 10*time.Second) {
			t.Errorf("served after %s", c.waited)
		}

		// The last is lost: from the next failure on, whoever did not ask for retries is told.
		quick, patient := call(t.Context(), p, priority.Options{}), call(t.Context(), p, priority.Options{Retries: 1})
		c.h.Destroy(lifecycle.EndBroken)
		e := quick.refused(t)
		if !errors.Is(e, errDown) || quick.waited > 300*time.Millisecond {
			t.Errorf("after %s: %v", quick.waited, e)
		}
		if e := patient.refused(t); !near(patient.waited, time.Minute) || !errors.Is(e, priority.ErrTimeout) {
			t.Errorf("patient: after %s: %v", patient.waited, e)
		}
	})
}

func TestOneFailureAmongSeveralCreationsCountsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second, createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10})
		a, b := call(t.Context(), p, priority.Options{}), call(t.Context(), p, priority.Options{})
		for _, c := range []*caller{a, b} {
			e := c.refused(t)
			var failed *lifecycle.CreateError
			if !errors.As(e, &failed) || failed.Failures != 1 {
				t.Errorf("%v: want one failure in a row", e)
			}
		}
	})
}

// In real time: a keeper that does not rest would stop the fake clock, and so not fail this test but hang it.
func TestResizeToWhatIsOpenWhileCreationFailsLeavesTheKeeperAtRest(t *testing.T) {
	w := &works{}
	p, err := lifecycle.NewPool(lifecycle.Config[*thing]{Max: 3, Create: w.create, Destroy: w.destroy})
	if err != nil {
		t.Fatal(err)
	}
	hs := takeAll(t, p, 2)
	w.set(func(w *works) { w.createFails = errDown })
	ctx, cancel := context.WithCancel(t.Context())
	turned := make(chan error)
	go func() {
		_, err := p.Acquire(ctx)
		turned <- err
	}()
	within(t, 10*time.Second, "a failure", func() bool { return p.Stats().Failure != nil })
	if err := p.Resize(0, 2); err != nil {
		t.Fatal(err)
	}
	// There is no room for another try, so that a round at the time of the next try can do nothing but set the same time
	// again.
	within(t, 10*time.Second, "a round that is not at once", func() bool { return p.NextRound() > 10*time.Second })
	check(t, p)
	cancel()
	if err := <-turned; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	giveAll(hs)
	if err := p.Drain(t.Context()); err != nil {
		t.Error(err)
	}
}

// within waits for something that nobody tells, and fails the test if it does not come to pass in time.
func within(t *testing.T, limit time.Duration, what string, done func() bool) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for !done() {
		if time.Now().After(deadline) {
			t.Fatalf("%s did not come within %s", what, limit)
		}
		time.Sleep(time.Millisecond)
	}
}
