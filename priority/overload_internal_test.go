package priority

import (
	"testing"
	"time"
)

// Who is let through so that an estimate can be corrected has to be let through to the end.
func TestOneInSoManyOfThoseWhoWouldBeTooLateIsServed(t *testing.T) {
	s := simulation{
		limits: Limits{Permits: 1, Shedding: ShedOn}, duration: 60 * time.Second,
		streams: []simStream{
			{callers: 3, work: 100 * time.Millisecond, options: Options{Label: "long"}},
			{perSecond: 20, work: time.Millisecond, deadline: 90 * time.Millisecond, from: 5 * time.Second, options: Options{Label: "long", Class: High}},
		},
	}
	out, _ := s.run(t)
	if got := summarize(out[1]); got.ok < got.calls/40 || got.ok > got.calls/10 {
		t.Errorf("%v; want one in 16 let through, and most of these answered", got)
	}
}

// Without labels nothing tells a call of a second from one of a millisecond, and the short ones may not pay for it.
func TestNobodyIsTooLateForWhatOthersTake(t *testing.T) {
	for name, label := range map[string]string{"no label": "", "a label that is new": "new"} {
		s := simulation{
			limits: Limits{Permits: 4, Shedding: ShedOn}, duration: 20 * time.Second,
			streams: []simStream{
				{callers: 6, work: time.Second},
				{callers: 3, work: time.Millisecond, to: 9 * time.Second},
				{perSecond: 2, work: time.Millisecond, deadline: 900 * time.Millisecond, from: 10 * time.Second, options: Options{Class: High, Label: label}},
			},
		}
		if label != "" {
			s.streams[2].perSecond = 0.3 // it does not become known
		}
		out, _ := s.run(t)
		if got := summarize(out[2]); got.refused[TooLate] > 0 || got.calls == 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// A pool whose connections come and go has as many permits as it had, and is as overloaded.
func TestPermitsThatComeAndGoDoNotHideAnOverload(t *testing.T) {
	s := overload(ShedOn, simStream{options: Options{Class: Low}, perSecond: 2400})
	s.during = func(sem *Semaphore) {
		for range 100 {
			time.Sleep(25 * time.Millisecond)
			sem.mu.Lock()
			sem.sched.Grow(-1)
			sem.mu.Unlock()
			time.Sleep(25 * time.Millisecond)
			sem.mu.Lock()
			sem.sched.Grow(1)
			sem.dispatchAndUnlock()
			if err := sem.SetLimits(sem.Limits()); err != nil {
				t.Error(err)
			}
		}
	}
	out, _ := s.run(t)
	if got := summarize(out[0]); got.p99 > 60*time.Millisecond || got.ok < 8000 {
		t.Errorf("%v; want it shed as ever", got)
	}
}

// Those who waited while nobody could be served are no overload, whatever was before.
func TestAnOverloadBeforeASuspensionSaysNothingAboutWhatComesAfter(t *testing.T) {
	for name, stop := range map[string]func(*Scheduler) (resume func()){
		"suspended": func(s *Scheduler) func() { s.Suspend(); return s.Resume },
		"no permit": func(s *Scheduler) func() { s.Grow(-8); return func() { s.Grow(8) } },
	} {
		s := overload(ShedOn, simStream{options: Options{Class: Low}, perSecond: 2400, to: time.Second},
			simStream{options: Options{Class: Low}, perSecond: 10, from: 1100 * time.Millisecond})
		s.streams[1].deadline = 0
		s.during = func(sem *Semaphore) {
			time.Sleep(time.Second)
			sem.mu.Lock()
			resume := stop(&sem.sched)
			sem.mu.Unlock()
			time.Sleep(3 * time.Second)
			sem.mu.Lock()
			resume()
			sem.dispatchAndUnlock()
		}
		out, stats := s.run(t)
		if n := stats.Class(Low).Refused[Shed]; n == 0 {
			t.Errorf("%s: want some shed before", name)
		}
		if got := summarize(out[1]); got.ok != got.calls || got.calls == 0 {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Most of those who wait in a queue that is too long leave it, and would have been turned away.
func TestADryRunCountsThoseWhoLeaveToo(t *testing.T) {
	s := simulation{
		limits: Limits{Permits: 1, Shedding: ShedDryRun}, duration: 10 * time.Second,
		streams: []simStream{{options: Options{Class: Low}, perSecond: 100, work: 50 * time.Millisecond, deadline: 400 * time.Millisecond}},
	}
	out, stats := s.run(t)
	got, would := summarize(out[0]), stats.Class(Low).WouldRefuse
	if left := got.refused[Deadline]; left < 500 || would[Shed]+would[TooLate] < uint64(left) {
		t.Errorf("%v; %v would be turned away", got, would)
	}
}

func TestWhenToComeAgainIsNeverLongNorNothing(t *testing.T) {
	for _, took := range []time.Duration{0, time.Microsecond, time.Second, 24 * time.Hour, 1000 * 24 * time.Hour} {
		var s Scheduler
		s.Init(Limits{Permits: 1, Shedding: ShedOn}, func() {})
		for range costKnown {
			s.Reckon(Use{}, "", "", took)
		}
		for _, waiting := range []int{0, 1, 1_000_000} {
			s.waiting = waiting
			if d := s.comeBack(); d < shedInterval || d > 90*time.Second || took >= time.Hour && d < time.Minute {
				t.Errorf("%d wait for what takes %v: come again in %v", waiting, took, d)
			}
		}
	}
}
