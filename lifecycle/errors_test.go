package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestAcquireErrorTellsTheRuleAndWhoIsInTheWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Name: "orders", Max: 3, AcquireTimeout: 2 * time.Second})
		var hs []lifecycle.Handle[*thing]
		for _, o := range []priority.Options{
			{Label: "nightly report", Tenant: "acme", Class: priority.Low}, {}, {Label: "checkout", Class: priority.High},
		} {
			h, err := p.AcquireFor(t.Context(), &lifecycle.Request{Options: o})
			if err != nil {
				t.Fatal(err)
			}
			hs = append(hs, h)
			time.Sleep(time.Minute)
		}
		c := call(t.Context(), p, priority.Options{Label: "search", Tenant: "umbrella"})
		time.Sleep(time.Second)
		after := call(t.Context(), p, priority.Options{})
		e := c.refused(t)
		want := `poolsql: pool "orders": acquire timeout after waiting 2s: class normal, label "search", tenant "umbrella", ` +
			`3 of 3 in use, 2 waiting; 3 open and 0 opening of at most 3; held by "nightly report" of "acme" (low) for 3m2s, ` +
			`unlabeled (normal) for 2m2s, "checkout" (high) for 1m2s`
		if e.Error() != want {
			t.Errorf("it says\n%s\nwant\n%s", e, want)
		}
		if e.Refused.Waited != 2*time.Second || e.Refused.Depth != 2 || e.Max != 3 || len(e.Holders) != 3 || e.Holders[0].Resource != 1 {
			t.Errorf("%+v of %+v", e, e.Refused)
		}
		giveAll(hs)
		after.served(t).Release()
	})
}

func TestAcquireErrorNamesEightHoldersAndCountsTheRest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 11, AcquireTimeout: time.Second})
		var hs []lifecycle.Handle[*thing]
		for i := range 11 {
			hs = append(hs, take(t, p, fmt.Sprint("number ", i+1)))
			time.Sleep(time.Second)
		}
		e := call(t.Context(), p, priority.Options{}).refused(t)
		for i, h := range e.Holders {
			if want := fmt.Sprint("number ", i+1); h.Label != want || h.Held != time.Duration(12-i)*time.Second {
				t.Errorf("holder %d is %s, want %s", i+1, h, want)
			}
		}
		if len(e.Holders) != 8 || e.MoreHolders != 3 || !strings.HasSuffix(e.Error(), " and 3 more") {
			t.Errorf("%d named and %d more: %v", len(e.Holders), e.MoreHolders, e)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		err := p.Drain(ctx)
		var drained *lifecycle.DrainError
		if !errors.As(err, &drained) || len(drained.Stragglers) != 11 || !strings.Contains(err.Error(), " and 3 more: context deadline") {
			t.Errorf("Drain said %v", err)
		}
		giveAll(hs)
	})
}

func TestAcquireErrorSaysOnceWhyNothingCanBeOpened(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, AcquireTimeout: 10 * time.Second})
		fromQueue := call(t.Context(), p, priority.Options{}).refused(t)
		atOnce := call(t.Context(), p, priority.Options{}).refused(t)
		timedOut := call(t.Context(), p, priority.Options{Retries: 1}).refused(t)
		for _, e := range []*lifecycle.AcquireError{fromQueue, atOnce, timedOut} {
			var failed *lifecycle.CreateError
			if n := strings.Count(e.Error(), errDown.Error()); n != 1 || !errors.As(e, &failed) {
				t.Errorf("it is said %d times: %v", n, e)
			}
			if isCause := e != timedOut; (e.LastFailure == nil) != isCause {
				t.Errorf("the last failure of %v is %v", e, e.LastFailure)
			}
		}
	})
}

func TestFailureThatIsOverIsNotBlamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, AcquireTimeout: time.Second})
		_ = call(t.Context(), p, priority.Options{}).refused(t)
		w.set(func(w *works) { w.createFails = nil })
		time.Sleep(time.Second)
		h := take(t, p, "")
		if e := call(t.Context(), p, priority.Options{}).refused(t); e.LastFailure != nil || errors.Is(e, errDown) {
			t.Errorf("refused with %v", e)
		}
		h.Release()
	})
}

// turnedAway returns an error of each kind that Acquire can return.
func turnedAway(t *testing.T) map[string]error {
	all := map[string]error{}
	cause := errors.New("the caller's cause")
	w := &works{}
	p := newPool(t, w, lifecycle.Config[*thing]{Max: 1, MaxWaiting: 1, AcquireTimeout: time.Second})
	h := take(t, p, "")
	o := priority.Options{Class: priority.Low}

	all["timeout"] = call(t.Context(), p, o).refused(t)

	ctx, cancel := context.WithTimeoutCause(t.Context(), time.Millisecond, cause)
	defer cancel()
	all["deadline"] = call(ctx, p, o).refused(t)
	_, all["deadline before"] = p.Acquire(ctx)

	ctx, stop := context.WithCancelCause(t.Context())
	c := call(ctx, p, o)
	stop(cause)
	all["canceled"] = c.refused(t)
	_, all["canceled before"] = p.Acquire(ctx)

	low := call(t.Context(), p, o)
	all["queue full"] = call(t.Context(), p, o).refused(t)
	high := call(t.Context(), p, priority.Options{Class: priority.High})
	all["evicted"] = low.refused(t)
	p.Clear("deploying")
	all["cleared"] = high.refused(t)

	h.Destroy(lifecycle.EndBroken)
	synctest.Wait()
	w.set(func(w *works) { w.createFails = net.ErrClosed })
	all["unavailable"] = call(t.Context(), p, o).refused(t)
	all["unavailable at once"] = call(t.Context(), p, o).refused(t)
	all["timeout while down"] = call(t.Context(), p, priority.Options{Retries: 1}).refused(t)

	p.Close()
	_, all["closed"] = p.Acquire(t.Context())
	return all
}

func TestWhatErrorsIsFinds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sentinels := map[string]error{
			"ErrTimeout": priority.ErrTimeout, "ErrQueueFull": priority.ErrQueueFull, "ErrCleared": priority.ErrCleared,
			"ErrClosed": lifecycle.ErrClosed, "ErrUnavailable": priority.ErrUnavailable,
			"DeadlineExceeded": context.DeadlineExceeded, "Canceled": context.Canceled, "net.ErrClosed": net.ErrClosed,
		}
		want := map[string]string{
			"timeout":             "ErrTimeout DeadlineExceeded Timeout",
			"deadline":            "DeadlineExceeded Timeout cause",
			"deadline before":     "DeadlineExceeded Timeout cause",
			"canceled":            "Canceled cause",
			"canceled before":     "Canceled cause",
			"queue full":          "ErrQueueFull",
			"evicted":             "ErrQueueFull",
			"cleared":             "ErrCleared",
			"unavailable":         "ErrUnavailable net.ErrClosed CreateError",
			"unavailable at once": "ErrUnavailable net.ErrClosed CreateError",
			"timeout while down":  "ErrTimeout DeadlineExceeded Timeout net.ErrClosed CreateError",
			"closed":              "ErrClosed",
		}
		errs := turnedAway(t)
		for name, list := range want {
			err := errs[name]
			e := acquireError(t, err)
			expected := map[string]bool{}
			for _, f := range strings.Fields(list) {
				expected[f] = true
			}
			found := map[string]bool{
				"Timeout": e.Timeout(), "cause": strings.Contains(err.Error(), "the caller's cause"),
			}
			for n, sentinel := range sentinels {
				found[n] = errors.Is(err, sentinel)
			}
			var create *lifecycle.CreateError
			found["CreateError"] = errors.As(err, &create)
			for f, is := range found {
				if is != expected[f] {
					t.Errorf("%s: %s is %t in %v", name, f, is, err)
				}
			}
			var refused *priority.RefusedError
			var timeout interface{ Timeout() bool }
			if !errors.As(err, &refused) || refused != e.Refused || !errors.As(err, &timeout) || timeout.Timeout() != e.Timeout() {
				t.Errorf("%s: errors.As finds the wrong thing in %v", name, err)
			}
		}
		if len(errs) != len(want) {
			t.Errorf("%d errors, want %d", len(errs), len(want))
		}
	})
}

func TestCreateErrorSaysHowOftenItFailed(t *testing.T) {
	for n, want := range map[int]string{1: "cannot open: connection refused", 7: "cannot open (7 failures in a row): connection refused"} {
		if e := (&lifecycle.CreateError{Failures: n, Err: errDown}); e.Error() != want || !errors.Is(e, errDown) {
			t.Errorf("%q, want %q", e, want)
		}
	}
}
