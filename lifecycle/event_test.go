package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A scene is a pool named db of at most two things, which take a second to create and half a second to destroy, and who
// is told of it.
type scene struct {
	*lifecycle.Pool[*thing]
	w    *works
	told *recorder
}

// scenes are stories, and what the observer must be told of each, in the order of the text: events of different
// goroutines have no order.
var scenes = []struct {
	name string
	play func(t *testing.T, s scene)
	told []string
}{
	{"lent and released", func(t *testing.T, s scene) {
		o := priority.Options{Class: priority.High, Label: "checkout", Tenant: "acme"}
		h := call(t.Context(), s.Pool, o).served(t)
		time.Sleep(3 * time.Second)
		h.Release()
		h.Release()
	}, []string{
		"acquire pool=db resource=1 class=high label=checkout tenant=acme wait=1s",
		"create pool=db resource=1 duration=1s",
		"release pool=db resource=1 class=high label=checkout tenant=acme wait=1s duration=3s",
		"release-unknown pool=db",
	}},
	{"a stale copy", func(t *testing.T, s scene) {
		h := take(t, s.Pool, "a")
		stale := h
		h.Release()
		stale.Release()
	}, []string{
		"acquire pool=db resource=1 label=a wait=1s",
		"create pool=db resource=1 duration=1s",
		"release pool=db resource=1 label=a wait=1s",
		"release-unknown pool=db resource=1",
	}},
	{"destroyed", func(t *testing.T, s scene) {
		h := take(t, s.Pool, "a")
		time.Sleep(time.Second)
		h.Destroy(lifecycle.EndBusy)
		time.Sleep(time.Second)
		s.w.set(func(w *works) { w.destroyFails = errors.New("no goodbye") })
		h = take(t, s.Pool, "b")
		h.Destroy(lifecycle.EndPanicked)
	}, []string{
		"acquire pool=db resource=1 label=a wait=1s",
		"acquire pool=db resource=2 label=b wait=1s",
		"create pool=db resource=1 duration=1s",
		"create pool=db resource=2 duration=1s",
		"destroy pool=db resource=1 duration=1.5s reason=busy",
		"destroy-error pool=db resource=2 duration=500ms reason=panicked err=no goodbye",
		"release pool=db resource=1 label=a wait=1s duration=1s",
		"release pool=db resource=2 label=b wait=1s",
	}},
	{"a failed creation", func(t *testing.T, s scene) {
		s.w.set(func(w *works) { w.createFails = errDown })
		_ = call(t.Context(), s.Pool, priority.Options{Label: "a", Class: priority.Low}).refused(t)
	}, []string{
		"create-error pool=db resource=1 duration=1s err=connection refused",
		`refuse pool=db class=low label=a wait=1s refusal=unavailable err=poolsql: pool "db": refused, unavailable after ` +
			`waiting 1s: class low, label "a", 0 of 2 in use, 1 waiting: cannot open: connection refused; 0 open and 0 ` +
			`opening of at most 2`,
	}},
	{"a wait that ends", func(t *testing.T, s scene) {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer cancel()
		_ = call(ctx, s.Pool, priority.Options{Tenant: "acme"}).refused(t)
		cancel()
		_, err := s.Acquire(ctx)
		_ = acquireError(t, err)
		ctx, cancel = context.WithCancel(t.Context())
		cancel()
		_, err = s.Acquire(ctx)
		_ = acquireError(t, err)
		time.Sleep(time.Second)
	}, []string{
		"create pool=db resource=1 duration=1s",
		`refuse pool=db refusal=canceled err=poolsql: pool "db": canceled by the caller after waiting 0s: class normal, ` +
			`0 of 2 in use, 0 waiting; 0 open and 1 opening of at most 2`,
		`timeout pool=db refusal=deadline err=poolsql: pool "db": the caller's deadline passed after waiting 0s: class ` +
			`normal, 0 of 2 in use, 0 waiting; 0 open and 1 opening of at most 2`,
		`timeout pool=db tenant=acme wait=500ms refusal=deadline err=poolsql: pool "db": the caller's deadline passed after ` +
			`waiting 500ms: class normal, tenant "acme", 0 of 2 in use, 1 waiting; 0 open and 1 opening of at most 2`,
	}},
	{"an invalid one", func(t *testing.T, s scene) {
		h := take(t, s.Pool, "a")
		if err := s.Replace(t.Context(), &h, &lifecycle.Request{}, lifecycle.EndBroken, errStale); err != nil {
			t.Fatal(err)
		}
		h.Release()
	}, []string{
		"acquire pool=db resource=1 label=a wait=1s",
		"acquire pool=db resource=2 wait=1s",
		"create pool=db resource=1 duration=1s",
		"create pool=db resource=2 duration=1s",
		"destroy pool=db resource=1 duration=500ms reason=broken",
		"invalid pool=db resource=1 reason=broken err=the socket is gone",
		"release pool=db resource=1 label=a wait=1s",
		"release pool=db resource=2 wait=1s",
	}},
	{"managed", func(t *testing.T, s scene) {
		if err := errors.Join(s.Initialize(t.Context()), s.Warmup(t.Context(), 2), s.Resize(0, 3)); err != nil {
			t.Fatal(err)
		}
		s.Evict(1)
		s.Reset()
		s.Clear("")
		s.Clear("deploying")
		time.Sleep(time.Second)
	}, []string{
		"cleared pool=db",
		"cleared pool=db err=deploying",
		"create pool=db resource=1 duration=1s",
		"create pool=db resource=2 duration=1s",
		"destroy pool=db resource=1 duration=500ms reason=evicted",
		"destroy pool=db resource=2 duration=500ms reason=reset",
		"eviction pool=db resource=1 count=1 reason=evicted",
		"initialized pool=db",
		"reset pool=db",
		"resize pool=db count=3",
		"warmup-complete pool=db count=2",
	}},
	{"idle for too long", func(t *testing.T, s scene) {
		if err := s.Warmup(t.Context(), 2); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Hour)
	}, []string{
		"create pool=db resource=1 duration=1s",
		"create pool=db resource=2 duration=1s",
		"destroy pool=db resource=1 duration=1h0m59.5s reason=idle timeout",
		"destroy pool=db resource=2 duration=1h0m59.5s reason=idle timeout",
		"eviction pool=db count=2 reason=idle timeout",
		"warmup-complete pool=db count=2",
	}},
	{"cleared", func(t *testing.T, s scene) {
		c := call(t.Context(), s.Pool, priority.Options{})
		s.Clear("deploying")
		_ = c.refused(t)
		time.Sleep(time.Second)
	}, []string{
		"cleared pool=db count=1 err=deploying",
		"create pool=db resource=1 duration=1s",
		`refuse pool=db refusal=cleared err=poolsql: pool "db": turned away, the queue was cleared after waiting 0s: class ` +
			`normal, 0 of 2 in use, 1 waiting: deploying; 0 open and 1 opening of at most 2`,
	}},
	{"drained", func(t *testing.T, s scene) {
		h := take(t, s.Pool, "a")
		go func() {
			time.Sleep(time.Second)
			h.Release()
		}()
		if err := s.Drain(t.Context()); err != nil {
			t.Fatal(err)
		}
		s.Close()
	}, []string{
		"acquire pool=db resource=1 label=a wait=1s",
		"closed pool=db",
		"create pool=db resource=1 duration=1s",
		"destroy pool=db resource=1 duration=1.5s reason=closed",
		"drain-complete pool=db",
		"drain-started pool=db count=1",
		"release pool=db resource=1 label=a wait=1s duration=1s",
	}},
	{"suspended and retired", func(t *testing.T, s scene) {
		h := take(t, s.Pool, "a")
		s.Suspend()
		s.RetireOlder(h.Generation())
		s.Resume()
		h.Release()
		time.Sleep(time.Second)
	}, []string{
		"acquire pool=db resource=1 label=a wait=1s",
		"create pool=db resource=1 duration=1s",
		"destroy pool=db resource=1 duration=500ms reason=reset",
		"release pool=db resource=1 label=a wait=1s",
		"resumed pool=db",
		"retired pool=db count=1",
		"suspended pool=db count=1",
	}},
	{"nested", func(t *testing.T, s scene) {
		ctx := priority.WithOwner(t.Context())
		outer, inner := take2(ctx, t, s.Pool)
		time.Sleep(time.Minute)
		inner.Release()
		outer.Release()
		time.Sleep(time.Second)
	}, []string{
		"acquire pool=db resource=1 label=a wait=1s",
		"acquire pool=db resource=2 label=a wait=1s",
		"create pool=db resource=1 duration=1s",
		"create pool=db resource=2 duration=1s",
		"leak pool=db resource=1 label=a duration=45s",
		"leak pool=db resource=2 label=a duration=45s",
		"nested pool=db label=a count=1",
		"release pool=db resource=1 label=a wait=1s duration=1m1s",
		"release pool=db resource=2 label=a wait=1s duration=1m0s",
	}},
	{"closed", func(t *testing.T, s scene) {
		h := take(t, s.Pool, "a")
		s.Close()
		_, err := s.Acquire(t.Context())
		_ = acquireError(t, err)
		h.Release()
		<-s.Done()
	}, []string{
		"acquire pool=db resource=1 label=a wait=1s",
		"closed pool=db count=1",
		"create pool=db resource=1 duration=1s",
		"destroy pool=db resource=1 duration=500ms reason=closed",
		`refuse pool=db refusal=closed err=poolsql: pool "db": refused, closed after waiting 0s: class normal, 1 of 2 in ` +
			`use, 0 waiting`,
		"release pool=db resource=1 label=a wait=1s",
	}},
}

// take2 acquires two, one inside the other.
func take2(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing]) (outer, inner lifecycle.Handle[*thing]) {
	t.Helper()
	ctx = priority.WithLabel(ctx, "a")
	outer, err := p.Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if inner, err = p.Acquire(ctx); err != nil {
		t.Fatal(err)
	}
	return outer, inner
}

func TestObserverIsToldTheWholeStory(t *testing.T) {
	kinds := map[string]bool{}
	for _, c := range scenes {
		for _, l := range c.told {
			kind, _, _ := strings.Cut(l, " ")
			kinds[kind] = true
		}
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &works{createTakes: time.Second, destroyTakes: 500 * time.Millisecond}
				told := &recorder{}
				p := newPool(t, w, lifecycle.Config[*thing]{
					Name: "db", Max: 2, IdleTimeout: time.Hour, KeepInterval: time.Minute, Observer: told,
					LeakThreshold: 45 * time.Second,
				})
				c.play(t, scene{p, w, told})
				time.Sleep(time.Second) // for destructions
				synctest.Wait()
				got := told.take()
				slices.Sort(got)
				if !slices.Equal(got, c.told) {
					t.Errorf("told\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(c.told, "\n\t"))
				}
			})
		})
	}
	for k := lifecycle.KindAcquire; k <= lifecycle.KindClosed; k++ {
		if !kinds[k.String()] {
			t.Errorf("no scene has %s", k)
		}
	}
	for k := lifecycle.KindLeak; k <= lifecycle.KindRetired; k++ {
		if !kinds[k.String()] {
			t.Errorf("no scene has %s", k)
		}
	}
}

func TestKindsAndReasonsAndStatesHaveNames(t *testing.T) {
	seen := map[string]bool{}
	name := func(s, unknown string) {
		t.Helper()
		if s == "" || seen[s] || strings.HasPrefix(s, unknown+"(") {
			t.Errorf("%q is no name, or not the only one of its kind", s)
		}
		seen[s] = true
	}
	for k := lifecycle.KindAcquire; k <= lifecycle.KindRelief; k++ {
		name(k.String(), "Kind")
	}
	clear(seen)
	for r := lifecycle.EndNone; r <= lifecycle.EndClosed; r++ {
		name(r.String(), "EndReason")
	}
	clear(seen)
	for s := lifecycle.Creating; s <= lifecycle.Closing; s++ {
		name(s.String(), "State")
	}
	for got, want := range map[string]string{
		lifecycle.Kind(0).String(): "Kind(0)", lifecycle.Kind(200).String(): "Kind(200)",
		(lifecycle.EndClosed + 1).String(): "EndReason(11)", lifecycle.State(0).String(): "State(0)",
	} {
		if got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestJoinTellsAllInTheirOrder(t *testing.T) {
	var heard []string
	hears := func(name string) lifecycle.Observer {
		return lifecycle.ObserverFunc(func(e lifecycle.Event) { heard = append(heard, name+" "+e.Kind.String()) })
	}
	if o := lifecycle.Join(); o != nil {
		t.Errorf("of none it returned %v", o)
	}
	if o := lifecycle.Join(nil, nil); o != nil {
		t.Errorf("of nil ones it returned %v", o)
	}
	lifecycle.Join(nil, hears("alone")).Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	lifecycle.Join(hears("first"), nil, hears("second")).Observe(lifecycle.Event{Kind: lifecycle.KindClosed})
	if want := []string{"alone reset", "first closed", "second closed"}; !slices.Equal(heard, want) {
		t.Errorf("heard %q, want %q", heard, want)
	}
}

// An observer may ask the pool: it is told with no lock held.
func TestObserverMayAskThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var p *lifecycle.Pool[*thing]
		var asked [64]atomic.Bool
		p = newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2, Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
			_, _ = p.Stats(), p.Resources()
			asked[e.Kind].Store(true)
		})})
		h := take(t, p, "")
		h.Destroy(lifecycle.EndBroken)
		p.Reset()
		if err := errors.Join(p.Resize(0, 1), p.Warmup(t.Context(), 1), p.Drain(t.Context())); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		for _, k := range []lifecycle.Kind{
			lifecycle.KindAcquire, lifecycle.KindRelease, lifecycle.KindCreate, lifecycle.KindDestroy, lifecycle.KindReset,
			lifecycle.KindResize, lifecycle.KindWarmupComplete, lifecycle.KindDrainStarted, lifecycle.KindDrainComplete,
		} {
			if !asked[k].Load() {
				t.Errorf("the observer was not told of %s", k)
			}
		}
	})
}
