package main

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// percentile gives the nearest rank: the smallest sample that a share p of all samples does not exceed. It is always a
// time that a call really took. sorted must be in ascending order; of no samples it is 0.
func percentile(sorted []time.Duration, p float64) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[min(max(rank, 1), len(sorted))-1]
}

// median of an even number of values is the mean of the two in the middle; of none it is 0.
func median[T cmp.Ordered](values []T, mean func(a, b T) T) T {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	switch {
	case n == 0:
		var zero T
		return zero
	case n%2 == 1:
		return sorted[n/2]
	default:
		return mean(sorted[n/2-1], sorted[n/2])
	}
}

func medianOf(values []float64) float64 {
	return median(values, func(a, b float64) float64 { return (a + b) / 2 })
}

func medianTime(values []time.Duration) time.Duration {
	return median(values, func(a, b time.Duration) time.Duration { return (a + b) / 2 })
}
