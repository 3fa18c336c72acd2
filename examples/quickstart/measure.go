package main

import (
	"maps"
	"math"
	"slices"
	"sync"
	"time"
)

// recorder collects what became of the calls of one kind. Safe for concurrent use.
type recorder struct {
	mu sync.Mutex
	// guarded by mu

	took   []time.Duration
	inTime int
	failed map[string]int
}

// done adds a call that succeeded. Calls that end after the measured time count for the latencies, so that the slowest
// are not left out, but not for the throughput.
func (r *recorder) done(took time.Duration, inTime bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took = append(r.took, took)
	if inTime {
		r.inTime++
	}
}

// fail adds a call that ended with an error that the load does not expect.
func (r *recorder) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = make(map[string]int)
	}
	r.failed[err.Error()]++
}

// count tells how many calls have succeeded so far.
func (r *recorder) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.took)
}

// figures is what the table shows of one kind of callers on one side.
type figures struct {
	calls         int
	p50, p99, max time.Duration
	perSecond     float64
	failed        map[string]int
}

// figures sums up the calls made in a measured time.
func (r *recorder) figures(measured time.Duration) figures {
	r.mu.Lock()
	defer r.mu.Unlock()
	sorted := slices.Sorted(slices.Values(r.took))
	return figures{
		calls:     len(sorted),
		p50:       percentile(sorted, 0.50),
		p99:       percentile(sorted, 0.99),
		max:       percentile(sorted, 1),
		perSecond: float64(r.inTime) / measured.Seconds(),
		failed:    maps.Clone(r.failed),
	}
}

// percentile gives the nearest rank: the smallest sample that a share p of all samples does not exceed. It is always a
// time that a caller really saw, never one between two. sorted must be in ascending order; of no samples it is 0.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
