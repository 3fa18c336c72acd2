package lifecycle_test

import (
	"context"
	"fmt"
	"testing"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// counted is a pool of numbers.
func counted(t testing.TB, most int) *lifecycle.Pool[int] {
	t.Helper()
	n := 0
	p, err := lifecycle.NewPool(lifecycle.Config[int]{
		Name: "numbers", Max: most,
		Create:  func(context.Context) (int, error) { n++; return n, nil },
		Destroy: func(context.Context, int) error { return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close(); <-p.Done() })
	return p
}

func lendTo(t testing.TB, p *lifecycle.Pool[int], key string) lifecycle.Handle[int] {
	t.Helper()
	h, err := p.Acquire(priority.WithAffinity(context.Background(), key))
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func TestEachOfAFewKeysComesToHaveItsOwnResource(t *testing.T) {
	p := counted(t, 4)
	if err := p.Warmup(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	first := map[string]uint64{}
	for round := range 10 {
		for i := range 4 {
			key := fmt.Sprint("key", (i*3+round)%4)
			h := lendTo(t, p, key)
			if had, ok := first[key]; ok && had != h.ID() {
				t.Errorf("round %d: %s got %d, it had %d", round, key, h.ID(), had)
			}
			first[key] = h.ID()
			h.Release()
		}
	}
	if s := p.Stats(); s.AffinityLooks != 40 || s.AffinityHits != 36 {
		t.Errorf("%d of %d got what served them last", s.AffinityHits, s.AffinityLooks)
	}
}

func TestNobodyWaitsForTheResourceOfAKey(t *testing.T) {
	p := counted(t, 2)
	if err := p.Warmup(t.Context(), 2); err != nil {
		t.Fatal(err)
	}
	held := lendTo(t, p, "a")
	other := lendTo(t, p, "a") // its own is in use
	if held.ID() == other.ID() {
		t.Fatal("one resource has two holders")
	}
	other.Release()
	plain, err := p.Acquire(t.Context()) // the last that served "a", as any
	if err != nil {
		t.Fatal(err)
	}
	plain.Release()
	held.Release()
}

// A key for each call is the worst that can be asked: nothing is found, and nothing is kept of them.
func TestKeysThatNeverComeAgainLeaveNothingBehind(t *testing.T) {
	p := counted(t, 3)
	if err := p.Warmup(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	for i := range 10_000 {
		h := lendTo(t, p, fmt.Sprint(i))
		h.Release()
	}
	if s := p.Stats(); s.AffinityHits != 0 || s.Total != 3 {
		t.Errorf("%+v", s)
	}
	p.Reset()
	h := lendTo(t, p, "9999") // what served it has gone
	h.Release()
	keys := map[string]bool{}
	for _, r := range p.Resources() {
		keys[r.Affinity] = true
	}
	if len(keys) > 3 {
		t.Errorf("keys are kept: %v", keys)
	}
}

func BenchmarkAffinity(b *testing.B) {
	for _, most := range []int{4, 100, 1000} {
		for name, keys := range map[string]int{"Hit": most / 2, "Miss": most * 64} {
			b.Run(fmt.Sprintf("%s/%d", name, most), func(b *testing.B) {
				p := counted(b, most)
				if err := p.Warmup(b.Context(), most); err != nil {
					b.Fatal(err)
				}
				ctxs := make([]context.Context, keys)
				for i := range ctxs {
					ctxs[i] = priority.WithAffinity(context.Background(), fmt.Sprint("key ", i))
				}
				b.ReportAllocs()
				for i := 0; b.Loop(); i++ {
					h, err := p.Acquire(ctxs[i%keys])
					if err != nil {
						b.Fatal(err)
					}
					h.Release()
				}
			})
		}
	}
}

// A new key takes the place of the one that was asked for longest ago, and nothing else in the order changes: the resource that
// was used last is still the first to be lent to those without a key.
func TestANewKeyTakesTheResourceThatHasBeenIdleForLongest(t *testing.T) {
	p := counted(t, 3)
	ids := map[string]uint64{}
	var held []lifecycle.Handle[int]
	for _, key := range []string{"a", "b", "c"} {
		h := lendTo(t, p, key)
		ids[key] = h.ID()
		held = append(held, h)
	}
	for _, h := range held { // the last is c's
		h.Release()
	}
	h := lendTo(t, p, "d")
	if h.ID() != ids["a"] {
		t.Errorf("d got %d, want what was a's, of %v", h.ID(), ids)
	}
	h.Release()
	for _, key := range []string{"a", "c", "b"} {
		h, err := p.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer h.Release()
		if h.ID() != ids[key] {
			t.Errorf("without a key one gets %d, want what was %s's, of %v", h.ID(), key, ids)
		}
	}
}

// What has served no key is nobody's: the warmest of them will do.
func TestANewKeyTakesNothingFromAnotherWhileThereIsOneWithoutAKey(t *testing.T) {
	p := counted(t, 2)
	first := lendTo(t, p, "")
	second := lendTo(t, p, "")
	want := second.ID()
	first.Release()
	second.Release()
	h := lendTo(t, p, "a")
	defer h.Release()
	if h.ID() != want {
		t.Errorf("a got %d, want the one that was used last, %d", h.ID(), want)
	}
}
