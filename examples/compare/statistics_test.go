package main

import (
	"math"
	"slices"
	"testing"
)

func TestMedianTakesTheMiddleAndLeavesItsInputAlone(t *testing.T) {
	odd := []float64{9, 1, 5}
	if got := median(odd); got != 5 {
		t.Errorf("median of three = %v", got)
	}
	if !slices.Equal(odd, []float64{9, 1, 5}) {
		t.Errorf("the input is now %v", odd)
	}
	if got := median([]float64{4, 1, 3, 2}); got != 2.5 {
		t.Errorf("median of four = %v", got)
	}
	if got := median(nil); !math.IsNaN(got) {
		t.Errorf("median of none = %v", got)
	}
}

func TestRatiosAreTakenRoundByRoundWithoutZeroDivisors(t *testing.T) {
	got := ratiosOf([]float64{10, 5, 9}, []float64{5, 0, 3})
	if !slices.Equal(got, []float64{2, 3}) {
		t.Errorf("ratios = %v", got)
	}
	if cell := formatRatio(nil); cell != "–" {
		t.Errorf("cell without a ratio = %q", cell)
	}
}
