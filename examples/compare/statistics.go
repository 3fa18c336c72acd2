package main

import (
	"math"
	"slices"
	"time"
)

// median returns the middle of values, or the mean of the two in the middle. It is NaN without values.
func median(values []float64) float64 {
	if len(values) == 0 {
		return math.NaN()
	}
	sorted := slices.Sorted(slices.Values(values))
	mid := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[mid]
	}
	return (sorted[mid-1] + sorted[mid]) / 2
}

func sum(values []float64) float64 {
	var total float64
	for _, v := range values {
		total += v
	}
	return total
}

// ratiosOf divides round by round. A round whose divisor is zero has no ratio and is left out.
func ratiosOf(of, to []float64) []float64 {
	var quotients []float64
	for i := range min(len(of), len(to)) {
		if to[i] != 0 {
			quotients = append(quotients, of[i]/to[i])
		}
	}
	return quotients
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
