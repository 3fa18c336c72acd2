package priority

import (
	"testing"
	"time"
)

// overload is 2,400 calls a second of 5.25 ms each, with 250 ms for each, on 8 permits, which is for 1,524.
func overload(mode Shedding, streams ...simStream) simulation {
	for i := range streams {
		streams[i].work, streams[i].deadline = 5*time.Millisecond, 250*time.Millisecond
	}
	return simulation{limits: Limits{Permits: 8, Shedding: mode}, duration: 6 * time.Second, streams: streams}
}

func TestUnderOverloadTheServerIsKeptBusyWithCallsThatAreOfUse(t *testing.T) {
	for seed := range uint64(3) {
		s := overload(ShedOn, simStream{perSecond: 2400})
		s.seed = seed
		out, _ := s.run(t)
		got := summarize(out[0])
		if rate := got.ok / 6; rate < 1500 || got.p99 > 40*time.Millisecond || got.p50 > 9*time.Millisecond {
			t.Errorf("seed %d: %d a second were answered: %v; want 1,500, a p99 of 40 ms, and a p50 of 9, as the newest go first", seed, rate, got)
		}
	}
	out, stats := overload(ShedOff, simStream{perSecond: 2400}).run(t)
	if got := summarize(out[0]); got.ok > 3000 {
		t.Errorf("without shedding: %v; want next to nothing, or else this test tests nothing", got)
	}
	if n := stats.Class(Normal).Refused[Shed]; n != 0 {
		t.Errorf("%d were shed where that is off", n)
	}
}

func TestUnderOverloadTheLowClassPaysAndHighDoesNotNotice(t *testing.T) {
	for seed := range uint64(3) {
		s := overload(ShedOn,
			simStream{options: Options{Class: High}, perSecond: 240}, simStream{options: Options{Class: Normal}, perSecond: 240},
			simStream{options: Options{Class: Low}, perSecond: 1920})
		s.seed = seed
		out, _ := s.run(t)
		high, normal, low := summarize(out[0]), summarize(out[1]), summarize(out[2])
		if high.ok != high.calls || normal.ok != normal.calls || high.p99 > 9*time.Millisecond {
			t.Errorf("seed %d: high: %v; normal: %v; want all answered, and high's p99 at 9 ms", seed, high, normal)
		}
		if (high.ok+normal.ok+low.ok)/6 < 1480 {
			t.Errorf("seed %d: low: %v; want the rest of 1,500 a second", seed, low)
		}
	}
}

func TestAHighClassThatIsTooMuchByItselfLeavesLowATrickle(t *testing.T) {
	out, _ := overload(ShedOn,
		simStream{options: Options{Class: High}, perSecond: 2400}, simStream{options: Options{Class: Low}, perSecond: 1000}).run(t)
	high, low := summarize(out[0]), summarize(out[1])
	if high.refused[Shed] > 0 {
		t.Errorf("high: %v; want nobody shed", high)
	}
	if share := float64(low.ok) / float64(high.ok+low.ok); share < 0.05 || share > 0.08 {
		t.Errorf("low: %v beside %v, %.3f of all; want 1 in 16", low, high, share)
	}
	if high.ok/6 < 1300 {
		t.Errorf("high: %v; want most of what can be served, although its queue is never cut", high)
	}
}

func TestWhoCannotBeDoneBeforeItsDeadlineIsRefusedAtOnce(t *testing.T) {
	s := simulation{
		limits: Limits{Permits: 1, Shedding: ShedOn}, duration: 4 * time.Second,
		streams: []simStream{
			{callers: 1, work: 100 * time.Millisecond, options: Options{Label: "long"}},
			{perSecond: 50, work: 100 * time.Millisecond, deadline: 60 * time.Millisecond, from: 2 * time.Second, options: Options{Label: "long"}},
		},
	}
	out, _ := s.run(t)
	late := summarize(out[1])
	at := 0
	for _, c := range out[1] {
		if r, ok := c.err.(*RefusedError); ok && r.Reason == TooLate {
			if c.took == 0 {
				at++
			}
			if r.RetryAfter <= 0 {
				t.Fatalf("%v does not say when to come again", r)
			}
		}
	}
	if share := float64(at) / float64(late.calls); share < 0.85 {
		t.Errorf("%v; %.2f at once, want nearly all", late, share)
	}
	if share := float64(late.calls-late.refused[TooLate]) / float64(late.calls); share == 0 {
		t.Errorf("%v; want a few let through, so that a wrong estimate can be corrected", late)
	}
}

// Were nobody let through, what was once slow would never be served again.
func TestAnEstimateThatIsTooHighIsCorrected(t *testing.T) {
	s := simulation{
		limits: Limits{Permits: 2, Shedding: ShedOn}, duration: 20 * time.Second,
		streams: []simStream{
			{callers: 3, work: 200 * time.Millisecond, options: Options{Label: "x"}, to: 5 * time.Second},
			{perSecond: 300, work: 5 * time.Millisecond, deadline: 50 * time.Millisecond, options: Options{Label: "x"}, from: 6 * time.Second},
		},
	}
	out, _ := s.run(t)
	var late []simCall
	for _, c := range out[1] {
		if c.at > 12*time.Second {
			late = append(late, c)
		}
	}
	if got := summarize(late); got.refused[TooLate] > got.calls/100 {
		t.Errorf("6 s after x became quick: %v", got)
	}
}

func TestADryRunRefusesNobodyAndCountsWhatItWouldHave(t *testing.T) {
	streams := func() []simStream {
		return []simStream{{options: Options{Class: High}, perSecond: 240}, {options: Options{Class: Low}, perSecond: 2160}}
	}
	off := overload(ShedOff, streams()...)
	dry := overload(ShedDryRun, streams()...)
	outOff, _ := off.run(t)
	outDry, stats := dry.run(t)
	for i := range outOff {
		a, b := summarize(outOff[i]), summarize(outDry[i])
		if a.ok != b.ok || b.refused[Shed]+b.refused[TooLate] > 0 {
			t.Errorf("off: %v; dry-run: %v", a, b)
		}
	}
	if would := stats.Class(Low).WouldRefuse; would[Shed]+would[TooLate] < 3000 {
		t.Errorf("%v of low would be turned away; want thousands", would)
	}
	if would := stats.Class(High).WouldRefuse; would[Shed] > 0 {
		t.Errorf("%v of high would be turned away", would)
	}
}

func TestNobodyIsShedWithoutOverload(t *testing.T) {
	out, stats := overload(ShedOn, simStream{options: Options{Class: Low}, perSecond: 1000},
		simStream{perSecond: 200}).run(t)
	for i := range out {
		if got := summarize(out[i]); got.ok != got.calls {
			t.Errorf("stream %d: %v, with %v", i, got, stats.Class(Low).Refused)
		}
	}
}

func TestASuspensionIsNoOverload(t *testing.T) {
	s := overload(ShedOn, simStream{options: Options{Class: Low}, perSecond: 200})
	s.streams[0].deadline = 0
	s.during = func(sem *Semaphore) {
		time.Sleep(time.Second)
		sem.mu.Lock()
		sem.sched.Suspend()
		sem.mu.Unlock()
		time.Sleep(time.Second)
		sem.mu.Lock()
		sem.sched.Resume()
		sem.dispatchAndUnlock()
	}
	out, _ := s.run(t)
	if got := summarize(out[0]); got.ok < got.calls-200 || got.calls == 0 {
		t.Errorf("%v; want those served who came meanwhile", got)
	}
}

func TestSheddingCanBeTurnedOnAndOffWhileManyWait(t *testing.T) {
	s := overload(ShedOff, simStream{options: Options{Class: Low}, perSecond: 2160}, simStream{perSecond: 240})
	s.during = func(sem *Semaphore) {
		for i := range 50 {
			time.Sleep(100 * time.Millisecond)
			l := sem.Limits()
			l.Shedding = Shedding(i % 3)
			if err := sem.SetLimits(l); err != nil {
				t.Error(err)
			}
		}
	}
	out, _ := s.run(t)
	if got := summarize(out[0]); got.refused[Shed] == 0 {
		t.Errorf("%v; want some shed", got)
	}
}
