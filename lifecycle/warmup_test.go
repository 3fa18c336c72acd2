package lifecycle_test

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestWarmupReturnsWhenThatManyAreOpen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 100 * time.Millisecond}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 20})
		h := take(t, p, "") // counts
		start := time.Now()
		if err := p.Warmup(t.Context(), 12); err != nil {
			t.Fatal(err)
		}
		// 2, then 8, then 1.
		if took := time.Since(start); took != 300*time.Millisecond || w.isMade() != 12 {
			t.Errorf("%d made in %s", w.isMade(), took)
		}
		if s := p.Stats(); s.Idle != 11 || s.Creating != 0 {
			t.Errorf("%+v", s)
		}
		if a := p.Allowance(); a != 2 {
			t.Errorf("%d may be created at once afterwards", a)
		}
		if err := p.Warmup(t.Context(), 3); err != nil || w.isMade() != 12 {
			t.Errorf("a second warm-up to less said %v and made %d", err, w.isMade()-12)
		}
		for _, n := range []int{0, -1} {
			if err := p.Warmup(t.Context(), n); err != nil {
				t.Errorf("Warmup(%d) said %v", n, err)
			}
		}
		h.Release()
	})
}

func TestWarmupFailsWithTheFirstFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 100 * time.Millisecond, createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Name: "db", Max: 5})
		start := time.Now()
		err := p.Warmup(t.Context(), 5)
		var failed *lifecycle.CreateError
		if !errors.As(err, &failed) || !errors.Is(err, errDown) || time.Since(start) != 100*time.Millisecond {
			t.Errorf("after %s: %v", time.Since(start), err)
		}
		if want := `pool "db": 0 of 5 are open`; !strings.Contains(err.Error(), want) {
			t.Errorf("%q does not say %q", err, want)
		}
		n := w.attempts()
		time.Sleep(time.Hour)
		if w.attempts() != n {
			t.Errorf("%d attempts after it gave up", w.attempts()-n)
		}
		// A second one begins with the pause of the first in force, and waits for it.
		w.set(func(w *works) { w.createFails = nil })
		if err := p.Warmup(t.Context(), 2); err != nil {
			t.Error(err)
		}
	})
}

func TestWarmupSaysWhyThoughAnotherCreationSucceededMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for range 100 { // the two end in the same instant, in either order
			var calls atomic.Int32
			w := &works{}
			p := newPool(t, w, lifecycle.Config[*thing]{Max: 2, Create: func(ctx context.Context) (*thing, error) {
				fails := calls.Add(1) == 1
				time.Sleep(time.Second)
				if fails {
					return nil, errDown
				}
				return w.create(ctx)
			}})
			err := p.Warmup(t.Context(), 2)
			if !errors.Is(err, errDown) || strings.Contains(err.Error(), "nil") {
				t.Fatalf("Warmup said %v", err)
			}
		}
	})
}

func TestWarmupRefusesMoreThanTheMaximum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{hangs: true}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10, CreateTimeout: 2 * time.Hour})
		if err := p.Warmup(t.Context(), 11); err == nil || !strings.Contains(err.Error(), "maximum is 10") || w.attempts() > 0 {
			t.Errorf("Warmup(11) said %v after %d attempts", err, w.attempts())
		}
		// The maximum is lowered under it: it cannot be reached any more.
		ended := make(chan error)
		go func() { ended <- p.Warmup(t.Context(), 10) }()
		synctest.Wait()
		if err := p.Resize(0, 5); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err == nil || !strings.Contains(err.Error(), "maximum is 5") {
				t.Errorf("Warmup said %v", err)
			}
		case <-time.After(time.Hour):
			t.Fatal("Warmup waits for ever for what cannot come")
		}
	})
}

func TestWarmupEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10})
		why := errors.New("start-up takes too long")
		ctx, cancel := context.WithTimeoutCause(t.Context(), 1500*time.Millisecond, why)
		defer cancel()
		err := p.Warmup(ctx, 10)
		if !errors.Is(err, why) || !strings.Contains(err.Error(), "2 of 10") {
			t.Errorf("Warmup said %v", err)
		}
		time.Sleep(time.Minute)
		if n := w.attempts(); n != 2+8 {
			t.Errorf("%d creations begun, want the 10 that were under way and none after", n)
		}
		check(t, p)
	})
}

func TestTwoWarmupsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 20})
		ended := make(chan int, 2)
		for _, n := range []int{15, 4} {
			go func() {
				if err := p.Warmup(t.Context(), n); err != nil {
					t.Error(err)
				}
				ended <- n
			}()
		}
		if first, second := <-ended, <-ended; first != 4 || second != 15 {
			t.Errorf("first ended the one to %d, then that to %d", first, second)
		}
		time.Sleep(time.Minute)
		if w.isMade() != 15 || w.peakCreating > lifecycle.DefaultMaxCreating {
			t.Errorf("%d made, at most %d at once", w.isMade(), w.peakCreating)
		}
		check(t, p)
	})
}

func TestWarmupGetsThereThoughTheFirstAreIdleForLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 10 * time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10, MaxCreating: 1, IdleTimeout: 15 * time.Second})
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		start := time.Now()
		if err := p.Warmup(ctx, 5); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took != 50*time.Second || w.isMade() != 5 {
			t.Errorf("it took %s and %d creations", took, w.isMade())
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if s := p.Stats(); s.Total != 0 {
			t.Errorf("nothing is the minimum, but a minute later there are %+v", s)
		}
	})
}

func TestWarmupSharesWithCallers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 5})
		ended := make(chan error)
		go func() { ended <- p.Warmup(t.Context(), 5) }()
		synctest.Wait()
		c := call(t.Context(), p, priority.Options{})
		c.served(t)
		if !near(c.waited, time.Second) {
			t.Errorf("the caller waited %s for the warm-up", c.waited)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
		c.h.Release()
	})
}

func TestWarmupOfAPoolThatIsShut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 5})
		ended := make(chan error)
		go func() { ended <- p.Warmup(t.Context(), 5) }()
		synctest.Wait()
		p.Close()
		if err := <-ended; !errors.Is(err, lifecycle.ErrClosed) {
			t.Errorf("during: %v", err)
		}
		if err := p.Warmup(t.Context(), 5); !errors.Is(err, lifecycle.ErrClosed) {
			t.Errorf("after: %v", err)
		}
	})
}

func TestInitializeOpensTheMinimum(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Min: 4, Max: 5})
		if err := p.Initialize(t.Context()); err != nil || p.Stats().Idle != 4 {
			t.Errorf("Initialize said %v: %+v", err, p.Stats())
		}
		p.Reset()
		synctest.Wait()
		w.set(func(w *works) { w.createFails = errDown })
		time.Sleep(time.Minute)
		if err := p.Initialize(t.Context()); !errors.Is(err, errDown) {
			t.Errorf("Initialize said %v", err)
		}
	})
}

func TestWhatAWarmupWantedThatWasGivenUpIsNotOpenedForASmallerOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 10})
		large, giveUp := context.WithCancel(t.Context())
		done := make(chan error, 2)
		go func() { done <- p.Warmup(large, 9) }()
		go func() { done <- p.Warmup(t.Context(), 3) }()
		time.Sleep(500 * time.Millisecond) // the first two are under way
		giveUp()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("the one that was given up: %v", err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
		synctest.Wait()
		if n := w.attempts(); n != 3 {
			t.Errorf("%d begun for 3", n)
		}
	})
}
