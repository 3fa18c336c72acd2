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

func TestATenantAtItsCapWaitsAndNothingIsCreatedForIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 8, Rules: lifecycle.Rules{TenantMax: 2, TenantWaiting: 2}})
		a := priority.Options{Tenant: "a"}
		var callers []*caller
		for range 5 {
			callers = append(callers, call(t.Context(), p, a))
			synctest.Wait()
		}
		if !callers[0].decided() || !callers[1].decided() || callers[2].decided() || callers[3].decided() {
			t.Fatal("want two of a served, and two to wait")
		}
		if err := callers[4].refused(t); !errors.Is(err, priority.ErrQueueFull) {
			t.Errorf("the fifth of a: %v", err)
		}
		time.Sleep(time.Minute)
		if n := w.isMade(); n != 2 {
			t.Errorf("%d were created for a tenant that may have 2", n)
		}
		b := call(t.Context(), p, priority.Options{Tenant: "b"})
		synctest.Wait()
		b.served(t).Release()
		callers[0].served(t).Release()
		synctest.Wait()
		callers[2].served(t).Release()
		configure(t, p, func(s *lifecycle.Settings) { s.TenantMax = 0 })
		callers[1].served(t).Release()
		callers[3].served(t).Release()
		check(t, p)
	})
}

func TestASlowCallThatWaitsIsServedWhenNobodyElseComesAnyMore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 4, Min: 4, Rules: lifecycle.Rules{SlowAfter: time.Second, SlowShare: 25}})
		if err := p.Initialize(t.Context()); err != nil {
			t.Fatal(err)
		}
		slow := priority.Options{Label: "slow"}
		for range 8 {
			h := call(t.Context(), p, slow).served(t)
			time.Sleep(2 * time.Second)
			h.Release()
		}
		call(t.Context(), p, priority.Options{Label: "quick"}).served(t).Release()
		first := call(t.Context(), p, slow)
		synctest.Wait()
		second := call(t.Context(), p, slow)
		synctest.Wait()
		if !first.decided() || second.decided() {
			t.Fatal("want one slow call served, and one to wait for its share")
		}
		began := time.Now()
		h := second.served(t)
		if waited := time.Since(began); waited < time.Second || waited > 3*time.Second {
			t.Errorf("the second slow call waited %v, want as long as one takes", waited)
		}
		h.Release()
		first.served(t).Release()
	})
}

func TestSheddingReachesThePoolAndCanChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, Rules: lifecycle.Rules{Shedding: priority.ShedOn}})
		low := priority.Options{Class: priority.Low, Label: "x"}
		for range 10 {
			h := call(t.Context(), p, low).served(t)
			time.Sleep(20 * time.Millisecond)
			h.Release()
		}
		holder := take(t, p, "holder")
		hurry := func() (time.Duration, error) {
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
			defer cancel()
			c := call(ctx, p, low)
			err := c.refused(t)
			return c.waited, err
		}
		waited, err := hurry()
		var refused *priority.RefusedError
		if !errors.Is(err, priority.ErrOverloaded) || !errors.As(err, &refused) || refused.RetryAfter <= 0 || waited != 0 {
			t.Errorf("after %v: %v; want it refused at once, and told when to come again", waited, err)
		}
		if s := p.Stats(); s.Class(priority.Low).Refused[priority.TooLate] != 1 {
			t.Errorf("counted: %+v", s.Class(priority.Low))
		}
		configure(t, p, func(s *lifecycle.Settings) { s.Shedding = priority.ShedDryRun })
		if waited, err := hurry(); !errors.Is(err, context.DeadlineExceeded) || !near(waited, 5*time.Millisecond) {
			t.Errorf("in a dry run: after %v: %v", waited, err)
		}
		if s := p.Stats(); s.Class(priority.Low).WouldRefuse[priority.TooLate] != 1 {
			t.Errorf("counted in a dry run: %+v", s.Class(priority.Low))
		}
		configure(t, p, func(s *lifecycle.Settings) { s.Shedding = priority.ShedOff })
		if waited, err := hurry(); !errors.Is(err, context.DeadlineExceeded) || !near(waited, 5*time.Millisecond) {
			t.Errorf("without: after %v: %v", waited, err)
		}
		holder.Release()
	})
}

// A caller whom no further resource would help is none for whom the keeper should look at once whether one can be created: it would
// do nothing else from then on.
func TestTheKeeperRestsWhileOnlyATenantAtItsCapWaits(t *testing.T) {
	watchdog := time.AfterFunc(time.Minute, func() { panic("the keeper goes round and round") }) // no time passes in the bubble then
	defer watchdog.Stop()
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 4, Rules: lifecycle.Rules{TenantMax: 1}})
		h := call(t.Context(), p, priority.Options{Tenant: "a"}).served(t)
		capped := call(t.Context(), p, priority.Options{Tenant: "a"})
		w.set(func(w *works) { w.createFails = errDown })
		ctx, cancel := context.WithCancel(t.Context())
		b := call(ctx, p, priority.Options{Tenant: "b"})
		cancel()
		if _ = b.refused(t); w.attempts() != 2 || capped.decided() {
			t.Fatalf("%d attempts; the one at its cap is decided: %t", w.attempts(), capped.decided())
		}
		time.Sleep(time.Second) // after which the next may be tried
		if in := p.NextRound(); in < time.Second {
			t.Errorf("the keeper's next round is in %v", in)
		}
		h.Release()
		capped.served(t).Release()
	})
}

// The worst misuse of a cap: who holds all that its tenant may have, and asks for more, waits for itself.
func TestWhoHoldsAllOfItsTenantsCapAndAsksForMoreIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 8, AcquireTimeout: time.Second, Rules: lifecycle.Rules{TenantMax: 1}})
		h := call(t.Context(), p, priority.Options{Tenant: "a"}).served(t)
		second := call(t.Context(), p, priority.Options{Tenant: "a"})
		err := second.refused(t)
		if !near(second.waited, time.Second) || err.Refused.Reason != priority.Timeout || !err.Refused.Capped {
			t.Errorf("after %v: %+v", second.waited, err.Refused)
		}
		if text := err.Error(); !strings.Contains(text, `tenant "a" (which holds as much as it may)`) {
			t.Errorf("%s: does not say that it is the cap", text)
		}
		h.Release()
	})
}

func TestASlowCallThatWaitedForItsShareIsToldSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{
			Max: 4, Min: 4, AcquireTimeout: time.Second, Rules: lifecycle.Rules{SlowAfter: time.Second},
		})
		if err := p.Initialize(t.Context()); err != nil {
			t.Fatal(err)
		}
		slow := priority.Options{Label: "slow"}
		for range 3 {
			h := call(t.Context(), p, slow).served(t)
			time.Sleep(5 * time.Second)
			h.Release()
		}
		call(t.Context(), p, priority.Options{Label: "quick"}).served(t).Release()
		first := call(t.Context(), p, slow).served(t)
		err := call(t.Context(), p, slow).refused(t)
		if text := err.Error(); !err.Refused.Slow || !strings.Contains(text, "(one of the slow ones, which have a share only)") {
			t.Errorf("%s: does not say why", text)
		}
		first.Release()
	})
}

// TestFailureIsNotTriedAgainForWhoCouldNotUseAnother: a round for them would be due at once, over and over, and time stand still.
func TestFailureIsNotTriedAgainForWhoCouldNotUseAnother(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, Rules: lifecycle.Rules{TenantMax: 1}})
		of := func(tenant string) priority.Options { return priority.Options{Tenant: tenant} }
		held := call(t.Context(), p, of("a")).served(t)
		w.set(func(w *works) { w.createFails = errDown })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		call(ctx, p, of("b")).refused(t)
		tried := w.attempts()
		second := call(t.Context(), p, of("a"))
		time.Sleep(time.Minute)
		waits(t, second, "its tenant holds as much as it may")
		if n := w.attempts() - tried; n != 0 {
			t.Errorf("%d were tried for a tenant that may have no more", n)
		}
		check(t, p)
		held.Release()
		second.served(t).Release()
	})
}
