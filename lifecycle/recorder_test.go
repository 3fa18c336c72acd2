package lifecycle_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/poolsql/poolsql/lifecycle"
)

// A recorder is an observer that keeps what it is told.
type recorder struct {
	mu     sync.Mutex
	events []lifecycle.Event
}

func (r *recorder) Observe(e lifecycle.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

// all returns the events so far of these kinds, or of every kind if none is named.
func (r *recorder) all(kinds ...lifecycle.Kind) []lifecycle.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(kinds) == 0 {
		return slices.Clone(r.events)
	}
	var some []lifecycle.Event
	for _, e := range r.events {
		if slices.Contains(kinds, e.Kind) {
			some = append(some, e)
		}
	}
	return some
}

// take returns the events since the last take, a line each.
func (r *recorder) take() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	lines := make([]string, len(r.events))
	for i, e := range r.events {
		lines[i] = line(e)
	}
	r.events = nil
	return lines
}

// line writes out everything in e that is not zero.
func line(e lifecycle.Event) string {
	var s strings.Builder
	s.WriteString(e.Kind.String())
	field := func(name string, value any, set bool) {
		if set {
			fmt.Fprintf(&s, " %s=%v", name, value)
		}
	}
	field("pool", e.Pool, e.Pool != "")
	field("resource", e.Resource, e.Resource != 0)
	field("class", e.Class, e.Class != 0)
	field("label", e.Label, e.Label != "")
	field("tenant", e.Tenant, e.Tenant != "")
	field("wait", e.Wait, e.Wait != 0)
	field("duration", e.Duration, e.Duration != 0)
	field("count", e.Count, e.Count != 0)
	field("reason", e.Reason, e.Reason != lifecycle.EndNone)
	field("refusal", e.Refusal, e.Refusal != 0)
	field("detail", e.Detail, e.Detail != "")
	field("stack", len(e.Stack), e.Stack != nil)
	field("code", e.Code, e.Code != "")
	field("err", e.Err, e.Err != nil)
	return s.String()
}

// checkBalance fails the test unless every resource that was lent came back, and every one created was destroyed, by what
// the observer was told. It may be asked when the pool is empty.
func (r *recorder) checkBalance(t *testing.T) {
	t.Helper()
	lent, created := map[uint64]int{}, map[uint64]int{}
	for _, e := range r.all() {
		switch e.Kind {
		case lifecycle.KindAcquire:
			lent[e.Resource]++
		case lifecycle.KindRelease:
			lent[e.Resource]--
		case lifecycle.KindCreate:
			created[e.Resource]++
		case lifecycle.KindDestroy, lifecycle.KindDestroyError:
			created[e.Resource]--
		}
	}
	for id, n := range lent {
		if n != 0 {
			t.Errorf("the observer was told of %+d more acquires than releases of resource %d", n, id)
		}
	}
	for id, n := range created {
		if n != 0 {
			t.Errorf("the observer was told of %+d more creations than ends of resource %d", n, id)
		}
	}
}
