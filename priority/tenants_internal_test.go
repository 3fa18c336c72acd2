package priority

import (
	"context"
	"fmt"
	"testing"
	"time"
)

func tenant(name string) Options { return Options{Tenant: name, Label: name} }

// busyTime is how long a stream's calls held permits between from and to.
func busyTime(calls []simCall, from, to time.Duration) time.Duration {
	var sum time.Duration
	for _, c := range calls {
		if c.ok() && c.at+c.took > from && c.at+c.took <= to {
			sum += c.took - c.wait
		}
	}
	return sum
}

func TestTenantsShareByTheTimeThatTheyUseAndByWeight(t *testing.T) {
	const second = time.Second
	for name, tt := range map[string]struct {
		weights Weights
		streams []simStream
		want    []float64 // shares
	}{
		"many calls beside few": {nil, []simStream{
			{options: tenant("a"), callers: 400, work: 5 * time.Millisecond},
			{options: tenant("b"), callers: 20, work: 5 * time.Millisecond},
		}, []float64{0.5, 0.5}},
		"long calls beside short ones": {nil, []simStream{
			{options: tenant("a"), callers: 40, work: 50 * time.Millisecond},
			{options: tenant("b"), callers: 40, work: 2 * time.Millisecond},
		}, []float64{0.5, 0.5}},
		"long calls beside short ones, of which nothing is known": {nil, []simStream{
			{options: Options{Tenant: "a"}, callers: 40, work: 50 * time.Millisecond},
			{options: Options{Tenant: "b"}, callers: 40, work: 2 * time.Millisecond},
		}, []float64{0.5, 0.5}},
		"weights": {Weights{"a": 3, "c": 0.5}, []simStream{
			{options: tenant("a"), callers: 40, work: 5 * time.Millisecond},
			{options: tenant("b"), callers: 40, work: 20 * time.Millisecond},
			{options: tenant("c"), callers: 40, work: 5 * time.Millisecond},
		}, []float64{3 / 4.5, 1 / 4.5, 0.5 / 4.5}},
		"somebody without a name": {nil, []simStream{
			{options: tenant("a"), callers: 40, work: 10 * time.Millisecond},
			{options: Options{Label: "x"}, callers: 40, work: 5 * time.Millisecond},
		}, []float64{0.5, 0.5}},
	} {
		out, _ := simulation{
			limits: Limits{Permits: 8, TenantWeights: tt.weights}, duration: 10 * second, streams: tt.streams,
		}.run(t)
		var sum time.Duration
		for _, calls := range out {
			sum += busyTime(calls, second, 10*second)
		}
		if sum < 8*9*second*97/100 {
			t.Errorf("%s: permits were out for %v of %v although somebody waited at all times", name, sum, 8*9*second)
		}
		for i, want := range tt.want {
			if got := float64(busyTime(out[i], second, 10*second)) / float64(sum); got < want*0.93 || got > want*1.07 {
				t.Errorf("%s: stream %d had %.3f of the time, want %.3f", name, i, got, want)
			}
		}
	}
}

func TestAnElephantLeavesTheMouseItsLatency(t *testing.T) {
	const work = 5 * time.Millisecond
	mouse := simStream{options: tenant("mouse"), perSecond: 150, work: work}
	elephant := simStream{options: tenant("elephant"), callers: 200, work: work}
	for seed := range uint64(3) {
		alone, _ := simulation{limits: Limits{Permits: 8}, duration: 10 * time.Second, seed: seed, streams: []simStream{mouse}}.run(t)
		both, _ := simulation{limits: Limits{Permits: 8}, duration: 10 * time.Second, seed: seed, streams: []simStream{mouse, elephant}}.run(t)
		a, b := summarize(alone[0]), summarize(both[0])
		if most := a.p99*12/10 + work; b.p99 > most {
			t.Errorf("seed %d: the mouse alone: %v; beside the elephant: %v; want a p99 of at most %v", seed, a, b, most)
		}
	}
}

// New names come without end; who is there already is served all the same.
func TestTenantsWhoComeOnceDoNotShutOutThoseWhoStay(t *testing.T) {
	var streams []simStream
	streams = append(streams, simStream{options: tenant("stays"), callers: 20, work: 5 * time.Millisecond})
	for i := range 2000 {
		streams = append(streams, simStream{options: tenant(fmt.Sprint("once", i)), callers: 1, work: 5 * time.Millisecond,
			from: time.Duration(i) * time.Millisecond, to: time.Duration(i)*time.Millisecond + 1})
	}
	out, _ := simulation{limits: Limits{Permits: 4}, duration: 2 * time.Second, streams: streams}.run(t)
	if got := summarize(out[0]); got.ok < 20 { // there are hundreds to share with
		t.Errorf("%v; want it served", got)
	}
}

func TestATenantHoldsNoMoreThanItMayAndTheOthersGoOn(t *testing.T) {
	held := 0
	s := simulation{
		limits: Limits{Permits: 8, TenantPermits: 3, TenantWaiting: 10}, duration: 2 * time.Second,
		streams: []simStream{
			{options: tenant("a"), perSecond: 1000, work: 10 * time.Millisecond, to: time.Second},
			{options: tenant("b"), callers: 4, work: 10 * time.Millisecond},
		},
	}
	s.during = func(sem *Semaphore) {
		for range 500 {
			time.Sleep(3 * time.Millisecond)
			sem.mu.Lock()
			if f := sem.sched.flows.named["a"]; f != nil {
				held = max(held, f.uses)
			}
			if sem.sched.Wanting() > 1 { // of b, which may have a place
				t.Errorf("%d may be helped by one more permit", sem.sched.Wanting())
			}
			if err := sem.sched.check(); err != nil {
				t.Error(err)
			}
			sem.mu.Unlock()
		}
	}
	out, stats := s.run(t)
	a, b := summarize(out[0]), summarize(out[1])
	if held != 3 {
		t.Errorf("a held up to %d permits, want 3", held)
	}
	if stats.Class(Normal).Refused[TenantFull] == 0 || b.p99 > 25*time.Millisecond {
		t.Errorf("a: %v; b: %v; want a refused beyond 10 who wait, and b served", a, b)
	}
}

func TestTenantsBeyondThoseToldApartShareLinesAndAllAreServed(t *testing.T) {
	var sched Scheduler
	sched.Init(Limits{Permits: 1}, func() {})
	sched.TryAdmit(Normal)
	const many = 3000
	var b Batch
	for i := range many {
		o := tenant(fmt.Sprint(i))
		if !sched.Enqueue(NewWaiter(context.Background(), &o, Now()), &b) {
			t.Fatal("refused")
		}
	}
	if len(sched.flows.named) != maxTenants || sched.flows.shards == nil {
		t.Errorf("%d tenants are told apart, want %d", len(sched.flows.named), maxTenants)
	}
	longest := 0
	for i := range sched.flows.shards {
		longest = max(longest, sched.flows.shards[i].waiting)
	}
	if longest > 2*(many-maxTenants)/shards {
		t.Errorf("%d in one line of %d, want about %d", longest, shards, (many-maxTenants)/shards)
	}
	if err := sched.check(); err != nil {
		t.Error(err)
	}
	var use Use
	for i := range many {
		sched.Release(Normal)
		sched.Reckon(use, "", "", time.Millisecond)
		w := sched.Next(Now(), &b)
		if w == nil {
			t.Fatalf("nobody is next after %d", i)
		}
		use = w.Use()
	}
	sched.Release(Normal)
	sched.Reckon(use, "", "", time.Millisecond)
	if err := sched.check(); err != nil {
		t.Error(err)
	}
}

func TestATenantWithoutDebtsIsForgotten(t *testing.T) {
	var sched Scheduler
	sched.Init(Limits{Permits: 1}, func() {})
	sched.TryAdmit(Normal)
	var b Batch
	var use Use
	for i := range 10 * maxTenants { // one waits at any time
		o := tenant(fmt.Sprint(i))
		sched.Enqueue(NewWaiter(context.Background(), &o, Now()), &b)
		sched.Release(Normal)
		sched.Reckon(use, "", "", time.Millisecond)
		use = sched.Next(Now(), &b).Use()
	}
	if n := len(sched.flows.named); n > maxTenants || sched.flows.shards != nil {
		t.Errorf("%d tenants are kept, and there are shards: %t", n, sched.flows.shards != nil)
	}
}

func TestSlowCallsLeaveRoomForQuickOnes(t *testing.T) {
	slow := simStream{options: Options{Label: "slow"}, callers: 10, work: 2 * time.Second}
	quick := simStream{options: Options{Label: "quick"}, perSecond: 300, work: 5 * time.Millisecond, from: 10 * time.Second}
	alone, _ := simulation{limits: Limits{Permits: 8}, duration: 30 * time.Second, streams: []simStream{quick}}.run(t)
	both, _ := simulation{
		limits: Limits{Permits: 8, SlowAfter: 500 * time.Millisecond}, duration: 30 * time.Second, streams: []simStream{quick, slow},
	}.run(t)
	var later []simCall // it takes one slow call until the first that had more than their share are back
	for _, c := range both[0] {
		if c.at > 13*time.Second {
			later = append(later, c)
		}
	}
	a, b := summarize(alone[0]), summarize(later)
	if b.p99 > 2*a.p99 {
		t.Errorf("quick ones alone: %v; beside slow ones: %v", a, b)
	}
	if got := busyTime(both[1], 2*time.Second, 10*time.Second); got < 60*time.Second {
		t.Errorf("the slow ones had %v of 64s of permits that nobody else wanted", got)
	}
	if got := busyTime(both[1], 16*time.Second, 28*time.Second); got < 20*time.Second {
		t.Errorf("the slow ones had %v of the 24s that are theirs", got)
	}
}

// The last quick call leaves permits that nobody comes for; the slow ones that wait must get them although nothing happens.
func TestSlowCallsThatWaitGetWhatNobodyComesForAnyMore(t *testing.T) {
	s := simulation{
		limits: Limits{Permits: 4, SlowAfter: 100 * time.Millisecond}, duration: 20 * time.Second,
		streams: []simStream{
			{options: Options{Label: "slow"}, callers: 1, work: time.Second, to: 4 * time.Second},
			{options: Options{Label: "quick"}, perSecond: 100, work: time.Millisecond, to: 10 * time.Second},
			{options: Options{Label: "slow"}, callers: 4, work: 30 * time.Second, from: 9900 * time.Millisecond, to: 10 * time.Second},
		},
	}
	out, _ := s.run(t)
	for _, c := range out[2] {
		if c.wait > 3*time.Second {
			t.Errorf("waited %v for a permit that nobody used", c.wait)
		}
	}
}

func TestAHandHasNoLineTwiceAndIsTheSameEachTime(t *testing.T) {
	var sched Scheduler
	sched.Init(Limits{Permits: 1}, func() {})
	for i := range 5000 {
		sched.flowOf(fmt.Sprint(i)).uses++ // so that it is kept
	}
	f := &sched.flows
	got := make(map[*flow]bool)
	for n := range handSize { // the shortest is dealt, so that each in turn is
		at := f.deal("somebody")
		if got[at] {
			t.Fatalf("after %d lines one came a second time", n)
		}
		got[at] = true
		at.waiting = 1000
	}
	if at := f.deal("somebody"); !got[at] {
		t.Error("the hand has more lines than it should")
	}
}
