package lifecycle_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// choosy wants some kinds only.
type choosy struct {
	recorder
	kinds []lifecycle.Kind
}

func (c *choosy) Wants(k lifecycle.Kind) bool { return slices.Contains(c.kinds, k) }

func TestObserversComeAndGo(t *testing.T) {
	var all lifecycle.Observers
	if all.Wants(lifecycle.KindReset) {
		t.Error("nobody wants something")
	}
	all.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	all.Add(nil)()
	early, late := new(recorder), new(recorder)
	stopEarly := all.Add(early)
	all.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	stopLate := all.Add(late)
	all.Observe(lifecycle.Event{Kind: lifecycle.KindClosed})
	stopEarly()
	stopEarly()
	all.Observe(lifecycle.Event{Kind: lifecycle.KindSuspended})
	stopLate()
	all.Observe(lifecycle.Event{Kind: lifecycle.KindResumed})
	if all.Wants(lifecycle.KindReset) {
		t.Error("those who left want something")
	}
	if got, want := early.take(), []string{"reset", "closed"}; !slices.Equal(got, want) {
		t.Errorf("who came first heard %q, want %q", got, want)
	}
	if got, want := late.take(), []string{"closed", "suspended"}; !slices.Equal(got, want) {
		t.Errorf("who came later heard %q, want %q", got, want)
	}
	var nobody *lifecycle.Observers
	nobody.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	if nobody.Wants(lifecycle.KindReset) {
		t.Error("nil wants something")
	}
}

func TestSelectiveObserverHearsWhatItWants(t *testing.T) {
	var all lifecycle.Observers
	some, every := &choosy{kinds: []lifecycle.Kind{lifecycle.KindReset}}, new(recorder)
	all.Add(some)
	if !all.Wants(lifecycle.KindReset) || all.Wants(lifecycle.KindClosed) {
		t.Error("together they do not want what the only one wants")
	}
	all.Add(lifecycle.Join(every, some)) // of which one part is as selective as before
	for _, k := range []lifecycle.Kind{lifecycle.KindReset, lifecycle.KindClosed} {
		all.Observe(lifecycle.Event{Kind: k})
	}
	if got, want := some.take(), []string{"reset", "reset"}; !slices.Equal(got, want) {
		t.Errorf("heard %q, want %q", got, want)
	}
	if n := len(every.take()); n != 2 {
		t.Errorf("who wants everything heard %d, want 2", n)
	}
}

// Observers that are themselves added to others may get members afterwards, who hear what they would elsewhere.
func TestObserversOfObserversHearWhoComesLater(t *testing.T) {
	var outer lifecycle.Observers
	inner, late := new(lifecycle.Observers), &choosy{kinds: []lifecycle.Kind{lifecycle.KindReset}}
	outer.Add(inner)
	outer.Add(lifecycle.Join(inner, new(recorder)))
	inner.Add(late)
	for _, k := range []lifecycle.Kind{lifecycle.KindReset, lifecycle.KindClosed} {
		outer.Observe(lifecycle.Event{Kind: k})
	}
	if got, want := late.take(), []string{"reset", "reset"}; !slices.Equal(got, want) {
		t.Errorf("who came later heard %q, want %q", got, want)
	}
}

func TestObserversChangeWhileTheyAreTold(t *testing.T) {
	var all lifecycle.Observers
	constant := new(recorder)
	all.Add(constant)
	const rounds = 1000
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			for range rounds {
				all.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
			}
		})
		wg.Go(func() {
			for range rounds {
				all.Add(lifecycle.ObserverFunc(func(lifecycle.Event) {}))()
			}
		})
	}
	wg.Wait()
	if n := len(constant.take()); n != 4*rounds {
		t.Errorf("heard %d events of %d", n, 4*rounds)
	}
}

// A release tells both times, so that who counts them needs one event a lending.
func TestReleaseTellsWaitAndUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		only := &choosy{kinds: []lifecycle.Kind{lifecycle.KindRelease}}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Name: "db", Max: 1, Observer: only})
		h := take(t, p, "a")
		waits := make(chan struct{})
		go func() {
			defer close(waits)
			second := take(t, p, "b")
			time.Sleep(2 * time.Second)
			second.Release()
		}()
		time.Sleep(3 * time.Second)
		h.Release()
		<-waits
		want := []string{
			"release pool=db resource=1 label=a duration=3s",
			"release pool=db resource=1 label=b wait=3s duration=2s",
		}
		if got := only.take(); !slices.Equal(got, want) {
			t.Errorf("heard %q, want %q", got, want)
		}
	})
}

func TestObserverHearsOfTheCallersContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		heard := map[lifecycle.Kind]any{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
			if e.Context != nil {
				heard[e.Kind] = e.Context.Value(traceKey{})
			}
		})})
		ctx := context.WithValue(t.Context(), traceKey{}, "4bf92f35")
		h, err := p.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		if _, err := p.Acquire(short); err == nil {
			t.Fatal("two have the only one")
		}
		h.Release()
		p.Close()
		if _, err := p.Acquire(ctx); err == nil {
			t.Fatal("a closed pool lends")
		}
		for _, k := range []lifecycle.Kind{lifecycle.KindAcquire, lifecycle.KindTimeout, lifecycle.KindRefuse} {
			if heard[k] != "4bf92f35" {
				t.Errorf("%s came with %v", k, heard[k])
			}
		}
	})
}

type traceKey struct{}
