package lifecycle_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// lendings acquires and releases n times in an instant.
func lendings(t *testing.T, p *lifecycle.Pool[*thing], n int) {
	t.Helper()
	req := &lifecycle.Request{}
	for range n {
		h, err := p.AcquireFor(t.Context(), req)
		if err != nil {
			t.Fatal(err)
		}
		h.Release()
	}
}

// unobserved returns a pool without an observer, which would keep the clock exact.
func unobserved(t *testing.T, w *works, cfg lifecycle.Config[*thing]) *lifecycle.Pool[*thing] {
	t.Helper()
	cfg.Create, cfg.Destroy = w.create, w.destroy
	p, err := lifecycle.NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.Drain(t.Context()); err != nil && t.Context().Err() == nil {
			t.Error(err)
		}
		<-p.Done()
		synctest.Wait()
		checkEnd(t, p, w, nil)
	})
	return p
}

func TestClockIsCoarseOnlyWhileThePaceIsHigh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unobserved(t, &works{}, lifecycle.Config[*thing]{Max: 3})
		lendings(t, p, 5000)
		if !p.Coarse() {
			t.Fatal("5000 lendings in an instant, and the clock is exact")
		}
		// As long as the pace lasts, holds are measured in whole ticks, which begin and end anywhere.
		before := p.Stats().UseTime
		const holds, each = 200, 1700 * time.Microsecond
		for range holds {
			h := take(t, p, "")
			for range 5 {
				lendings(t, p, 150)
				time.Sleep(each / 5)
			}
			h.Release()
		}
		if !p.Coarse() {
			t.Error("the pace lasted, and the clock became exact")
		}
		if used := p.Stats().UseTime - before; used < holds*each*95/100 || used > holds*each*105/100 {
			t.Errorf("%d holds of %s took %s together", holds, each, used)
		}
		check(t, p)

		time.Sleep(3 * time.Millisecond)
		synctest.Wait()
		if p.Coarse() {
			t.Fatal("nobody comes any more, and the clock is still coarse")
		}
		before = p.Stats().UseTime
		h := take(t, p, "")
		time.Sleep(1234568)
		h.Release()
		if used := p.Stats().UseTime - before; used != 1234568 {
			t.Errorf("a hold of 1.234568 ms took %s", used)
		}
	})
}

func TestClockIsExactForAnObserver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1}) // which has one
		lendings(t, p, 5000)
		if p.Coarse() {
			t.Error("the clock is coarse")
		}
	})
}

func TestCoarseClockStopsWithThePool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unobserved(t, &works{}, lifecycle.Config[*thing]{Max: 2})
		h := take(t, p, "")
		lendings(t, p, 5000)
		p.Close()
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if p.Coarse() {
			t.Error("the pool is closed, and its clock goes on")
		}
		h.Release()
	})
}

func TestCoarseClockCostsNobodyItsTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := unobserved(t, &works{}, lifecycle.Config[*thing]{Max: 1, AcquireTimeout: time.Second})
		lendings(t, p, 5000)
		time.Sleep(900 * time.Microsecond)
		h := take(t, p, "")
		start := time.Now()
		_, err := p.Acquire(t.Context())
		if waited := time.Since(start); err == nil || waited < 999*time.Millisecond || waited > time.Second {
			t.Errorf("after %s: %v", waited, err)
		}
		h.Release()
	})
}
