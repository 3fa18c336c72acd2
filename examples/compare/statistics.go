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

// percentile returns the smallest sample that is not exceeded by a share p of all of them (nearest rank), 0 < p <= 1.
// The samples must be sorted and not empty.
func percentile(sorted []time.Duration, p float64) time.Duration {
	rank := int(math.Ceil(p * float64(len(sorted))))
	return sorted[max(rank, 1)-1]
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
