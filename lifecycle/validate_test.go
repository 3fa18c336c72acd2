package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

var errStale = errors.New("the socket is gone")

// A judge says which things may be lent, and remembers what it was asked.
type judge struct {
	bad   map[int]bool // by id
	asked []string
}

func (j *judge) validate(_ context.Context, th *thing, idle time.Duration, _ bool) error {
	j.asked = append(j.asked, fmt.Sprintf("%d idle for %s", th.id, idle))
	if j.bad[th.id] {
		return errStale
	}
	return nil
}

func TestInvalidResourceIsReplacedByTheNextIdleOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &judge{bad: map[int]bool{}}
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3, Validate: j.validate, Observer: told})
		giveAll(takeAll(t, p, 3))
		j.asked = nil
		j.bad[3], j.bad[2] = true, true
		time.Sleep(time.Hour)
		h := take(t, p, "")
		if h.Value().id != 1 {
			t.Errorf("got %d, want the only good one", h.Value().id)
		}
		// A rule such as "ping what was idle for a second" needs to know it of each, not of the first alone: after a
		// restart of the server all of them are dead.
		if want := []string{"3 idle for 1h0m0s", "2 idle for 1h0m0s", "1 idle for 1h0m0s"}; !slices.Equal(j.asked, want) {
			t.Errorf("asked about %q, want %q", j.asked, want)
		}
		synctest.Wait()
		invalid := told.all(lifecycle.KindInvalid)
		if len(invalid) != 2 || !errors.Is(invalid[0].Err, errStale) || invalid[0].Reason != lifecycle.EndInvalid {
			t.Errorf("told of %v", invalid)
		}
		if n := p.Stats().Destroyed[lifecycle.EndInvalid]; n != 2 {
			t.Errorf("%d ended as invalid, want 2", n)
		}
		h.Release()
	})
}

func TestAffinityIsToldHowLongItsResourceWasIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &judge{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2, Reserve: 1, Validate: j.validate})
		// One Normal holds what the reserve lets it have, another waits; what he then gets has been idle meanwhile.
		low := take(t, p, "")
		waits := call(priority.WithAffinity(t.Context(), "a"), p, priority.Options{})
		if waits.decided() || p.Stats().Idle != 1 {
			t.Fatalf("the reserve did not hold: %+v", p.Stats())
		}
		time.Sleep(time.Minute)
		high, err := p.Acquire(priority.WithClass(priority.WithAffinity(t.Context(), "a"), priority.High))
		if err != nil {
			t.Fatal(err)
		}
		if want := "2 idle for 1m0s"; j.asked[len(j.asked)-1] != want {
			t.Errorf("High was validated as %q, want %q", j.asked[len(j.asked)-1], want)
		}
		high.Release()
		time.Sleep(time.Minute)
		j.asked = nil
		low.Destroy(lifecycle.EndBroken)
		if h := waits.served(t); h.Value().id != 2 || !slices.Equal(j.asked, []string{"2 idle for 1m0s"}) {
			t.Errorf("the one who waited got %d, asked %q", h.Value().id, j.asked)
		}
		waits.h.Release()
	})
}

func TestCallerOfAnInvalidResourceKeepsHisTurn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &judge{bad: map[int]bool{}}
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, Validate: j.validate, AcquireTimeout: time.Minute})
		h := take(t, p, "")
		first := call(t.Context(), p, priority.Options{})
		second := call(t.Context(), p, priority.Options{})
		j.bad[1] = true
		h.Release()
		synctest.Wait()
		if first.decided() || second.decided() {
			t.Fatal("somebody was served before there was anything good")
		}
		first.served(t)
		if second.decided() {
			t.Error("the second was served along with the first")
		}
		if first.h.Value().id != 2 || !near(first.waited, time.Second) {
			t.Errorf("the first got %d after %s", first.h.Value().id, first.waited)
		}
		first.h.Release()
		second.served(t).Release()
	})
}

func TestCallerLeavesWhileHisResourceIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 2, Validate: func(context.Context, *thing, time.Duration, bool) error {
			cancel()
			return errStale
		}})
		_, err := p.Acquire(ctx)
		if !errors.Is(err, context.Canceled) {
			t.Errorf("refused with %v", err)
		}
		synctest.Wait()
		check(t, p)
		if s := p.Stats(); s.InUse != 0 || w.isEnded() != 1 {
			t.Errorf("%d ended, %+v", w.isEnded(), s)
		}
	})
}

func TestWhatIsNeverValidIsNotCreatedWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Millisecond}
		p := newPool(t, w, lifecycle.Config[*thing]{
			Max: 10, AcquireTimeout: time.Second,
			Validate: func(context.Context, *thing, time.Duration, bool) error { return errStale },
		})
		end := time.Now().Add(20 * time.Second)
		callers := make(chan struct{})
		for range 20 {
			go func() {
				defer func() { callers <- struct{}{} }()
				for time.Now().Before(end) {
					_, err := p.Acquire(t.Context())
					if !errors.Is(err, errStale) {
						t.Errorf("refused with %v, which does not say why", err)
						return
					}
					time.Sleep(10 * time.Millisecond)
				}
			}()
		}
		for range 20 {
			<-callers
		}
		if n := w.attempts(); n > 20*5+10 {
			t.Errorf("%d creations in 20 s, all of no use", n)
		}
	})
}

func TestOthersNeedNotWaitForWhatIsNeverValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{
			Max: 1, AcquireTimeout: time.Minute,
			Validate: func(context.Context, *thing, time.Duration, bool) error { return errStale },
		})
		first := call(t.Context(), p, priority.Options{})
		second := call(t.Context(), p, priority.Options{})
		patient := call(t.Context(), p, priority.Options{Retries: 1})
		for _, c := range []*caller{first, second} {
			e := c.refused(t)
			if !near(c.waited, time.Second) || !errors.Is(e, priority.ErrUnavailable) || !errors.Is(e, errStale) {
				t.Errorf("after %s: %v", c.waited, e)
			}
		}
		if e := patient.refused(t); !near(patient.waited, time.Minute) || !errors.Is(e, errStale) {
			t.Errorf("patient: after %s: %v", patient.waited, e)
		}
	})
}

func TestPoolGrowsAtFullSpeedAgainOnceOneIsValid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: 10 * time.Millisecond}
		valid := false
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 20, Validate: func(context.Context, *thing, time.Duration, bool) error {
			if !valid {
				return errStale
			}
			return nil
		}})
		_ = call(t.Context(), p, priority.Options{}).refused(t)
		valid = true
		time.Sleep(time.Second)
		if slowest := spike(t, p, 20, time.Minute); slowest > 100*time.Millisecond {
			t.Errorf("the last of 20 was served after %s", slowest)
		}
		if f := p.Stats().Failure; f != nil {
			t.Errorf("still says %v", f)
		}
	})
}

func TestPanicWhileValidatingGivesThePermitBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		panics := true
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, Validate: func(context.Context, *thing, time.Duration, bool) error {
			if panics {
				panic("boom")
			}
			return nil
		}})
		func() {
			defer func() {
				if v := recover(); v != "boom" {
					t.Errorf("recovered %v", v)
				}
			}()
			_, _ = p.Acquire(t.Context())
		}()
		panics = false
		h := take(t, p, "")
		if h.ID() != 2 {
			t.Errorf("got %d, which was in use when it panicked", h.ID())
		}
		if n := p.Stats().Destroyed[lifecycle.EndPanicked]; n != 1 {
			t.Errorf("%d ended for the panic", n)
		}
		check(t, p)

		panics = true
		func() {
			defer func() { _ = recover() }()
			_ = p.Replace(t.Context(), &h, &lifecycle.Request{}, lifecycle.EndBroken, errStale)
		}()
		if h.Held() {
			t.Error("Replace panicked, and its handle still holds something")
		}
		synctest.Wait()
		check(t, p)
		if s := p.Stats(); s.InUse != 0 || s.Total != 0 {
			t.Errorf("left over: %+v", s)
		}
	})
}

func TestReplaceGivesAnotherBeforeAllWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, Observer: told})
		req := &lifecycle.Request{Options: priority.Options{Label: "holder"}}
		h, err := p.AcquireFor(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		waits := call(t.Context(), p, priority.Options{})
		told.take()
		copied := h
		if err := p.Replace(t.Context(), &h, req, lifecycle.EndBroken, errStale); err != nil {
			t.Fatal(err)
		}
		if h.ID() != 2 || waits.decided() {
			t.Errorf("holds %d; served the other: %t", h.ID(), waits.decided())
		}
		copied.Release() // of the lending that Replace ended
		check(t, p)
		if info := p.Resources()[0]; info.State != lifecycle.InUse || info.Label != "holder" {
			t.Errorf("%+v", info)
		}
		if n := p.Stats().Destroyed[lifecycle.EndBroken]; n != 1 {
			t.Errorf("%d ended as broken", n)
		}
		h.Release()
		waits.served(t).Release()
	})
}

func TestReplaceThatFailsHoldsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, Observer: told})
		req := &lifecycle.Request{Options: priority.Options{Label: "holder"}}
		for _, why := range []error{context.Canceled, lifecycle.ErrClosed} {
			h, err := p.AcquireFor(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			if why == context.Canceled {
				cancel()
			} else {
				p.Close()
			}
			err = p.Replace(ctx, &h, req, lifecycle.EndBroken, errStale)
			cancel()
			if !errors.Is(err, why) || h.Held() {
				t.Errorf("Replace said %v; held: %t", err, h.Held())
			}
			acquireError(t, err)
			check(t, p)
		}
		synctest.Wait()
		if n := len(told.all(lifecycle.KindRelease)); n != 2 { // checkBalance looks closer
			t.Errorf("told of %d releases, want 2", n)
		}
	})
}

func TestReplaceForNoReasonStillReplaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "")
		if err := p.Replace(t.Context(), &h, &lifecycle.Request{}, lifecycle.EndNone, nil); err != nil {
			t.Fatal(err)
		}
		if h.ID() != 2 {
			t.Errorf("holds %d again", h.ID())
		}
		h.Release()
	})
}

func TestPanicOfTheObserverGivesThePermitBack(t *testing.T) {
	for _, kind := range []lifecycle.Kind{lifecycle.KindAcquire, lifecycle.KindInvalid, lifecycle.KindRelease} {
		t.Run(kind.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				j := &judge{bad: map[int]bool{1: kind == lifecycle.KindInvalid}}
				var once sync.Once
				p, err := lifecycle.NewPool(lifecycle.Config[*thing]{
					Max: 1, Create: (&works{}).create, Destroy: (&works{}).destroy, Validate: j.validate,
					Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
						if e.Kind == kind {
							once.Do(func() { panic("boom") })
						}
					}),
				})
				if err != nil {
					t.Fatal(err)
				}
				func() {
					defer func() {
						if v := recover(); v != "boom" {
							t.Errorf("recovered %v", v)
						}
					}()
					h, _ := p.Acquire(t.Context())
					h.Destroy(lifecycle.EndPanicked)
				}()
				synctest.Wait()
				check(t, p)
				if s := p.Stats(); s.InUse != 0 || s.Destroyed[lifecycle.EndPanicked] != 1 {
					t.Errorf("%+v", s)
				}
				p.Close()
				<-p.Done()
			})
		})
	}
}
