package main

import (
	"math"
	"math/rand/v2"
	"testing"
)

// kneedle is the algorithm of Satopaa et al. for a concave, increasing curve, with their sensitivity 1: the first local
// maximum of the difference between the curve and its chord from which that falls below the threshold. -1 is none.
func kneedle(sizes []int, medians []float64) int {
	n := len(sizes)
	low, high := medians[0], medians[0]
	for _, m := range medians {
		low, high = min(low, m), max(high, m)
	}
	if high == low {
		return -1
	}
	x := func(i int) float64 { return float64(sizes[i]-sizes[0]) / float64(sizes[n-1]-sizes[0]) }
	above := make([]float64, n)
	for i, m := range medians {
		above[i] = (m-low)/(high-low) - x(i)
	}
	candidate, threshold := -1, 0.0
	for i := 1; i < n; i++ {
		if i < n-1 && above[i] > above[i-1] && above[i] >= above[i+1] {
			candidate, threshold = i, above[i]-1/float64(n-1)
		} else if candidate >= 0 && above[i] < threshold {
			return candidate
		}
	}
	return candidate
}

// scalability fits Gunther's law by least squares to n/X(n), which is a parabola, and returns the first size within 5% of
// the best that the fitted curve has on the ladder.
func scalability(sizes []int, medians []float64) int {
	var a [3][4]float64 // the normal equations
	for i, size := range sizes {
		n := float64(size)
		row := [3]float64{1, n - 1, n * (n - 1)}
		y := n / medians[i]
		w := 1 / (y * y) // of relative errors
		for j := range 3 {
			for k := range 3 {
				a[j][k] += w * row[j] * row[k]
			}
			a[j][3] += w * row[j] * y
		}
	}
	for j := range 3 {
		for k := range 3 {
			if k != j && a[j][j] != 0 {
				f := a[k][j] / a[j][j]
				for l := j; l < 4; l++ {
					a[k][l] -= f * a[j][l]
				}
			}
		}
	}
	c := [3]float64{a[0][3] / a[0][0], a[1][3] / a[1][1], a[2][3] / a[2][2]}
	fitted := make([]float64, len(sizes))
	best := 0.0
	for i, size := range sizes {
		n := float64(size)
		fitted[i] = n / (c[0] + c[1]*(n-1) + c[2]*n*(n-1))
		best = max(best, fitted[i])
	}
	for i := range sizes {
		if fitted[i] >= 0.95*best {
			return i
		}
	}
	return -1
}

// The reason for the rule, in numbers: how often each way finds the knee, give or take one size, over curves of several
// kinds and under the noise of a shared machine. Gunther's law has its own curve among them.
func TestTheRuleFindsMoreKneesThanItsRivals(t *testing.T) {
	ways := []struct {
		name string
		find func(rates [][]float64) int
	}{
		{"the rule", func(rates [][]float64) int { return findKnee(testSizes, rates, 0.05).knee }},
		{"kneedle", func(rates [][]float64) int { return kneedle(testSizes, each(rates, medianOf)) }},
		{"scalability law", func(rates [][]float64) int { return scalability(testSizes, each(rates, medianOf)) }},
	}
	shapes := []struct {
		name string
		of   shape
	}{
		{"flat from 1", flatFrom(1)}, {"flat from 4", flatFrom(4)}, {"flat from 10", flatFrom(10)}, {"flat from 24", flatFrom(24)},
		{"falling after 8", fallingAfter(8)}, {"the law's own", scalable(0.05, 0.001)}, {"linear to the top", flatFrom(1000)},
	}
	const runs = 60
	hits := make([]int, len(ways))
	for _, s := range shapes {
		want := trueKnee(s.of)
		for i, w := range ways {
			random := rand.New(rand.NewPCG(8, 8)) // the same luck for all
			of := 0
			for range runs {
				got := w.find(measured(s.of, 3, 0.03, random))
				if math.Abs(float64(got-want)) <= 1 {
					of++
				}
			}
			hits[i] += of
			t.Logf("%-18s %-16s %3d of %d", s.name, w.name, of, runs)
		}
	}
	total := runs * len(shapes)
	t.Logf("in all: the rule %d, Kneedle %d, the law %d of %d", hits[0], hits[1], hits[2], total)
	if hits[0] < total*95/100 {
		t.Errorf("the rule found %d of %d", hits[0], total)
	}
	if hits[1] > hits[0] || hits[2] > hits[0] {
		t.Error("a rival does better: take it")
	}
}
