package timing_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/examples/internal/timing"
)

func TestPercentileIsTheNearestRank(t *testing.T) {
	thousand := make([]time.Duration, 1000)
	for i := range thousand {
		thousand[i] = time.Duration(i + 1)
	}
	hundred := thousand[:100]
	for _, c := range []struct {
		sorted []time.Duration
		p      float64
		want   time.Duration
	}{
		{nil, 0.5, 0},
		{hundred[:1], 0.5, 1}, {hundred[:1], 0.99, 1},
		{hundred[:2], 0.5, 1}, {hundred[:3], 0.5, 2},
		{hundred, 0, 1}, {hundred, 0.5, 50}, {hundred, 0.99, 99}, {hundred, 0.991, 100}, {hundred, 1, 100},
		{thousand, 0.0001, 1}, {thousand, 0.99, 990}, {thousand, 0.999, 999}, {thousand, 1, 1000},
	} {
		if got := timing.Percentile(c.sorted, c.p); got != c.want {
			t.Errorf("Percentile(1..%d, %v) = %d, want %d", len(c.sorted), c.p, got, c.want)
		}
	}
}

func TestAPauseEndsWithItsTimeOrItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		if !timing.Pause(t.Context(), time.Second) || time.Since(start) != time.Second {
			t.Errorf("a pause of a second took %s", time.Since(start))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		start = time.Now()
		if timing.Pause(ctx, time.Hour) || time.Since(start) != time.Second {
			t.Errorf("a pause that was cut short after a second took %s", time.Since(start))
		}
		if timing.Pause(ctx, 0) || !timing.Pause(t.Context(), -1) {
			t.Error("a pause of no time does not tell whether its context is alive")
		}
	})
}
