package priority

import (
	"context"
	"testing"
)

func TestSuspendedSchedulerGrantsNothingAndForgetsNobody(t *testing.T) {
	var s Scheduler
	s.Init(Limits{Permits: 2, MaxWaiting: 3}, func() {})
	if !s.TryAdmit(Normal) {
		t.Fatal("the first got nothing")
	}
	s.Suspend()
	s.Suspend()
	if s.TryAdmit(High) {
		t.Error("one more was admitted")
	}
	var b Batch
	var waiters []*Waiter
	for _, c := range []Class{Low, Normal, High} {
		w := NewWaiter(context.Background(), &Options{Class: c}, Now())
		defer w.Free()
		if !s.Enqueue(w, &b) {
			t.Fatalf("%s was not queued", c)
		}
		waiters = append(waiters, w)
	}
	s.Release(Normal)
	s.Grow(1)
	s.SetLimits(Limits{Permits: 2})
	if w := s.Next(Now(), &b); w != nil || s.Out() != 0 {
		t.Errorf("%v was granted a permit; %d are out", w, s.Out())
	}
	if got := s.Limits().Permits; got != 2 {
		t.Errorf("the limit is %d while it is suspended", got)
	}
	s.Resume()
	for _, want := range []*Waiter{waiters[2], waiters[1], nil} {
		if w := s.Next(Now(), &b); w != want {
			t.Errorf("next is %v, want %v", w, want)
		}
	}
	if !s.Leave(waiters[0], Canceled) {
		t.Error("the last may not leave")
	}
}
