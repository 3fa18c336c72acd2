package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// waits fails the test unless the caller waits.
func waits(t *testing.T, c *caller, why string) {
	t.Helper()
	synctest.Wait()
	if c.decided() {
		t.Fatalf("%s: decided after %s: %v", why, c.waited, c.err)
	}
}

func TestSuspendedPoolLendsAndCreatesNothingUntilResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		told := &recorder{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, Observer: told})
		held := take(t, p, "held")
		idle := take(t, p, "idle")
		idle.Release()
		p.Suspend()
		p.Suspend()
		low := call(t.Context(), p, priority.Options{Class: priority.Low})
		normal := call(t.Context(), p, priority.Options{})
		high := call(t.Context(), p, priority.Options{Class: priority.High})
		time.Sleep(time.Minute)
		held.Release()
		for _, c := range []*caller{low, normal, high} {
			waits(t, c, "suspended")
		}
		check(t, p)
		if s := p.Stats(); !s.Suspended || s.Waiting != 3 || s.Idle != 2 || s.InUse != 0 || w.attempts() != 2 {
			t.Errorf("%+v, %d attempts", s, w.attempts())
		}
		p.Resume()
		p.Resume()
		synctest.Wait()
		check(t, p)
		for _, c := range []*caller{high, normal, low} {
			c.served(t).Release()
		}
		if s := p.Stats(); s.Suspended || w.attempts() != 3 || s.Total != 3 {
			t.Errorf("%+v, %d attempts: the one that was lacking is to be created", s, w.attempts())
		}
		events := told.all(lifecycle.KindSuspended, lifecycle.KindResumed)
		if len(events) != 2 || events[0].Count != 1 || events[1].Count != 3 {
			t.Errorf("told %v", events)
		}
	})
}

func TestTimeoutsRunWhileSuspendedAndTheErrorSaysSo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Name: "orders", Max: 2, AcquireTimeout: 2 * time.Second, MaxWaiting: 2})
		h := take(t, p, "migration")
		p.Suspend()
		ctx, cancel := context.WithCancel(t.Context())
		late := call(t.Context(), p, priority.Options{Label: "search"})
		leaver := call(ctx, p, priority.Options{})
		full := call(t.Context(), p, priority.Options{}).refused(t)
		cancel()
		e := late.refused(t)
		want := `poolsql: pool "orders": acquire timeout after waiting 2s: class normal, label "search", 1 of 2 in use, ` +
			`1 waiting; the pool is suspended; 1 open and 0 opening of at most 2; held by "migration" (normal) for 2s`
		if e.Error() != want || !e.Suspended || !near(late.waited, 2*time.Second) {
			t.Errorf("after %s it says\n%s\nwant\n%s", late.waited, e, want)
		}
		if e := leaver.refused(t); e.Refused.Reason != priority.Canceled || leaver.waited != 0 {
			t.Errorf("the leaver was told %v after %s", e, leaver.waited)
		}
		if full.Refused.Reason != priority.QueueFull || !full.Suspended {
			t.Errorf("the third was told %v", full)
		}
		cleared := call(t.Context(), p, priority.Options{})
		if n := p.Clear("deploying"); n != 1 || cleared.refused(t).Refused.Reason != priority.Cleared {
			t.Errorf("%d were cleared", n)
		}
		p.Resume()
		if e := call(ctx, p, priority.Options{}).refused(t); e.Suspended || strings.Contains(e.Error(), "suspended") {
			t.Errorf("after Resume: %v", e)
		}
		h.Release()
	})
}

func TestResetOfASuspendedPoolReplacesNothingBeforeResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3, Min: 2})
		hs := takeAll(t, p, 3)
		p.Suspend()
		giveAll(hs)
		if s := p.Stats(); s.Idle != 3 {
			t.Fatalf("suspending must end nothing: %+v", s)
		}
		p.Reset()
		time.Sleep(time.Hour)
		check(t, p)
		if s := p.Stats(); s.Total != 0 || w.attempts() != 3 {
			t.Errorf("%+v, %d attempts", s, w.attempts())
		}
		c := call(t.Context(), p, priority.Options{})
		waits(t, c, "after the reset")
		p.Resume()
		c.served(t).Release()
		synctest.Wait()
		if s := p.Stats(); s.Total != 2 || w.attempts() != 5 {
			t.Errorf("the minimum was not filled: %+v, %d attempts", s, w.attempts())
		}
	})
}

// What failed before says nothing of what will be when somebody resumes the pool, which he does when the database is back.
func TestSuspendedPoolTurnsNobodyAwayForADatabaseThatIsDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 2})
		for range 5 { // so that the pause is the longest
			_ = call(t.Context(), p, priority.Options{}).refused(t)
			time.Sleep(time.Second)
		}
		w.set(func(w *works) { w.createTakes = time.Second })
		begun := call(t.Context(), p, priority.Options{}) // whose creation is under way, and will fail
		p.Suspend()
		came := call(t.Context(), p, priority.Options{})
		attempts := w.attempts()
		time.Sleep(1001 * time.Millisecond)
		waits(t, begun, "its creation has failed")
		waits(t, came, "fail fast")
		last := call(t.Context(), p, priority.Options{})
		waits(t, last, "fail fast, after the failure")
		time.Sleep(time.Hour)
		waits(t, last, "fail fast, long after the failure")
		if n := w.attempts(); n != attempts {
			t.Errorf("%d were tried while suspended", n-attempts)
		}
		if next := p.NextRound(); next < 10*time.Second {
			t.Errorf("the keeper comes back in %s, to find nothing to do", next)
		}
		check(t, p)
		w.set(func(w *works) { w.createFails, w.createTakes = nil, 0 })
		resumed := time.Now()
		p.Resume()
		begun.served(t).Release()
		came.served(t).Release()
		last.served(t).Release()
		if took := time.Since(resumed); took > 10*time.Nanosecond {
			t.Errorf("the first was served %s after Resume", took)
		}
	})
}

func TestResumeIntoADatabaseThatIsDownTurnsAwayWhoWaited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{createFails: errDown}, lifecycle.Config[*thing]{Max: 2})
		p.Suspend()
		c := call(t.Context(), p, priority.Options{})
		p.Resume()
		if e := c.refused(t); !errors.Is(e, errDown) || !errors.Is(e, priority.ErrUnavailable) {
			t.Errorf("refused with %v", e)
		}
		check(t, p)
	})
}

func TestResumeTriesAtOnceThoughTheLastCreationHasJustFailed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createFails: errDown}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 2})
		_ = call(t.Context(), p, priority.Options{}).refused(t)
		p.Suspend()
		c := call(t.Context(), p, priority.Options{})
		w.set(func(w *works) { w.createFails = nil })
		p.Resume()
		c.served(t).Release()
		if !near(c.waited, 0) {
			t.Errorf("served after %s", c.waited)
		}
	})
}

func TestCreationUnderWayAtSuspendIsKeptAndLentAtResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 9})
		var cs []*caller
		for range 5 {
			cs = append(cs, call(t.Context(), p, priority.Options{}))
		}
		p.Suspend()
		time.Sleep(time.Minute)
		synctest.Wait()
		check(t, p)
		if s := p.Stats(); s.Idle != 2 || s.Creating != 0 || s.Waiting != 5 {
			t.Errorf("%+v", s)
		}
		if n := p.Allowance(); n != 2 {
			t.Errorf("%d may be created at once, though nobody was served in the meantime for another reason", n)
		}
		p.Resume()
		for _, c := range cs[:2] {
			c.served(t)
		}
		for _, c := range cs[2:] {
			c.served(t)
		}
		for _, c := range cs {
			c.h.Release()
		}
	})
}

func TestWhoLosesHisResourceWhileSuspendedWaitsInFront(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 1})
		h := take(t, p, "unlucky")
		p.Suspend()
		first := call(t.Context(), p, priority.Options{})
		replaced := make(chan error, 1)
		go func() {
			replaced <- p.Replace(t.Context(), &h, &lifecycle.Request{}, lifecycle.EndBroken, errStale)
		}()
		time.Sleep(time.Minute)
		synctest.Wait()
		check(t, p)
		if s := p.Stats(); s.Waiting != 2 || s.Total != 0 {
			t.Fatalf("%+v", s)
		}
		p.Resume()
		if err := <-replaced; err != nil {
			t.Fatal(err)
		}
		waits(t, first, "the one in front has it")
		h.Release()
		first.served(t).Release()
	})
}

func TestSuspendedPoolCanBeShut(t *testing.T) {
	for name, shut := range map[string]func(p *lifecycle.Pool[*thing]) error{
		"close": func(p *lifecycle.Pool[*thing]) error { p.Close(); return nil },
		"drain": func(p *lifecycle.Pool[*thing]) error { return p.Drain(context.Background()) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				told := &recorder{}
				p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2, Observer: told})
				h := take(t, p, "")
				p.Suspend()
				c := call(t.Context(), p, priority.Options{})
				time.AfterFunc(time.Second, h.Release)
				if err := shut(p); err != nil {
					t.Error(err)
				}
				if e := c.refused(t); !errors.Is(e, lifecycle.ErrClosed) || e.Suspended {
					t.Errorf("refused with %v", e)
				}
				<-p.Done()
				p.Suspend()
				p.Resume()
				check(t, p)
				if s := p.Stats(); s.Suspended {
					t.Errorf("%+v", s)
				}
				if e := told.all(lifecycle.KindSuspended, lifecycle.KindResumed); len(e) != 1 {
					t.Errorf("told %v", e)
				}
			})
		})
	}
}

func TestWarmupWaitsWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{createTakes: time.Second}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 4, Min: 1})
		p.Suspend()
		short, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		err := p.Warmup(short, 2)
		if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "0 of 2 are open: the pool is suspended: ") {
			t.Errorf("Warmup said %v", err)
		}
		done := make(chan error, 1)
		go func() { done <- p.Warmup(t.Context(), 3) }()
		time.Sleep(time.Minute)
		synctest.Wait()
		if w.attempts() != 0 || len(done) != 0 {
			t.Errorf("%d were tried while suspended; returned: %d", w.attempts(), len(done))
		}
		p.Resume()
		if err := <-done; err != nil || p.Stats().Idle != 3 {
			t.Errorf("%v, %+v", err, p.Stats())
		}
	})
}

func TestIdleTimeoutsRunWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3, Min: 1, IdleTimeout: time.Minute})
		giveAll(takeAll(t, p, 3))
		p.Suspend()
		time.Sleep(time.Hour)
		if s := p.Stats(); s.Idle != 1 {
			t.Errorf("%+v", s)
		}
		p.Resume()
	})
}

func TestResumeServesUnderALimitThatChangedMeanwhile(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1})
		once := take(t, p, "")
		once.Release()
		p.Suspend()
		var cs []*caller
		for range 3 {
			cs = append(cs, call(t.Context(), p, priority.Options{}))
		}
		if err := p.Resize(0, 3); err != nil {
			t.Fatal(err)
		}
		p.Resume()
		for _, c := range cs {
			c.served(t)
		}
		for _, c := range slices.Backward(cs) {
			c.h.Release()
		}
	})
}
