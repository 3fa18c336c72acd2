package health

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

func TestBucketsOfWaitsTouchAndHoldWhatIsPutInThem(t *testing.T) {
	end := time.Duration(1 << leastWait)
	for i := range waitBuckets {
		from, to := waitBounds(i)
		if from != end || to <= from {
			t.Fatalf("bucket %d is from %s to %s, and the one before ends at %s", i, from, to, end)
		}
		for _, d := range []time.Duration{from, (from + to) / 2, to - 1} {
			if got := waitBucket(d); got != i {
				t.Errorf("%s goes to bucket %d, want %d", d, got, i)
			}
		}
		if i < waitBuckets-1 && float64(to-from) > float64(from)/8 {
			t.Errorf("bucket %d is wider than an eighth of what is in it", i)
		}
		end = to
	}
	if got := waitBucket(math.MaxInt64); got != waitBuckets-1 {
		t.Errorf("the longest wait goes to bucket %d", got)
	}
	var w waits
	w.add(100 * time.Microsecond)
	w.add(-time.Second)
	var counts waitCounts
	if w.read(&counts); counts != (waitCounts{}) {
		t.Error("what is no wait was counted")
	}
}

func TestQuantilesAreOffByAnEighthAtMost(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, atOnce := range []int{0, 100, 3000} {
		var w waits
		all := make([]time.Duration, atOnce)
		var before, after waitCounts
		w.add(time.Hour) // of an earlier window
		w.read(&before)
		for range 2000 {
			d := time.Duration(math.Exp(random.Float64()*13) * float64(200*time.Microsecond))
			w.add(d)
			all = append(all, d)
		}
		w.read(&after)
		slices.Sort(all)
		counts := after.since(&before)
		for _, q := range []float64{0.01, 0.5, 0.9, 0.99, 1} {
			want := all[int(math.Ceil(q*float64(len(all))))-1]
			got := counts.quantile(q, uint64(len(all)))
			if off := math.Abs(float64(got - want)); off > float64(want)/8+1 {
				t.Errorf("with %d at once, quantile %v is %s, want %s", atOnce, q, got, want)
			}
		}
	}
	var none waitCounts
	if got := none.quantile(0.99, 0); got != 0 {
		t.Errorf("of nothing: %s", got)
	}
}

func BenchmarkQueueEars(b *testing.B) {
	for _, wait := range []time.Duration{time.Microsecond, time.Millisecond} {
		b.Run(wait.String(), func(b *testing.B) {
			e := queueEars{new(waits)}
			b.ReportAllocs()
			for b.Loop() {
				e.Observe(acquireEvent(wait))
			}
		})
	}
}

func acquireEvent(wait time.Duration) lifecycle.Event {
	return lifecycle.Event{Kind: lifecycle.KindAcquire, Pool: "poolsql", Label: "checkout", Wait: wait}
}

func TestHearingOfALendingAllocatesNothing(t *testing.T) {
	e := queueEars{new(waits)}
	for _, wait := range []time.Duration{time.Microsecond, time.Millisecond} {
		if n := testing.AllocsPerRun(100, func() { e.Observe(acquireEvent(wait)) }); n != 0 {
			t.Errorf("a lending after %s costs %v allocations", wait, n)
		}
	}
}
