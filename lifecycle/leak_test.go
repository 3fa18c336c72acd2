package lifecycle_test

import (
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestLeakIsToldOnceALendingWhenTheThresholdHasPassed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3, LeakThreshold: 10 * time.Second, Observer: told})
		var at []time.Duration
		start := time.Now()
		look := func(d time.Duration) {
			for range int(d / time.Second) {
				time.Sleep(time.Second)
				synctest.Wait()
				check(t, p)
				for range told.all(lifecycle.KindLeak)[len(at):] {
					at = append(at, time.Since(start))
				}
			}
		}
		stack := make([]uintptr, 4)
		stack = stack[:runtime.Callers(1, stack)]
		forgotten := &lifecycle.Request{
			Options: priority.Options{Class: priority.Low, Label: "report", Tenant: "acme"}, Detail: "select ?", Stack: stack,
		}
		h, err := p.AcquireFor(t.Context(), forgotten)
		if err != nil {
			t.Fatal(err)
		}
		look(3 * time.Second)
		later := take(t, p, "later")
		exempt, err := p.AcquireFor(t.Context(), &lifecycle.Request{Options: priority.Options{Exempt: true}})
		if err != nil {
			t.Fatal(err)
		}
		look(30 * time.Second) // each of the two once, the third never
		h.Release()
		look(5 * time.Second)
		again := take(t, p, "again") // at 38 s
		look(20 * time.Second)
		for _, h := range []*lifecycle.Handle[*thing]{&later, &exempt, &again} {
			h.Release()
		}
		for range 20 {
			h := take(t, p, "short")
			look(3 * time.Second)
			h.Release()
		}
		events := told.all(lifecycle.KindLeak)
		want := []time.Duration{10 * time.Second, 13 * time.Second, 48 * time.Second}
		if len(events) != 3 || len(at) != 3 {
			t.Fatalf("told of %v at %v", events, at)
		}
		for i, label := range []string{"report", "later", "again"} {
			if events[i].Label != label || at[i] != want[i] || !near(events[i].Duration, 10*time.Second) {
				t.Errorf("told at %s of %v, want %q at %s", at[i], events[i], label, want[i])
			}
		}
		clear(stack) // the request is its owner's again
		e := events[0]
		if e.Resource != 1 || e.Class != priority.Low || e.Tenant != "acme" || e.Detail != "select ?" ||
			!strings.Contains(lifecycle.FormatStack(e.Stack), "TestLeakIsToldOnce") {
			t.Errorf("told %+v with\n%s", e, lifecycle.FormatStack(e.Stack))
		}
		if n := p.Stats().Leaks; n != 3 {
			t.Errorf("%d were counted", n)
		}
	})
}

func TestNobodyLooksForLeaksWhereThereIsNothingOrNobodyAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, Observer: told})
		h := take(t, p, "")
		time.Sleep(1000 * time.Hour)
		h.Release()
		q := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, LeakThreshold: time.Second, Observer: told})
		for range 2 { // once more after there was nothing
			h = take(t, q, "")
			h.Destroy(lifecycle.EndBroken)
			time.Sleep(time.Minute)
		}
		h = take(t, q, "")
		time.Sleep(time.Minute)
		if n := len(told.all(lifecycle.KindLeak)); n != 1 {
			t.Errorf("told of %d leaks", n)
		}
		q.Close()
		h.Release()
	})
}

func TestHolderIsNamedWithThePlaceThatAcquired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, AcquireTimeout: time.Second})
		stack := make([]uintptr, 8)
		stack = stack[:runtime.Callers(1, stack)]
		h, err := p.AcquireFor(t.Context(), &lifecycle.Request{Stack: stack})
		if err != nil {
			t.Fatal(err)
		}
		e := call(t.Context(), p, priority.Options{}).refused(t)
		clear(stack)
		if text := e.Error(); !strings.Contains(text, "held by unlabeled (normal) for 1s since lifecycle_test.TestHolder") ||
			!strings.Contains(text, " at leak_test.go:") {
			t.Errorf("it says %s", text)
		}
		if s := lifecycle.FormatStack(nil); s != "" {
			t.Errorf("no stack is %q", s)
		}
		lines := strings.Split(lifecycle.FormatStack(e.Holders[0].Stack), "\n")
		if !strings.Contains(lines[0], "TestHolderIsNamed") || !strings.HasPrefix(lines[1], "\t") || !strings.Contains(lines[1], "leak_test.go:") {
			t.Errorf("the stack is %q", lines)
		}
		h.Release()
	})
}
