package main

import (
	"context"
	"fmt"
	"time"
)

// rung is one size with what it did in each pass.
type rung struct {
	size    int
	samples []sample
}

// throughput is the median over the passes.
func (r rung) throughput() float64 {
	return medianOf(each(r.samples, func(s sample) float64 { return s.perSecond }))
}

func (r rung) p50() time.Duration {
	return medianTime(each(r.samples, func(s sample) time.Duration { return s.p50 }))
}

func (r rung) p99() time.Duration {
	return medianTime(each(r.samples, func(s sample) time.Duration { return s.p99 }))
}

// fewest is the number of calls in the pass that had the fewest.
func (r rung) fewest() int {
	fewest := r.samples[0].calls
	for _, s := range r.samples {
		fewest = min(fewest, s.calls)
	}
	return fewest
}

func each[T, U any](list []T, f func(T) U) []U {
	out := make([]U, len(list))
	for i, v := range list {
		out[i] = f(v)
	}
	return out
}

// climbAll measures every size in every pass. tell hears of each step when it is done.
func (m *meter) climbAll(ctx context.Context, sizes []int, passes int, tell func(pass, size int, s sample)) ([]rung, error) {
	rungs := make([]rung, len(sizes))
	for i, size := range sizes {
		rungs[i].size = size
	}
	for pass := range passes {
		for _, i := range climb(pass, len(sizes)) {
			s, err := m.step(ctx, sizes[i])
			if err != nil {
				return nil, fmt.Errorf("with %s: %w", count(sizes[i], "connection"), err)
			}
			rungs[i].samples = append(rungs[i].samples, s)
			tell(pass, sizes[i], s)
		}
	}
	return rungs, nil
}
