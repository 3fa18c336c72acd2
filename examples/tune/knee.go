package main

import (
	"math"
	"math/rand/v2"
	"slices"
)

// verdict says how far a finding can be trusted.
type verdict uint8

const (
	found    verdict = iota // the knee is one of the sizes, give or take one
	rising                  // throughput still grew at the top of the ladder, which stands for a knee that is beyond it
	tooNoisy                // the passes differ so much that the knee may be anywhere in a wide range
)

// finding is what a curve of throughput says. Sizes are indexes into the ladder.
type finding struct {
	verdict   verdict
	knee      int
	low, high int     // between which the knee is in 9 of 10 cases
	peak      int     // the size with the largest throughput
	best      float64 // the throughput of the plateau that the knee leads to
	noise     float64 // the standard deviation of one step's throughput, as a share of it
	falls     int     // the smallest size beyond the peak that certainly does less than the knee's share of best; -1: none
}

// findKnee finds the smallest size whose throughput is within tolerance, a share, of the best. rates are by size and pass.
//
// The best is not simply the largest of all: of many equal sizes one always looks best, by luck, and would move the
// knee to the right. It is the mean of all that cannot be told from the largest.
//
// How sure it is, is tried out: the knee is looked for again in a thousand curves that could have been measured as well,
// given how much the passes differ (a parametric bootstrap). If those knees are spread over more than three sizes, the
// verdict is that there is too much noise.
func findKnee(sizes []int, rates [][]float64, tolerance float64) finding {
	medians := each(rates, medianOf)
	f := finding{noise: noise(rates), falls: -1}
	se := standardError(f.noise, len(rates[0]))
	f.knee, f.peak, f.best = bend(medians, se, tolerance)

	f.low, f.high = spread(medians, se, tolerance)
	f.low, f.high = min(f.low, f.knee), max(f.high, f.knee)
	for i := f.peak + 1; i < len(medians) && f.falls < 0; i++ {
		if medians[i]*math.Exp(2*se) < (1-tolerance)*f.best {
			f.falls = i
		}
	}
	switch {
	case f.high-f.low > 2:
		f.verdict = tooNoisy
	case f.knee == len(medians)-1 || climbing(sizes, medians, se, tolerance):
		f.verdict = rising
		f.knee = len(medians) - 1
		f.low, f.high = f.knee, f.knee
	}
	return f
}

// bend returns the knee, the peak, and the best throughput of one curve.
func bend(medians []float64, se, tolerance float64) (knee, peak int, best float64) {
	for i, m := range medians {
		if m > medians[peak] {
			peak = i
		}
	}
	// Two medians differ by chance by less than this in 19 of 20 cases.
	likeness := math.Exp(-2 * math.Sqrt2 * se)
	var sum float64
	var n int
	for _, m := range medians {
		if m >= medians[peak]*likeness {
			sum, n = sum+m, n+1
		}
	}
	best = sum / float64(n)
	knee = slices.IndexFunc(medians, func(m float64) bool { return m >= (1-tolerance)*best })
	return max(knee, 0), peak, best
}

// resamples and seed make the answer for the same figures the same.
const (
	resamples = 1000
	seed      = 20110620
)

// spread returns between which sizes the knee is in 9 of 10 curves that could have been measured instead.
func spread(medians []float64, se, tolerance float64) (low, high int) {
	random := rand.New(rand.NewPCG(seed, seed))
	other := make([]float64, len(medians))
	knees := make([]int, resamples)
	for i := range knees {
		for j, m := range medians {
			other[j] = m * math.Exp(se*random.NormFloat64())
		}
		knees[i], _, _ = bend(other, se, tolerance)
	}
	slices.Sort(knees)
	return knees[resamples/20], knees[resamples-1-resamples/20]
}

// climbing reports whether throughput grew so much from the last size but one to the last that at this rate twice the last
// size would do more than tolerance better, and by more than noise explains.
func climbing(sizes []int, medians []float64, se, tolerance float64) bool {
	last := len(medians) - 1
	gain := math.Log(medians[last] / medians[last-1])
	if gain < 2*math.Sqrt2*se {
		return false
	}
	doublings := math.Log2(float64(sizes[last]) / float64(sizes[last-1]))
	return math.Exp(gain/doublings)-1 > tolerance
}

// noise estimates the standard deviation of the throughput that one size has in one pass, as a share of it. What a whole
// pass was faster or slower than the others is taken out, as it falls on all sizes alike. The estimate is made of the
// median difference between two passes, so that some steps that were hit by somebody else's load do not spoil it.
func noise(rates [][]float64) float64 {
	passes := len(rates[0])
	logs := each(rates, func(of []float64) []float64 { return each(of, math.Log) })
	for p := range passes {
		var off []float64
		for _, of := range logs {
			off = append(off, of[p]-medianOf(of))
		}
		shift := medianOf(off)
		for _, of := range logs {
			of[p] -= shift
		}
	}
	var differences []float64
	for _, of := range logs {
		for p := range passes {
			for q := range p {
				differences = append(differences, math.Abs(of[p]-of[q]))
			}
		}
	}
	// Of two values from a normal distribution, the median distance is 0.954 standard deviations.
	return medianOf(differences) / 0.954
}

// standardError is that of the median of so many passes. The factor is the one for many; for 2 and 3 it is a little more
// than the truth.
func standardError(noise float64, passes int) float64 {
	return 1.2533 * noise / math.Sqrt(float64(passes))
}
