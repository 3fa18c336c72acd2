package main

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/poolsql/poolsql/examples/internal/timing"
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
		p50:       timing.Percentile(sorted, 0.50),
		p99:       timing.Percentile(sorted, 0.99),
		max:       timing.Percentile(sorted, 1),
		perSecond: float64(r.inTime) / measured.Seconds(),
		failed:    maps.Clone(r.failed),
	}
}
