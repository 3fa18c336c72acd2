package priority

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// TestInRandomScenariosTheRulesHold lets all rules meet in random loads, in fake time, and looks at the scheduler meanwhile.
// That no permit goes to a caller whose context has ended, and that all are back at the end, each simulation checks.
func TestInRandomScenariosTheRulesHold(t *testing.T) {
	seeds := uint64(60)
	if testing.Short() {
		seeds = 15
	}
	for seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) { randomScenario(seed).run(t) })
	}
}

type scenario struct {
	simulation
	seed uint64
}

func randomScenario(seed uint64) scenario {
	rnd := rand.New(rand.NewPCG(seed, 7))
	oneOf := func(values ...int) int { return values[rnd.IntN(len(values))] }
	s := scenario{seed: seed, simulation: simulation{seed: seed, duration: 3 * time.Second}}
	s.limits = Limits{
		Permits: oneOf(2, 4, 8), Reserve: oneOf(0, 0, 1), AgingShare: oneOf(0, 4, 16), MaxWaiting: oneOf(0, 0, 50),
		MaxWait: time.Duration(oneOf(0, 200, 1000)) * time.Millisecond, Shedding: Shedding(rnd.IntN(3)),
		TenantPermits: oneOf(0, 0, 1, 3), TenantWaiting: oneOf(0, 0, 20),
		SlowAfter: time.Duration(oneOf(0, 30)) * time.Millisecond, SlowShare: oneOf(0, 50),
	}
	if rnd.IntN(2) == 0 {
		s.limits.TenantWeights = Weights{"a": 3, "b": 0.5}
	}
	for range 2 + rnd.IntN(5) {
		st := simStream{
			options: Options{
				Class: Classes()[rnd.IntN(NumClasses)], Tenant: []string{"", "a", "b", "c"}[rnd.IntN(4)],
				Label: []string{"", "x", "y"}[rnd.IntN(3)],
			},
			perSecond: float64(oneOf(50, 200, 800)), work: time.Duration(oneOf(1, 5, 5, 60)) * time.Millisecond,
			deadline: time.Duration(oneOf(0, 20, 100, 300)) * time.Millisecond, from: time.Duration(rnd.IntN(1000)) * time.Millisecond,
		}
		s.streams = append(s.streams, st)
	}
	return s
}

func (s scenario) run(t *testing.T) {
	s.during = func(sem *Semaphore) {
		rnd := rand.New(rand.NewPCG(s.seed, 8))
		for range 300 {
			time.Sleep(time.Duration(rnd.IntN(20_000)) * time.Microsecond)
			sem.mu.Lock()
			s.look(t, &sem.sched)
			sem.mu.Unlock()
			if rnd.IntN(50) == 0 { // all of it may change at any time
				if err := sem.SetLimits(randomScenario(rnd.Uint64()).limits); err != nil {
					t.Error(err)
				}
			}
		}
	}
	out, stats := s.simulation.run(t)
	var granted, waits uint64
	for _, cs := range stats.Classes {
		granted += cs.Granted
		waits += cs.Waits
	}
	calls := 0
	for _, stream := range out {
		calls += len(stream)
	}
	if granted == 0 || calls == 0 {
		t.Errorf("seed %d: nothing happened", s.seed)
	}
}

// look checks what must hold between any two steps.
func (s scenario) look(t *testing.T, sched *Scheduler) {
	t.Helper()
	if err := sched.check(); err != nil {
		t.Fatalf("seed %d: %v", s.seed, err)
	}
	l := sched.limits
	if sched.slowHeld < 0 || sched.slowHeld > sched.out {
		t.Errorf("seed %d: slow calls hold %d of %d", s.seed, sched.slowHeld, sched.out)
	}
	for name, f := range sched.flows.named {
		if f.uses < 0 || f.full && l.TenantPermits == 0 {
			t.Errorf("seed %d: %q holds %d of at most %d, full: %t", s.seed, name, f.uses, l.TenantPermits, f.full)
		}
	}
	now := Now()
	for rank := range sched.classes {
		c := &sched.classes[rank]
		if !sched.room(rank) || c.waiting == 0 {
			continue
		}
		if c.quick.ready() {
			t.Errorf("seed %d: somebody of %v waits for a permit that is free", s.seed, Classes()[rank])
		}
		if c.slow.ready() && (sched.slowHeld < sched.slowMost() || l.SlowAfter == 0) {
			t.Errorf("seed %d: somebody slow of %v waits for a permit of the share that is free", s.seed, Classes()[rank])
		}
		if c.slow.ready() && sched.alarmAt == 0 && sched.quickAt != 0 && sched.slowAt() > now {
			t.Errorf("seed %d: somebody slow of %v waits, and nothing will tell when it may go", s.seed, Classes()[rank])
		}
	}
}
