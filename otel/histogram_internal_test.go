package poolotel

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// A bucket has what is at most its upper bound, as OpenTelemetry and Prometheus both have it.
func TestABucketsBoundBelongsToIt(t *testing.T) {
	h := newSharded([]int64{10, 20})
	for _, v := range []int64{-5, 0, 10, 11, 20, 21, 1 << 40} {
		h.count(0, v)
	}
	buckets, count, sum := h.read()
	if !slices.Equal(buckets, []uint64{3, 2, 2}) || count != 7 || sum != 10+11+20+21+1<<40 {
		t.Errorf("buckets %v, count %d, sum %v", buckets, count, sum)
	}
}

func TestAHistogramLosesNothingOfManyAtOnce(t *testing.T) {
	h := newSharded(toUnits(durationBounds, float64(time.Second)))
	const callers, each = 8, 5000
	want := make([]uint64, len(durationBounds)+1)
	var sum float64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(c)))
			for range each {
				v := r.Int64N(int64(12 * time.Second))
				h.count(r.Uint64(), v)
				i, _ := slices.BinarySearchFunc(durationBounds, v, func(b float64, v int64) int {
					if int64(b*1e9) < v {
						return -1
					}
					return 1
				})
				mu.Lock()
				want[i]++
				sum += float64(v)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	buckets, count, total := h.read()
	if !slices.Equal(buckets, want) || count != callers*each || total != sum {
		t.Errorf("buckets %v, want %v; count %d, want %d; sum %v, want %v", buckets, want, count, callers*each, total, sum)
	}
}

func TestBoundsInNanosecondsAreExact(t *testing.T) {
	got := toUnits(durationBounds, float64(time.Second))
	want := []int64{1e6, 5e6, 1e7, 5e7, 1e8, 5e8, 1e9, 5e9, 1e10}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// spanned returns a context with a span of this number.
func spanned(n byte, flags trace.TraceFlags) context.Context {
	return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{n}, SpanID: trace.SpanID{n}, TraceFlags: flags,
	}))
}

// nobody is what events have that nobody called for.
var nobody context.Context

func TestTheLastSampledSpanOfABucketIsItsExample(t *testing.T) {
	h := newSharded([]int64{10})
	h.record(sampled(spanned(1, trace.FlagsSampled)), 0, 3)
	h.record(sampled(spanned(2, trace.FlagsSampled)), 1, 4)
	h.record(sampled(spanned(3, 0)), 0, 5)
	h.record(sampled(context.Background()), 0, 6)
	h.record(sampled(nobody), 0, 7)
	h.record(sampled(spanned(4, trace.FlagsSampled)), 0, 11)
	got := map[byte]int64{}
	h.kept(func(value int64, at time.Time, id trace.TraceID, span trace.SpanID) {
		if time.Since(at) > time.Minute || span[0] != id[0] {
			t.Errorf("an example of %s, span %s", at, span)
		}
		got[id[0]] = value
	})
	if len(got) != 2 || got[2] != 4 || got[4] != 11 {
		t.Errorf("values by span: %v, want 4 of span 2 and 11 of span 4", got)
	}
}

// Whatever is read of an example belongs together, and nobody waits for it.
func TestAnExampleIsReadAsItWasWritten(t *testing.T) {
	h := newSharded([]int64{1000})
	done := make(chan struct{})
	var wg sync.WaitGroup
	for c := range 4 {
		wg.Go(func() {
			ctx := spanned(byte(c+1), trace.FlagsSampled)
			for {
				select {
				case <-done:
					return
				default:
					h.record(ctx, 0, int64(c+1))
				}
			}
		})
	}
	seen := 0
	for deadline := time.Now().Add(10 * time.Second); seen < 200 && time.Now().Before(deadline); {
		h.kept(func(value int64, _ time.Time, id trace.TraceID, span trace.SpanID) {
			seen++
			if int64(id[0]) != value || int64(span[0]) != value {
				t.Errorf("value %d with trace %s and span %s", value, id, span)
			}
		})
	}
	close(done)
	wg.Wait()
	if seen == 0 {
		t.Error("no example was read")
	}
}
