package priority

import (
	"context"
	"fmt"
	"testing"
)

// bench is a scheduler with all its permits out.
func bench(l Limits) *Scheduler {
	s := &Scheduler{}
	s.Init(l, func() {})
	for s.TryAdmit(High) {
	}
	return s
}

func (s *Scheduler) comes(o Options, b *Batch) (*Waiter, bool) {
	w := NewWaiter(context.Background(), &o, Now())
	return w, s.Enqueue(w, b)
}

func TestATenantsLowCallsDoNotKeepItsHighOnesOut(t *testing.T) {
	s := bench(Limits{Permits: 1, TenantWaiting: 2})
	var b Batch
	first, _ := s.comes(Options{Tenant: "a", Class: Low}, &b)
	s.comes(Options{Tenant: "a"}, &b)
	if _, ok := s.comes(Options{Tenant: "a", Class: High}, &b); !ok || first.reason != Evicted {
		t.Errorf("high queued: %t; low: %v", ok, first.reason)
	}
	if w, ok := s.comes(Options{Tenant: "a", Class: Low}, &b); ok || w.reason != TenantFull {
		t.Errorf("low queued: %t, %v", ok, w.reason)
	}
	if _, ok := s.comes(Options{Tenant: "b", Class: Low}, &b); !ok {
		t.Error("another tenant was refused")
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

func TestATenantWhoFillsTheQueueDoesNotHaveItForItself(t *testing.T) {
	s := bench(Limits{Permits: 1, MaxWaiting: 10})
	var b Batch
	var first *Waiter
	for i := range 10 {
		w, _ := s.comes(Options{Tenant: "elephant"}, &b)
		if i == 0 {
			first = w
		}
	}
	if w, ok := s.comes(Options{Tenant: "elephant"}, &b); ok || w.reason != QueueFull {
		t.Errorf("the elephant's next is queued: %t, %v", ok, w.reason)
	}
	if _, ok := s.comes(Options{Tenant: "mouse"}, &b); !ok || first.reason != Evicted {
		t.Errorf("the mouse is queued: %t; the elephant's first: %v", ok, first.reason)
	}
	for range 8 {
		s.comes(Options{Tenant: "mouse"}, &b)
	}
	if e, m := s.flows.named["elephant"].waiting, s.flows.named["mouse"].waiting; e != 5 || m != 5 {
		t.Errorf("%d of the elephant and %d of the mouse wait, want 5 each", e, m)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}

func TestWhoHadAPermitGoesFirstWhereTheNewestDo(t *testing.T) {
	s := bench(Limits{Permits: 1, TenantPermits: 1, Shedding: ShedOn})
	var b Batch
	s.comes(tenant("a"), &b)
	s.classes[Normal.rank()].newestFirst = true
	o := tenant("a")
	again := NewWaiter(context.Background(), &o, Now())
	s.EnqueueFront(again)
	s.Release(High)
	if w := s.Next(Now(), &b); w != again {
		t.Error("somebody else was served first")
	}
}

// Of two who share one of their lines, the one who came second has seven others.
func TestATenantDoesNotWaitForTheCapOfAnotherWithWhomItSharesALine(t *testing.T) {
	var s Scheduler
	s.Init(Limits{Permits: 10_000, TenantPermits: 1}, func() {})
	for i := range maxTenants + 24 {
		o := tenant(fmt.Sprint(i))
		var use Use
		if !s.Admit(&o, Now(), &use) {
			t.Fatalf("tenant %d was not admitted, although it holds nothing", i)
		}
	}
	if s.flows.shards == nil {
		t.Error("no lines are shared")
	}
}
