package lifecycle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestWaitersAreThoseWhoWaitTheLongestFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "holder")
		if w := p.Waiters(10); len(w) != 0 {
			t.Errorf("nobody waits, but %+v", w)
		}
		ctx, cancel := context.WithCancel(t.Context())
		callers := []*caller{
			call(ctx, p, priority.Options{Class: priority.Low, Label: "report", Tenant: "acme"}),
		}
		time.Sleep(time.Second)
		callers = append(callers, call(t.Context(), p, priority.Options{Class: priority.High, Label: "checkout"}))
		time.Sleep(time.Second)
		callers = append(callers, call(t.Context(), p, priority.Options{Label: "search"}))

		want := []lifecycle.Waiting{
			{Class: priority.Low, Label: "report", Tenant: "acme", Waited: 2 * time.Second},
			{Class: priority.High, Label: "checkout", Waited: time.Second},
			{Label: "search"},
		}
		for limit := range 5 {
			expectWaiters(t, p.Waiters(limit), want[:min(limit, 3)])
		}
		if w := p.Waiters(-1); w != nil {
			t.Errorf("of less than none it returned %+v", w)
		}

		cancel()
		synctest.Wait()
		expectWaiters(t, p.Waiters(10), want[1:])
		h.Release()
		synctest.Wait() // checkout has it
		expectWaiters(t, p.Waiters(10), want[2:])

		_ = callers[0].refused(t)
		for _, c := range callers[1:] {
			h := c.served(t)
			h.Release()
		}
		expectWaiters(t, p.Waiters(10), nil)
	})
}

func expectWaiters(t *testing.T, got, want []lifecycle.Waiting) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d wait: %+v, want %+v", len(got), got, want)
	}
	for i, w := range want {
		if !near(got[i].Waited, w.Waited) {
			t.Errorf("%q has waited for %s, want %s", w.Label, got[i].Waited, w.Waited)
		}
		got[i].Waited = w.Waited
		if got[i] != w {
			t.Errorf("number %d is %+v, want %+v", i+1, got[i], w)
		}
	}
}
