package main

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// steady are callers who are answered once a bin, with a break.
func steady(began time.Time, bins, breakFrom, breakTo int) *answers {
	a := &answers{began: began, bins: make([]atomic.Int64, bins)}
	for i := range a.bins {
		if i < breakFrom || i >= breakTo {
			a.bins[i].Store(1)
		}
	}
	return a
}

func TestRateIsBackWhenAWindowBeginsInWhichItIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := steady(time.Now(), 1000, 100, 200)
		time.Sleep(100 * restartBin)
		// 5 of the 25 bins may be empty.
		if got := a.awaitRate(t.Context(), restartShare, 5*time.Second); got != 95*restartBin {
			t.Errorf("back after %v, want %v", got, 95*restartBin)
		}
	})
}

func TestRateThatDoesNotComeBackIsWaitedForUntilTheBound(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := steady(time.Now(), 1000, 100, 1000)
		time.Sleep(100 * restartBin)
		if got := a.awaitRate(t.Context(), restartShare, time.Second); got != time.Second {
			t.Errorf("back after %v, want the bound", got)
		}
		if waited := time.Since(a.began) - 100*restartBin; waited > time.Second {
			t.Errorf("waited for %v", waited)
		}
	})
}

func TestRateIsBackAtOnceWhereNothingWasLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a := steady(time.Now(), 1000, 0, 0)
		if got := a.awaitRate(t.Context(), restartShare, time.Second); got != 0 {
			t.Errorf("back after %v", got)
		}
	})
}
