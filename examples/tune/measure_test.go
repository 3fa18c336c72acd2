package main

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql"
)

// climbed measures a stand-in, in no time at all: the clock is the bubble's.
func climbed(t *testing.T, s *standin, sizes []int, passes int, told func(size int)) ([]rung, error) {
	t.Helper()
	notes := &recorder{}
	db, err := poolsql.Open(poolsql.Config{
		Connector: s, Observer: notes, MinConns: 1, MaxConns: 1, AcquireTimeout: poolsql.None, MaxConnLifetime: poolsql.None,
	})
	if err != nil {
		t.Fatal(err)
	}
	pool, err := poolsql.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		<-pool.Done()
	}()
	m := &meter{
		db: db, pool: pool, recorder: notes, callers: 2 * slices.Max(sizes), warmup: 100 * time.Millisecond, duration: time.Second,
		load: workload{name: "the load", call: func(ctx context.Context, db *sql.DB) error {
			_, err := db.ExecContext(ctx, "work")
			return err
		}},
	}
	return m.climbAll(t.Context(), sizes, passes, func(_, size int, _ sample) {
		if told != nil {
			told(size)
		}
	})
}

func TestEverySizeIsMeasuredAsItIs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &standin{cores: 4, work: 30 * time.Millisecond} // which no measured time is a multiple of
		sizes := []int{1, 2, 3, 4, 6, 8}
		var order []int
		start := time.Now()
		rungs, err := climbed(t, s, sizes, 3, func(size int) { order = append(order, size) })
		if err != nil {
			t.Fatal(err)
		}
		for i, g := range rungs {
			want := float64(min(sizes[i], 4)) / 0.030
			if got := g.throughput(); math.Abs(got/want-1) > 0.02 {
				t.Errorf("%d connections: %.1f per second, want %.1f", g.size, got, want)
			}
			held := 30 * time.Millisecond * time.Duration(max(sizes[i], 4)) / 4
			if g.p50() < held*9/10 || g.p50() > held*11/10 || g.p99() > held*11/10 {
				t.Errorf("%d connections: p50 %s, p99 %s, want %s without the wait for a connection", g.size, g.p50(), g.p99(), held)
			}
		}
		if want := []int{1, 2, 3, 4, 6, 8, 8, 6, 4, 3, 2, 1, 1, 2, 3, 4, 6, 8}; !slices.Equal(order, want) {
			t.Errorf("the order was %v, want %v", order, want)
		}
		// Whoever still waits at the end of a step is turned away: a step takes its time and one call more.
		if took, most := time.Since(start), 18*(1100+60+5)*time.Millisecond; took > most {
			t.Errorf("the run took %s, want %s at most", took, most)
		}
		if most := s.mostOpen.Load(); most != 8 {
			t.Errorf("%d connections were open at once, want 8", most)
		}
		rates := each(rungs, func(g rung) []float64 { return each(g.samples, func(s sample) float64 { return s.perSecond }) })
		if f := findKnee(sizes, rates, 0.05); sizes[f.knee] != 4 || f.verdict != found {
			t.Errorf("knee at %d, %+v", sizes[f.knee], f)
		}
	})
}

func TestAFallAfterThePeakIsMeasured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sizes := []int{1, 2, 4, 8, 16}
		rungs, err := climbed(t, &standin{cores: 4, work: 10 * time.Millisecond, drag: time.Millisecond}, sizes, 2, nil)
		if err != nil {
			t.Fatal(err)
		}
		rates := each(rungs, func(g rung) []float64 { return each(g.samples, func(s sample) float64 { return s.perSecond }) })
		if f := findKnee(sizes, rates, 0.05); sizes[f.knee] != 4 || f.falls != 3 {
			t.Errorf("knee at %d, falls from index %d", sizes[f.knee], f.falls)
		}
	})
}

func TestACallThatFailsEndsTheRunAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := climbed(t, &standin{cores: 2, work: 10 * time.Millisecond, fail: 40}, []int{1, 2, 4}, 3, nil)
		if !errors.Is(err, errStandin) || !strings.Contains(err.Error(), "with 1 connection: the load failed: ") {
			t.Errorf("the error is %v", err)
		}
		if took := time.Since(start); took > 5*time.Second {
			t.Errorf("the run went on for %s", took)
		}
	})
}

func TestACallThatNeverEndsDoesNotHoldTheRunForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		_, err := climbed(t, &standin{cores: 2, work: time.Hour}, []int{1, 2, 4}, 3, nil)
		if err == nil {
			t.Fatal("no error")
		}
		if took := time.Since(start); took > 2*lastCalls {
			t.Errorf("the run went on for %s: %v", took, err)
		}
	})
}

// A statement that takes half of the measured time must not be seen once, twice or three times by chance.
func TestACallAtTheEdgeCountsForItsShare(t *testing.T) {
	from := time.Unix(1000, 0)
	to := from.Add(time.Second)
	at := func(end, held time.Duration) lending { return lending{from.Add(end), held} }
	s := summarize([]lending{
		at(-time.Millisecond, time.Second),              // before
		at(250*time.Millisecond, 500*time.Millisecond),  // half of it inside
		at(750*time.Millisecond, 500*time.Millisecond),  // all of it
		at(1125*time.Millisecond, 500*time.Millisecond), // three quarters
		at(3*time.Second, 4*time.Second),                // around all of it: a quarter
		at(500*time.Millisecond, 0),                     // faster than the clock
		at(1500*time.Millisecond, 400*time.Millisecond), // after
	}, from, to)
	if s.perSecond != 0.5+1+0.75+0.25+1 || s.calls != 3 || s.p99 != 500*time.Millisecond {
		t.Errorf("%+v", s)
	}
}
