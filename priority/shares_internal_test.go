package priority

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestInRandomLoadsTenantsHaveTheirShares lets a few tenants ask for all that there is, in calls of all lengths, known or not, and
// others for a part of what is theirs. The ones share by their weights; the others wait for next to nothing.
func TestInRandomLoadsTenantsHaveTheirShares(t *testing.T) {
	seeds := uint64(25)
	if testing.Short() {
		seeds = 5
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomShares(t, seed) })
	}
}

func randomShares(t *testing.T, seed uint64) {
	rnd := rand.New(rand.NewPCG(seed, 11))
	s := simulation{seed: seed, duration: 15 * time.Second}
	s.limits = Limits{Permits: []int{2, 4, 8}[rnd.IntN(3)], TenantWeights: Weights{}, Shedding: Shedding(rnd.IntN(2))}
	var longest time.Duration
	sum := 1.0 // and the mouse
	elephants := 2 + rnd.IntN(3)
	for i := range elephants {
		name := fmt.Sprint("elephant", i)
		o := Options{Tenant: name}
		if rnd.IntN(2) == 0 {
			o.Label = name
		}
		weight := []float64{0.5, 1, 1, 3}[rnd.IntN(4)]
		s.limits.TenantWeights[name] = weight
		sum += weight
		work := time.Duration([]int{5, 10, 40}[rnd.IntN(3)]) * time.Millisecond
		longest = max(longest, work*11/10)
		s.streams = append(s.streams, simStream{options: o, callers: 4 * s.limits.Permits, work: work})
	}
	const work = 5 * time.Millisecond
	share := float64(s.limits.Permits) / sum
	s.streams = append(s.streams, simStream{
		options: Options{Tenant: "mouse"}, perSecond: share / 4 / work.Seconds(), work: work, from: time.Second,
	})
	out, _ := s.run(t)

	const from, to = 2 * time.Second, 15 * time.Second
	var all time.Duration
	for _, calls := range out[:elephants] {
		all += busyTime(calls, from, to)
	}
	for i, calls := range out[:elephants] {
		weight := s.limits.TenantWeights[s.streams[i].options.Tenant]
		got, want := float64(busyTime(calls, from, to))/float64(all), weight/(sum-1)
		if got < want*0.88 || got > want*1.12 {
			t.Errorf("seed %d: elephant %d of weight %v had %.3f of what they all had, want %.3f", seed, i, weight, got, want)
		}
	}
	// A few calls of each elephant for each unit of its weight are before the mouse's, and those that run have to end.
	most := longest + time.Duration(3*(sum+1)*float64(longest)/float64(s.limits.Permits))
	if got := summarize(out[elephants]); got.p99 > most+work || got.ok != got.calls {
		t.Errorf("seed %d: the mouse: %v; want %v at most", seed, got, most+work)
	}
}

// Elephants never leave the queue, so that their place in it is never reckoned anew; the mouse comes and goes. What the calls
// take cannot be guessed: they have no label.
func TestAMouseIsServedBesideElephantsWhoseCallsCannotBeGuessed(t *testing.T) {
	out, _ := simulation{
		limits: Limits{Permits: 8}, duration: 20 * time.Second,
		streams: []simStream{
			{options: Options{Tenant: "short"}, callers: 40, work: time.Millisecond},
			{options: Options{Tenant: "long"}, callers: 40, work: 100 * time.Millisecond},
			{options: Options{Tenant: "mouse"}, perSecond: 20, work: time.Millisecond},
		},
	}.run(t)
	if got := summarize(out[2]); got.max > 150*time.Millisecond { // of the long ones each may be in the way once
		t.Errorf("the mouse: %v", got)
	}
}

// One call that takes a minute, of a tenant who waited for it like the others.
func TestOneLongCallDoesNotShutOutWhoComesAndGoes(t *testing.T) {
	out, _ := simulation{
		limits: Limits{Permits: 8}, duration: 80 * time.Second,
		streams: []simStream{
			{options: tenant("a"), callers: 20, work: 10 * time.Millisecond},
			{options: tenant("report"), callers: 1, work: 60 * time.Second, from: time.Second, to: time.Second + 1},
			{options: tenant("mouse"), perSecond: 20, work: 10 * time.Millisecond},
			{options: tenant("b"), callers: 20, work: 10 * time.Millisecond},
		},
	}.run(t)
	if got := summarize(out[2]); got.max > 50*time.Millisecond {
		t.Errorf("the mouse: %v", got)
	}
}

// What a tenant is charged when it owes as much as it may is forgotten; were it given back, the tenant would go before all others
// for as long.
func TestWhatWasForgottenOfADebtIsNotGivenBack(t *testing.T) {
	x := Options{Tenant: "a", Label: "x"}
	out, _ := simulation{
		limits: Limits{Permits: 16}, duration: 20 * time.Second,
		streams: []simStream{
			{options: x, callers: 32, work: 5 * time.Second, to: 8 * time.Second},
			{options: x, callers: 80, work: 20 * time.Millisecond, from: 8 * time.Second},
			{options: tenant("b"), callers: 40, work: 20 * time.Millisecond, from: 8 * time.Second},
		},
	}.run(t)
	var later []simCall
	for _, c := range out[2] {
		if c.at > 14*time.Second {
			later = append(later, c)
		}
	}
	if got := summarize(later); got.max > 200*time.Millisecond || got.calls < 1000 {
		t.Errorf("b: %v; want half of all, after a's long calls have ended", got)
	}
}

// Nobody who comes again and again for one call at a time has less than half of what one who is always there has.
func TestATenantWithOneCallerHasItsShare(t *testing.T) {
	out, _ := simulation{
		limits: Limits{Permits: 1}, duration: 20 * time.Second,
		streams: []simStream{
			{options: tenant("one"), callers: 1, work: 5 * time.Millisecond},
			{options: tenant("many"), callers: 40, work: 5 * time.Millisecond},
		},
	}.run(t)
	if one, many := len(out[0]), len(out[1]); one*20 < many*19 {
		t.Errorf("%d calls of one, %d of many", one, many)
	}
}

// Who owes much for its small weight owes no more time when it is given a large one.
func TestADebtIsOfTimeWhateverTheWeightIs(t *testing.T) {
	s := simulation{
		limits: Limits{Permits: 2, TenantWeights: Weights{"a": 0.001}}, duration: 10 * time.Second,
		streams: []simStream{
			{options: tenant("a"), callers: 4, work: 10 * time.Millisecond},
			{options: tenant("b"), callers: 4, work: 10 * time.Millisecond},
		},
	}
	s.during = func(sem *Semaphore) {
		time.Sleep(5 * time.Second)
		l := sem.Limits()
		l.TenantWeights = Weights{"a": 1}
		if err := sem.SetLimits(l); err != nil {
			t.Error(err)
		}
	}
	out, _ := s.run(t)
	a, b := busyTime(out[0], 6*time.Second, 10*time.Second), busyTime(out[1], 6*time.Second, 10*time.Second)
	if share := float64(a) / float64(a+b); share < 0.45 || share > 0.55 {
		t.Errorf("with the same weight from then on it has %.2f", share)
	}
}

func TestATenantWithAWeightHasALineOfItsOwnHoweverManyThereAre(t *testing.T) {
	s := bench(Limits{Permits: 1, TenantWeights: Weights{"gold": 4}})
	var b Batch
	for i := range 2 * maxTenants {
		s.comes(tenant(fmt.Sprint(i)), &b)
	}
	w, _ := s.comes(tenant("gold"), &b)
	if f := w.line.flow; f.shard || f.weight != 4 {
		t.Errorf("it shares a line: %t; weight %v", f.shard, f.weight)
	}
	if err := s.check(); err != nil {
		t.Error(err)
	}
}
