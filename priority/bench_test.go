package priority_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/poolsql/poolsql/priority"
)

func newSemaphore(tb testing.TB, l priority.Limits) *priority.Semaphore {
	tb.Helper()
	sem, err := priority.NewSemaphore(l)
	if err != nil {
		tb.Fatal(err)
	}
	return sem
}

// callerContexts are contexts as callers have them.
func callerContexts(tb testing.TB) map[string]context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	tb.Cleanup(cancel)
	return map[string]context.Context{
		"plain":   ctx,
		"options": priority.NewContext(ctx, priority.Options{Class: priority.High, Tenant: "a", Label: "l"}),
	}
}

func TestAcquireOfAFreePermitAllocatesNothing(t *testing.T) {
	sem := newSemaphore(t, priority.Limits{Permits: 8, Reserve: 1, MaxWaiting: 10, MaxWait: 1})
	for name, ctx := range callerContexts(t) {
		if n := testing.AllocsPerRun(1000, func() {
			permit, err := sem.Acquire(ctx)
			if err != nil {
				t.Fatal(err)
			}
			permit.Release()
		}); n != 0 {
			t.Errorf("%s: %v allocations, want 0", name, n)
		}
	}
}

func BenchmarkAcquireFree(b *testing.B) {
	sem := newSemaphore(b, priority.Limits{Permits: 8})
	for name, ctx := range callerContexts(b) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				permit, err := sem.Acquire(ctx)
				if err != nil {
					b.Fatal(err)
				}
				permit.Release()
			}
		})
	}
}

// BenchmarkContended is many callers over few permits. In the variant yield each lets others run while it holds its
// permit, so that a queue forms for certain; else that is up to the runtime.
func BenchmarkContended(b *testing.B) {
	for _, callers := range []int{64, 1000} {
		for _, yield := range []bool{false, true} {
			b.Run(fmt.Sprintf("callers=%d/yield=%t", callers, yield), func(b *testing.B) {
				sem := newSemaphore(b, priority.Limits{Permits: 8})
				b.ReportAllocs()
				var left atomic.Int64
				left.Store(int64(b.N))
				var done sync.WaitGroup
				for range callers {
					done.Go(func() {
						for left.Add(-1) >= 0 {
							permit, err := sem.Acquire(b.Context())
							if err != nil {
								b.Error(err)
								return
							}
							if yield {
								runtime.Gosched()
							}
							permit.Release()
						}
					})
				}
				done.Wait()
			})
		}
	}
}
