// Package timing has what every measuring program needs: pauses that a context ends, and percentiles.
package timing

import (
	"context"
	"math"
	"time"
)

// Pause sleeps for d, or until ctx ends, and reports whether ctx is still alive.
func Pause(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// Percentile gives the nearest rank: the smallest sample that a share p of all samples does not exceed. It is always a
// time that somebody really saw, never one between two. sorted must be in ascending order; of no samples it is 0.
func Percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}
