package adaptive_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/adaptive"
)

// randomLaw returns one of the three kinds of databases, of a random size, and its name.
func randomLaw(rng *rand.Rand) (law, string) {
	n, work := 1+rng.IntN(40), time.Duration(1+rng.IntN(10))*time.Millisecond
	switch rng.IntN(3) {
	case 0:
		return cpuBound(n, work), fmt.Sprintf("%d cores, %s", n, work)
	case 1:
		return lockBound(n, work), fmt.Sprintf("best at %d, %s", n, work)
	default:
		return latencyBound(5 * work), fmt.Sprintf("latency %s", 5*work)
	}
}

// TestLimitStaysWithinItsBoundsWhateverHappens has databases and bounds change at random, and faults come.
func TestLimitStaysWithinItsBoundsWhateverHappens(t *testing.T) {
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(latencyBound(time.Millisecond), seed)
		w.spread = rng.Float64()
		bounds := adaptive.Bounds{Max: most}
		l := adaptive.New(bounds, w.now)
		for range 12 {
			var name string
			w.law, name = randomLaw(rng)
			switch rng.IntN(5) {
			case 0:
				bounds.Max = 1 + rng.IntN(most)
				bounds.Reserve = rng.IntN(bounds.Max)
				bounds.Min = rng.IntN(bounds.Max + 1)
				l.SetBounds(bounds, w.now)
			case 1:
				l.Note(adaptive.Fault(rng.IntN(3)), rng.IntN(most), w.now)
			case 2:
				l.Stalled(w.now.Add(time.Hour), w.now)
			}
			w.run(l, 2*time.Second)
			for _, n := range append(w.limits, l.Limit()) {
				if n > bounds.Max || n < min(max(1, bounds.Min, bounds.Reserve+1), bounds.Max) {
					t.Fatalf("seed %d, %s: %d is out of %+v", seed, name, n, bounds)
				}
			}
		}
	}
}

// TestLimitIsQuietWhileNothingChanges: from 20 s on it is never more than half as much again as it mostly is, or less than half, but
// for one.
func TestLimitIsQuietWhileNothingChanges(t *testing.T) {
	for seed := range uint64(24) {
		rng := rand.New(rand.NewPCG(seed, 3))
		w := newWorld(nil, seed)
		var name string
		w.law, name = randomLaw(rng)
		w.spread = 0.3
		l := adaptive.New(adaptive.Bounds{Min: 1, Max: most}, w.now)
		w.run(l, 20*time.Second)
		w.run(l, 30*time.Second)
		sorted := slices.Sorted(slices.Values(w.limits))
		middle := sorted[len(sorted)/2]
		if least, greatest := sorted[0], sorted[len(sorted)-1]; greatest > middle*3/2+1 || least < middle/2-1 {
			t.Errorf("seed %d, %s: from %d to %d, mostly %d: %v", seed, name, least, greatest, middle, w.limits)
		}
	}
}

// TestOneSlowCallLeavesTheLimitAlone has one call, then eight, take twenty seconds.
func TestOneSlowCallLeavesTheLimitAlone(t *testing.T) {
	for _, label := range []string{"", "report"} {
		for _, slow := range []int{1, 8} {
			w := newWorld(cpuBound(16, 5*time.Millisecond), 7)
			w.spread = 0.3
			l := adaptive.New(adaptive.Bounds{Min: 1, Max: most}, w.now)
			w.run(l, 25*time.Second)
			was := l.Limit()
			left := slow
			w.label = func(*rand.Rand) (string, float64) {
				if left > 0 {
					left--
					return label, 4000
				}
				return "", 1
			}
			w.run(l, 30*time.Second)
			if least := slices.Min(w.limits); least < was/2 {
				t.Errorf("%d calls %q: from %d to %d: %v", slow, label, was, least, w.limits)
			}
		}
	}
}

// TestChangeOfTheMixIsNoCongestion has the share of calls that take twenty times as long go from 5 to 60 percent.
func TestChangeOfTheMixIsNoCongestion(t *testing.T) {
	for seed := range uint64(6) {
		w := newWorld(cpuBound(16, 2*time.Millisecond), seed)
		w.spread = 0.3
		heavy := 0.05
		w.label = func(rng *rand.Rand) (string, float64) {
			if rng.Float64() < heavy {
				return "heavy", 20
			}
			return "light", 1
		}
		l := adaptive.New(adaptive.Bounds{Min: 1, Max: most}, w.now)
		w.run(l, 30*time.Second)
		heavy = 0.6
		w.run(l, 30*time.Second)
		if least := slices.Min(w.limits); least < 8 {
			t.Errorf("seed %d: down to %d of 16 cores: %v", seed, least, w.limits)
		}
	}
}

// TestLimitServesWhoComesWhereItCan has callers come at random, fewer than can be served: nobody may pile up.
func TestLimitServesWhoComesWhereItCan(t *testing.T) {
	for _, c := range []struct {
		name string
		law  law
		rate float64
	}{
		{"cores, 70 %", cpuBound(8, 5*time.Millisecond), 1120},
		{"cores, 90 %", cpuBound(8, 5*time.Millisecond), 1440},
		{"latency, 30 of 100", latencyBound(10 * time.Millisecond), 3000},
		{"latency, 80 of 100", latencyBound(10 * time.Millisecond), 8000},
		{"a lock, 80 %", lockBound(8, 5*time.Millisecond), 1280},
	} {
		for seed := range uint64(3) {
			w := newWorld(c.law, seed)
			w.spread, w.rate = 0.5, c.rate
			l := adaptive.New(adaptive.Bounds{Min: 1, Max: most}, w.now)
			w.run(l, 20*time.Second)
			for range 20 {
				w.run(l, time.Second)
				if float64(w.waiting) > c.rate/2 { // half a second's worth
					t.Errorf("%s, seed %d: %d wait at a limit of %d: %v", c.name, seed, w.waiting, l.Limit(), w.limits)
					break
				}
			}
		}
	}
}

func TestTimeoutsHalveTheLimitAndNoMore(t *testing.T) {
	w := newWorld(latencyBound(10*time.Millisecond), 1)
	l := adaptive.New(adaptive.Bounds{Min: 1, Max: 40}, w.now)
	w.run(l, 20*time.Second)
	was := l.Limit()
	w.failing = 0.3 // whatever the limit
	w.run(l, 10*time.Second)
	if least := slices.Min(w.limits); least > was*3/4 || least < was*3/8 {
		t.Errorf("from %d to %d: %v", was, least, w.limits)
	}
	if !slices.Contains(w.reasons, adaptive.Timeouts) {
		t.Errorf("not for timeouts: %v", w.reasons)
	}
	w.failing = 0
	w.run(l, 20*time.Second)
	if l.Limit() < was*3/4 {
		t.Errorf("from %d it was left at %d", was, l.Limit())
	}
}

func TestServerWithoutRoomBoundsTheLimitForAWhile(t *testing.T) {
	w := newWorld(latencyBound(10*time.Millisecond), 1)
	l := adaptive.New(adaptive.Bounds{Min: 1, Max: 40}, w.now)
	w.run(l, 20*time.Second)
	if !l.Note(adaptive.NoRoom, 10, w.now) || l.Limit() > 10 || l.Reason() != adaptive.Refused {
		t.Fatalf("limit %d for %s", l.Limit(), l.Reason())
	}
	w.run(l, 25*time.Second)
	if greatest := slices.Max(w.limits); greatest > 10 {
		t.Errorf("up to %d within 25 s", greatest)
	}
	w.run(l, 25*time.Second)
	if l.Limit() < 30 {
		t.Errorf("%d after the time is over", l.Limit())
	}
	if l.Note(adaptive.NotReady, 40, w.now); l.Reason() != adaptive.Starting {
		t.Errorf("limit %d for %s", l.Limit(), l.Reason())
	}
	if l.Note(adaptive.NotReady, 40, w.now.Add(time.Millisecond)) {
		t.Error("twice within a second")
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := range adaptive.NumReasons {
		if seen[r.String()] {
			t.Errorf("%d is called %q as another is", r, r)
		}
		seen[r.String()] = true
	}
	if adaptive.NumReasons.String() != "unknown" {
		t.Error(adaptive.NumReasons.String())
	}
}

func BenchmarkDone(b *testing.B) {
	w := newWorld(latencyBound(time.Millisecond), 1)
	l := adaptive.New(adaptive.Bounds{Min: 1, Max: 10}, w.now)
	b.ReportAllocs()
	for range b.N {
		w.now = w.now.Add(100 * time.Microsecond)
		if l.Done(w.now, "label", time.Millisecond, l.Limit(), true) {
			l.Step(w.now)
		}
	}
}
