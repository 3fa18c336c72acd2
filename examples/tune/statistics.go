package main

import (
	"cmp"
	"slices"
	"time"
)

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
