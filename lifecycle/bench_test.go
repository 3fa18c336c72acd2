package lifecycle_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// benchPool returns a pool of n things that are open.
func benchPool(tb testing.TB, n int, observer lifecycle.Observer) *lifecycle.Pool[*thing] {
	tb.Helper()
	w := &works{}
	p, err := lifecycle.NewPool(lifecycle.Config[*thing]{Max: n, Create: w.create, Destroy: w.destroy, Observer: observer})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.Close()
		<-p.Done()
	})
	if err := p.Warmup(tb.Context(), n); err != nil {
		tb.Fatal(err)
	}
	return p
}

func TestLendingWhatIsIdleAllocatesNothing(t *testing.T) {
	p := benchPool(t, 2, nil)
	ctx := t.Context()
	req := &lifecycle.Request{Options: priority.Options{Class: priority.High, Label: "x", Affinity: "y"}}
	if n := testing.AllocsPerRun(2000, func() {
		h, err := p.AcquireFor(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		h.Describe("z")
		h.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
	if n := testing.AllocsPerRun(2000, func() {
		h, err := p.Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		h.Release()
	}); n > 1 { // the request
		t.Errorf("%v allocations by Acquire", n)
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	var events atomic.Int64
	for name, observer := range map[string]lifecycle.Observer{
		"unobserved": nil,
		"observed":   lifecycle.ObserverFunc(func(lifecycle.Event) { events.Add(1) }),
	} {
		b.Run(name, func(b *testing.B) {
			p := benchPool(b, 1, observer)
			ctx, req := context.Background(), &lifecycle.Request{}
			b.ReportAllocs()
			for b.Loop() {
				h, err := p.AcquireFor(ctx, req)
				if err != nil {
					b.Fatal(err)
				}
				h.Release()
			}
		})
	}
}

func BenchmarkAcquireReleaseParallel(b *testing.B) {
	for name, c := range map[string]struct{ resources, goroutines int }{
		"a resource for each":   {64, 16},
		"64 callers for 8":      {8, 32},
		"1,000 callers for 8":   {8, 500},
		"1,000 callers for one": {1, 500},
	} {
		b.Run(name, func(b *testing.B) {
			p := benchPool(b, c.resources, nil)
			ctx := context.Background()
			b.SetParallelism(c.goroutines) // of each processor
			b.ReportAllocs()
			b.RunParallel(func(pb *testing.PB) {
				req := &lifecycle.Request{}
				for pb.Next() {
					h, err := p.AcquireFor(ctx, req)
					if err != nil {
						b.Error(err)
						return
					}
					h.Release()
				}
			})
		})
	}
}
