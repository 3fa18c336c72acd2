package priority

import (
	"context"
	"testing"
	"time"
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

// Whoever waited for the end of a suspension is as if it had come then: the time before says nothing of the queue.
func TestATimeThatWasSuspendedDoesNotCountAsDelay(t *testing.T) {
	var s Scheduler
	s.Init(Limits{Permits: 1, Shedding: ShedOn}, func() {})
	defer s.Stop()
	for range costKnown {
		s.costs.learn("", 10*time.Millisecond)
	}
	vigil := &s.shed.vigils[Low.rank()]
	vigil.overloaded, vigil.limit = true, 20*time.Millisecond // as it was before
	s.Suspend()
	var b Batch
	long := NewWaiter(context.Background(), &Options{Class: Low}, Now().Add(-10*time.Second))
	defer long.Free()
	s.Enqueue(long, &b)
	s.Resume()
	resumed := s.shed.fresh
	late := NewWaiter(context.Background(), &Options{Class: Low}, resumed.Add(5*time.Millisecond))
	defer late.Free()
	s.Enqueue(late, &b)
	for w, want := range map[*Waiter]time.Duration{long: 8 * time.Millisecond, late: 3 * time.Millisecond} {
		if got := s.age(w, resumed.Add(8*time.Millisecond)); got != want {
			t.Errorf("its age is %s, want %s", got, want)
		}
	}
	if w := s.Next(resumed.Add(8*time.Millisecond), &b); w != long || late.state != queued {
		t.Errorf("%v is next, want the one who has waited for the end of the suspension", w)
	}
	s.Release(Low)
	if w := s.Next(resumed.Add(time.Second), &b); w != nil || late.state != refused || late.reason != Shed {
		t.Errorf("%v is next, want the other to be shed, who waited for a second after the suspension", w)
	}
}
