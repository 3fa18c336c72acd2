package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestLastToComeBackIsFirstToBeLent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3})
		hs := takeAll(t, p, 3)
		want := []uint64{hs[1].ID(), hs[0].ID(), hs[2].ID()}
		hs[2].Release()
		hs[0].Release()
		hs[1].Release()
		var got []uint64
		for range 3 {
			h := take(t, p, "")
			defer h.Release()
			got = append(got, h.ID())
		}
		if !slices.Equal(got, want) {
			t.Errorf("lent in the order %v, want %v", got, want)
		}
	})
}

func TestAffinityGetsTheResourceThatServedItsKeyLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 4})
		for _, h := range slices.Backward(takeAll(t, p, 4)) {
			h.Release()
		}
		ask := func(key string) lifecycle.Handle[*thing] {
			t.Helper()
			h, err := p.Acquire(priority.WithAffinity(t.Context(), key))
			if err != nil {
				t.Fatal(err)
			}
			return h
		}
		// Top of the stack first: 1 serves a, 2 serves b; 3 and 4 serve nobody.
		a, b := ask("a"), ask("b")
		if a.ID() != 1 || b.ID() != 2 {
			t.Fatalf("a got %d, b got %d", a.ID(), b.ID())
		}
		a.Release()
		b.Release()
		a = ask("a")
		if a.ID() != 1 {
			t.Errorf("a got %d, though 1 was idle", a.ID())
		}
		check(t, p)
		// a's is held, so that another call for it gets something else, and waits for nothing: not the top, which is b's, but
		// what has been idle for longest.
		other := ask("a")
		if other.ID() != 4 {
			t.Errorf("a's second call got %d, want 4, the bottom", other.ID())
		}
		other.Release()
		a.Release()
		// Now 1 lies above 4, 2 and 3. Taking 2 out of the middle leaves the others in their order.
		b = ask("b")
		if b.ID() != 2 {
			t.Errorf("b got %d, want its own, 2", b.ID())
		}
		a = ask("a")
		b.Release()
		c := ask("b")
		if a.ID() != 4 || c.ID() != 2 {
			t.Errorf("a got %d, want 4, which served it last, and b %d, want 2", a.ID(), c.ID())
		}
		rest := takeAll(t, p, 2)
		if rest[0].ID() != 1 || rest[1].ID() != 3 {
			t.Errorf("then came %d and %d, want 1 and 3", rest[0].ID(), rest[1].ID())
		}
		a.Release()
		giveAll(rest)
		c.Release()
		a = ask("a") // from the bottom
		if order := takeAll(t, p, 3); a.ID() != 4 || order[0].ID() != 2 || order[1].ID() != 3 || order[2].ID() != 1 {
			t.Errorf("a got %d, then came %d, %d and %d, want 4, then 2, 3 and 1: the others keep their order",
				a.ID(), order[0].ID(), order[1].ID(), order[2].ID())
		} else {
			giveAll(order)
		}
		a.Release()
		for _, info := range p.Resources() {
			if want := map[uint64]string{1: "a", 2: "b", 4: "a"}[info.ID]; info.Affinity != want {
				t.Errorf("%d has affinity %q, want %q", info.ID, info.Affinity, want)
			}
		}
	})
}

func TestSecondReleaseChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, Observer: told})
		h := take(t, p, "first")
		stale := h
		h.Release()
		if h.Held() || h.ID() != 0 {
			t.Error("still held after Release")
		}
		h.Release() // through the same variable
		next := take(t, p, "second")
		if !stale.Held() {
			t.Error("Held looks at this very variable only, and the copy was not released")
		}
		stale.Describe("touched")
		stale.Detach("touched")
		stale.Release() // through a copy, while another holds it
		for range 2 {
			again := next
			_ = again.Held()
		}
		if !next.Held() || next.Value().ended.Load() {
			t.Error("the new holder lost it")
		}
		info := p.Resources()[0]
		if info.State != lifecycle.InUse || info.Label != "second" || info.Detail != "" {
			t.Errorf("after stale calls the new holder's is %+v", info)
		}
		if n := len(told.all(lifecycle.KindReleaseUnknown)); n != 2 {
			t.Errorf("told of %d unknown releases, want 2", n)
		}
		check(t, p)
		next.Release()
		if s := p.Stats(); s.Acquired != 2 || s.Released != 2 || s.Idle != 1 {
			t.Errorf("at the end %+v", s)
		}
	})
}

func TestStaleDestroyLeavesTheNewHolderAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, Observer: told})
		h := take(t, p, "first")
		stale := h
		h.Release()
		idle := stale
		idle.Destroy(lifecycle.EndBroken) // while nobody holds it
		next := take(t, p, "second")
		stale.Destroy(lifecycle.EndBroken) // while another does
		synctest.Wait()
		if w.isEnded() != 0 || !next.Held() {
			t.Error("a stale handle destroyed the resource")
		}
		if n := len(told.all(lifecycle.KindReleaseUnknown)); n != 2 {
			t.Errorf("told of %d unknown releases, want 2", n)
		}
		next.Release()
	})
}

func TestZeroHandleHoldsNothing(t *testing.T) {
	var h lifecycle.Handle[*thing]
	if h.Held() || h.ID() != 0 {
		t.Error("the zero handle holds something")
	}
	h.Describe("x")
	h.Detach("x")
	h.Release()
	h.Destroy(lifecycle.EndBroken)
}

func TestDestroyedResourceIsReplacedForWhoWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, Observer: told})
		h := take(t, p, "first")
		second := call(t.Context(), p, priority.Options{})
		h.Destroy(lifecycle.EndBusy)
		if id := second.served(t).ID(); id != 2 {
			t.Errorf("got %d, want a new one", id)
		}
		second.h.Release()
		if ends := told.all(lifecycle.KindDestroy); len(ends) != 1 || ends[0].Reason != lifecycle.EndBusy {
			t.Errorf("told of the ends %v", ends)
		}
	})
}

func TestDestroyForNoReasonOrAnUnknownOneStillDestroys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1})
		for i, reason := range []lifecycle.EndReason{lifecycle.EndNone, lifecycle.EndReason(200)} {
			h := take(t, p, "")
			h.Destroy(reason)
			synctest.Wait()
			if w.isEnded() != i+1 {
				t.Fatalf("Destroy(%s) did not destroy", reason)
			}
		}
		if n := p.Stats().Destroyed[lifecycle.EndBroken]; n != 2 {
			t.Errorf("%d counted as broken, want both", n)
		}
	})
}

func TestChangedRequestDoesNotTakeThePermitOfAnotherClass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2})
		req := &lifecycle.Request{}
		h, err := p.AcquireFor(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		req.Class = priority.High // against the rule; it must not cost the pool its books
		h.Release()
		check(t, p)
		for _, c := range p.Stats().Classes {
			if c.Held != 0 {
				t.Errorf("class %s holds %d", c.Class, c.Held)
			}
		}
	})
}

func TestDescribeAndDetachSayWhatTheHolderDoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		req := &lifecycle.Request{Options: priority.Options{Label: "report", Tenant: "acme", Class: priority.Low}, Detail: "one"}
		h, err := p.AcquireFor(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		detail := func() string { return p.Resources()[0].Detail }
		if detail() != "one" {
			t.Errorf("detail is %q", detail())
		}
		h.Describe("two")
		if detail() != "two" {
			t.Errorf("described as %q", detail())
		}
		h.Detach("three")
		req.Label, req.Detail = "another", "another" // allowed now
		info := p.Resources()[0]
		if info.Detail != "three" || info.Label != "report" || info.Tenant != "acme" || info.Class != priority.Low {
			t.Errorf("after Detach %+v", info)
		}
		h.Release()
		if info := p.Resources()[0]; info.Detail != "" || info.Label != "" || info.State != lifecycle.Idle || info.Uses != 1 {
			t.Errorf("when idle %+v", info)
		}
	})
}

func TestAcquireFailsAtOnceWhenTheContextHasEnded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("the browser left")
		cancel(why)
		_, err := p.Acquire(ctx)
		e := acquireError(t, err)
		if !errors.Is(err, context.Canceled) || !errors.Is(err, why) || e.Refused.Reason != priority.Canceled {
			t.Errorf("refused with %v", err)
		}
		if s := p.Stats(); s.Total != 0 || s.Refused != 1 || s.Timeouts != 0 {
			t.Errorf("stats %+v", s)
		}
	})
}

func TestWaiterWhoLeavesCostsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		gone := call(ctx, p, priority.Options{})
		stays := call(t.Context(), p, priority.Options{})
		time.Sleep(2 * time.Second)
		if e := gone.refused(t); e.Refused.Reason != priority.Deadline || !e.Timeout() || !near(gone.waited, time.Second) {
			t.Errorf("after %s: %v", gone.waited, e)
		}
		check(t, p)
		h.Release()
		stays.served(t).Release()
	})
}
