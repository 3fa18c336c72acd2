package lifecycle_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// benchPool returns a pool of cfg's maximum of things, which are open.
func benchPool(tb testing.TB, cfg lifecycle.Config[*thing]) *lifecycle.Pool[*thing] {
	tb.Helper()
	w := &works{}
	cfg.Create, cfg.Destroy = w.create, w.destroy
	p, err := lifecycle.NewPool(cfg)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		p.Close()
		<-p.Done()
	})
	if err := p.Warmup(tb.Context(), cfg.Max); err != nil {
		tb.Fatal(err)
	}
	return p
}

func alwaysValid(context.Context, *thing, time.Duration, bool) error { return nil }

func TestLendingWhatIsIdleAllocatesNothing(t *testing.T) {
	for name, cfg := range map[string]lifecycle.Config[*thing]{
		"plain": {Max: 2}, "validated": {Max: 2, Validate: alwaysValid},
	} {
		p := benchPool(t, cfg)
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
			t.Errorf("%s: %v allocations", name, n)
		}
		if n := testing.AllocsPerRun(2000, func() {
			h, err := p.Acquire(ctx)
			if err != nil {
				t.Fatal(err)
			}
			h.Release()
		}); n > 1 { // the request
			t.Errorf("%s: %v allocations by Acquire", name, n)
		}
	}
}

func BenchmarkAcquireRelease(b *testing.B) {
	var events atomic.Int64
	for name, cfg := range map[string]lifecycle.Config[*thing]{
		"plain":     {Max: 1},
		"validated": {Max: 1, Validate: alwaysValid},
		"observed":  {Max: 1, Observer: lifecycle.ObserverFunc(func(lifecycle.Event) { events.Add(1) })},
	} {
		b.Run(name, func(b *testing.B) {
			p := benchPool(b, cfg)
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
			p := benchPool(b, lifecycle.Config[*thing]{Max: c.resources})
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

// What turning somebody away costs matters most when there are many to turn away.
func BenchmarkRefusalWhileHundredAreHeld(b *testing.B) {
	p := benchPool(b, lifecycle.Config[*thing]{Max: 100})
	ctx, cancel := context.WithCancel(context.Background())
	for range 100 {
		h, err := p.Acquire(ctx)
		if err != nil {
			b.Fatal(err)
		}
		defer h.Release()
	}
	cancel()
	req := &lifecycle.Request{}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := p.AcquireFor(ctx, req); !errors.Is(err, context.Canceled) {
			b.Fatal(err)
		}
	}
}
