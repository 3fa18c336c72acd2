package adaptive_test

import (
	"os"
	"slices"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/adaptive"
)

const most = 100

// seeds is how many loads each case is tried with: where POOLSQL_ADAPTIVE is "all", those that the documentation speaks of.
func seeds() uint64 {
	if os.Getenv("POOLSQL_ADAPTIVE") == "all" {
		return 5
	}
	return 1
}

// TestLimitReachesTheBestFixedOne holds throughput between 20 and 40 s after the start, and after a change of the database's capacity,
// against that of the best fixed limit.
func TestLimitReachesTheBestFixedOne(t *testing.T) {
	for _, c := range []struct {
		name          string
		before, after law
	}{
		{"CPU-bound, cores taken away", cpuBound(16, 5*time.Millisecond), cpuBound(4, 5*time.Millisecond)},
		{"CPU-bound, cores added", cpuBound(4, 5*time.Millisecond), cpuBound(32, 5*time.Millisecond)},
		{"lock-bound, more contention", lockBound(24, 5*time.Millisecond), lockBound(4, 5*time.Millisecond)},
		{"lock-bound, less contention", lockBound(3, 5*time.Millisecond), lockBound(24, 5*time.Millisecond)},
		{"latency-bound, slower", latencyBound(10 * time.Millisecond), latencyBound(40 * time.Millisecond)},
		{"latency-bound, faster", latencyBound(40 * time.Millisecond), latencyBound(10 * time.Millisecond)},
		{"latency-bound to CPU-bound", latencyBound(10 * time.Millisecond), cpuBound(4, 2*time.Millisecond)},
		{"CPU-bound to latency-bound", cpuBound(4, 2*time.Millisecond), latencyBound(10 * time.Millisecond)},
		{"latency-bound to lock-bound", latencyBound(10 * time.Millisecond), lockBound(8, 5*time.Millisecond)},
		{"lock-bound to latency-bound", lockBound(4, 5*time.Millisecond), latencyBound(20 * time.Millisecond)},
		{"latency-bound to contended", latencyBound(20 * time.Millisecond), contended(0.1, 0.014, 300*time.Microsecond)},
		{"contended, less so", contended(0.1, 0.014, 3*time.Millisecond), contended(0.05, 0.0025, 2*time.Millisecond)},
	} {
		for _, spread := range []float64{0.1, 0.5} {
			for seed := range seeds() {
				w := newWorld(c.before, seed)
				w.spread = spread
				l := adaptive.New(adaptive.Bounds{Min: 1, Max: most}, w.now)
				for _, phase := range []law{c.before, c.after} {
					w.law = phase
					w.run(l, 20*time.Second)
					got := w.run(l, 20*time.Second)
					want, at := best(phase, most)
					if got < 0.95*want {
						t.Errorf("%s, spread %v, seed %d: %.0f a second, which is %.2f of %.0f with a fixed limit of %d; limits %v",
							c.name, spread, seed, got, got/want, want, at, w.limits)
					}
				}
			}
		}
	}
}

// TestPausesOfTheLoadTeachNothing has callers come for some seconds, and stay away for some. A window with a pause in it looks as if
// the server had become slow, and a trial that it falls into would be decided by it.
func TestPausesOfTheLoadTeachNothing(t *testing.T) {
	for seed := range uint64(8) {
		w := newWorld(contended(0.1, 0.014, 300*time.Microsecond), seed)
		w.spread, w.weather = 0.3, 0.03
		l := adaptive.New(adaptive.Bounds{Min: 1, Max: most}, w.now)
		w.run(l, 20*time.Second)
		want, at := best(w.law, most)
		got, limits := 0.0, []int(nil)
		const turns = 12
		for n := range turns {
			w.pause(l, time.Duration(1500+137*n)*time.Millisecond)
			got += w.run(l, time.Duration(2500+91*n)*time.Millisecond) / turns
			limits = append(limits, w.limits...)
		}
		if least, greatest := slices.Min(limits), slices.Max(limits); got < 0.95*want || least < at/2 || greatest > 2*at {
			t.Errorf("seed %d: %.2f of a fixed limit of %d, from %d to %d: %v", seed, got/want, at, least, greatest, limits)
		}
	}
}
