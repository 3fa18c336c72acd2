package lifecycle_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// owned acquires for somebody with this owner, who must get something.
func owned(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], o *priority.Owner, label string) lifecycle.Handle[*thing] {
	t.Helper()
	h, err := p.AcquireFor(ctx, &lifecycle.Request{Options: priority.Options{Owner: o, Label: label}})
	if err != nil {
		t.Fatalf("%s got nothing: %v", label, err)
	}
	return h
}

// deadlocked fails the test unless the caller is turned away at once, because waiting would be a deadlock.
func deadlocked(t *testing.T, c *caller) {
	t.Helper()
	synctest.Wait()
	if !c.decided() {
		t.Fatal("it waits, though it is proven that it would do so for ever")
	}
	if e := c.refused(t); !errors.Is(e, priority.ErrDeadlock) || e.Refused.Reason != priority.Deadlock || c.waited != 0 {
		t.Fatalf("refused after %s with %v", c.waited, e)
	}
}

func TestCallerWhoWouldWaitForHimselfIsTurnedAwayAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Name: "db", Max: 1, Observer: told})
		a := new(priority.Owner)
		h := owned(t.Context(), t, p, a, "outer")
		time.Sleep(time.Second)
		c := call(t.Context(), p, priority.Options{Owner: a, Label: "inner", Class: priority.High})
		deadlocked(t, c)
		want := `poolsql: pool "db": refused, waiting would be a deadlock after waiting 0s: class high, label "inner", 1 of 1 ` +
			`in use, 0 waiting: each of the 1 that it may have is held by a caller who waits for one more, as this one would: go on with what ` +
			`is held, such as its transaction, or give it back before asking for more; 1 open and 0 opening of at most 1; ` +
			`held by "outer" (normal) for 1s`
		if c.err.Error() != want {
			t.Errorf("it says\n%s\nwant\n%s", c.err, want)
		}
		if e := told.all(lifecycle.KindNested); len(e) != 1 || e[0].Count != 1 || e[0].Label != "inner" || e[0].Class != priority.High {
			t.Errorf("told %v", e)
		}
		if s := p.Stats(); s.Class(priority.High).Refused[priority.Deadlock] != 1 {
			t.Errorf("counted: %+v", s)
		}
		h.Release()
		again := owned(t.Context(), t, p, a, "afterwards")
		again.Release()
		if n := p.Owners(); n != 0 {
			t.Errorf("%d owners are remembered", n)
		}
	})
}

func TestLastToCompleteADeadlockIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 3, AcquireTimeout: time.Minute})
		a, b, c := new(priority.Owner), new(priority.Owner), new(priority.Owner)
		ha, hb, hc := owned(t.Context(), t, p, a, "a"), owned(t.Context(), t, p, b, "b"), owned(t.Context(), t, p, c, "c")
		plain := call(t.Context(), p, priority.Options{Class: priority.Low})
		stranger := call(t.Context(), p, priority.Options{Owner: new(priority.Owner), Class: priority.Low})
		wa := call(t.Context(), p, priority.Options{Owner: a})
		waits(t, wa, "b and c do not")
		wb := call(t.Context(), p, priority.Options{Owner: b})
		waits(t, wb, "c does not")
		check(t, p)
		deadlocked(t, call(t.Context(), p, priority.Options{Owner: c}))
		check(t, p)
		waits(t, plain, "he holds nothing")
		waits(t, stranger, "he holds nothing")
		hc.Release()
		got := wa.served(t)
		ha.Release()
		got.Release()
		wb.served(t).Release()
		hb.Release()
		plain.served(t).Release()
		stranger.served(t).Release()
		synctest.Wait()
		if n := p.Owners(); n != 0 {
			t.Errorf("%d owners are remembered", n)
		}
	})
}

// Nobody is turned away as long as there is one way in which he could be served.
func TestWaitThatCanEndIsNoDeadlock(t *testing.T) {
	a, b := new(priority.Owner), new(priority.Owner)
	for name, c := range map[string]struct {
		max     int
		reserve int
		play    func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], w *works) (served []*caller, held []*lifecycle.Handle[*thing])
	}{
		"a holder has no owner": {2, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h, other := owned(ctx, t, p, a, ""), take(t, p, "")
			return []*caller{call(ctx, p, priority.Options{Owner: a})}, []*lifecycle.Handle[*thing]{&other, &h}
		}},
		"a holder does not wait": {2, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h, other := owned(ctx, t, p, a, ""), owned(ctx, t, p, b, "")
			return []*caller{call(ctx, p, priority.Options{Owner: a})}, []*lifecycle.Handle[*thing]{&other, &h}
		}},
		"one is being created": {2, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], w *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h := owned(ctx, t, p, a, "")
			w.set(func(w *works) { w.createTakes = time.Second })
			one, two := call(ctx, p, priority.Options{}), call(ctx, p, priority.Options{Owner: a})
			one.served(t).Release()
			return []*caller{two}, []*lifecycle.Handle[*thing]{&h}
		}},
		"one is being destroyed": {2, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], w *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h, gone := owned(ctx, t, p, a, ""), take(t, p, "")
			w.set(func(w *works) { w.destroyTakes = time.Second })
			gone.Destroy(lifecycle.EndBroken)
			return []*caller{call(ctx, p, priority.Options{Owner: a})}, []*lifecycle.Handle[*thing]{&h}
		}},
		"none can be created at present": {2, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], w *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h := owned(ctx, t, p, a, "")
			w.set(func(w *works) { w.createFails = errDown })
			c := call(ctx, p, priority.Options{Owner: a})
			time.AfterFunc(time.Second, func() { w.set(func(w *works) { w.createFails = nil }) })
			return []*caller{c}, []*lifecycle.Handle[*thing]{&h}
		}},
		"a context of a holder has ended": {1, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			ended, cancel := context.WithCancel(ctx)
			h := owned(ended, t, p, a, "")
			cancel()
			return []*caller{call(ctx, p, priority.Options{Owner: a})}, []*lifecycle.Handle[*thing]{&h}
		}},
		"a context of one who waits has ended": {2, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			ha, hb := owned(ctx, t, p, a, ""), owned(ctx, t, p, b, "")
			soon, cancel := context.WithCancel(ctx)
			wa := call(soon, p, priority.Options{Owner: a})
			cancel() // and he has not got round to leaving
			wb := call(ctx, p, priority.Options{Owner: b})
			_ = wa.refused(t)
			return []*caller{wb}, []*lifecycle.Handle[*thing]{&ha, &hb}
		}},
		"one who waits was served": {3, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			ha, hb, free := owned(ctx, t, p, a, ""), owned(ctx, t, p, b, ""), take(t, p, "")
			wa := call(ctx, p, priority.Options{Owner: a})
			free.Release()
			wb := call(ctx, p, priority.Options{Owner: b})
			return []*caller{wb}, []*lifecycle.Handle[*thing]{wa.served(t), &ha, &hb}
		}},
		"the owner is two goroutines": {1, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h := take(t, p, "")
			one, two := call(ctx, p, priority.Options{Owner: a}), call(ctx, p, priority.Options{Owner: a})
			h.Release()
			return []*caller{two, call(ctx, p, priority.Options{Owner: a})}, []*lifecycle.Handle[*thing]{one.served(t)}
		}},
		"the holder gave it into other hands": {1, 0, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h := owned(ctx, t, p, a, "")
			h.Detach("rollback")
			return []*caller{call(ctx, p, priority.Options{Owner: a})}, []*lifecycle.Handle[*thing]{&h}
		}},
		"one is kept for higher classes": {2, 1, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], _ *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			h := owned(ctx, t, p, a, "")
			if err := p.Warmup(ctx, 2); err != nil {
				t.Fatal(err)
			}
			return []*caller{call(ctx, p, priority.Options{Owner: a, Class: priority.High})}, []*lifecycle.Handle[*thing]{&h}
		}},
		"one of those who wait may have what is kept for higher classes": {4, 2, func(ctx context.Context, t *testing.T, p *lifecycle.Pool[*thing], w *works) ([]*caller, []*lifecycle.Handle[*thing]) {
			ha, hb := owned(ctx, t, p, a, ""), owned(ctx, t, p, b, "")
			w.set(func(w *works) { w.createTakes = time.Second })
			wa := call(ctx, p, priority.Options{Owner: a, Class: priority.High})
			wb := call(ctx, p, priority.Options{Owner: b})
			return []*caller{wb}, []*lifecycle.Handle[*thing]{wa.served(t), &ha, &hb}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := &works{}
				p := newPool(t, w, lifecycle.Config[*thing]{Max: c.max, Reserve: c.reserve})
				served, held := c.play(t.Context(), t, p, w)
				synctest.Wait()
				for _, c := range served {
					if c.decided() && c.err != nil {
						t.Errorf("turned away: %v", c.err)
					}
				}
				check(t, p)
				time.Sleep(time.Minute)
				for _, h := range held {
					h.Release()
					synctest.Wait()
					check(t, p)
				}
				for _, c := range served {
					c.served(t).Release()
				}
				synctest.Wait()
				if n := p.Owners(); n != 0 {
					t.Errorf("%d owners are remembered", n)
				}
			})
		})
	}
}

// He waited for room, and now there is none.
func TestLoweredMaximumThatCompletesADeadlockTurnsTheLastAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{Max: 3})
		a, b := new(priority.Owner), new(priority.Owner)
		ha, hb := owned(t.Context(), t, p, a, ""), owned(t.Context(), t, p, b, "")
		w.set(func(w *works) { w.hangs = true })
		wa := call(t.Context(), p, priority.Options{Owner: a})
		time.Sleep(time.Second)
		wb := call(t.Context(), p, priority.Options{Owner: b})
		waits(t, wb, "a third is being created")
		if err := p.Resize(0, 2); err != nil {
			t.Fatal(err)
		}
		if e := wb.refused(t); !errors.Is(e, priority.ErrDeadlock) || wb.waited != 0 {
			t.Errorf("refused after %s with %v", wb.waited, e)
		}
		waits(t, wa, "he came first")
		check(t, p)
		hb.Release()
		wa.served(t).Release()
		ha.Release()
	})
}

// What is kept for High serves none of them, however much of it is idle.
func TestLowerClassesThatWaitForEachOtherAreADeadlockThoughAReserveIsIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 4, Reserve: 2})
		if err := p.Warmup(t.Context(), 4); err != nil {
			t.Fatal(err)
		}
		a, b, c := new(priority.Owner), new(priority.Owner), new(priority.Owner)
		ha, hb := owned(t.Context(), t, p, a, ""), owned(t.Context(), t, p, b, "")
		high := call(t.Context(), p, priority.Options{Owner: c, Class: priority.High})
		wa := call(t.Context(), p, priority.Options{Owner: a, Class: priority.Low})
		waits(t, wa, "b does not")
		deadlocked(t, call(t.Context(), p, priority.Options{Owner: b}))
		check(t, p)
		hb.Release()
		wa.served(t).Release()
		ha.Release()
		high.served(t).Release()
	})
}

// With fewer than before, those who are left may wait for each other only when one of the others is done.
func TestDeadlockThatAReleaseCompletesUnderALoweredMaximumIsBroken(t *testing.T) {
	for name, reserve := range map[string]int{"no reserve": 0, "reserve": 2} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 4 + reserve, Reserve: reserve})
				a, b := new(priority.Owner), new(priority.Owner)
				ha, hb := owned(t.Context(), t, p, a, ""), owned(t.Context(), t, p, b, "")
				plain := takeAll(t, p, 2)
				wa := call(t.Context(), p, priority.Options{Owner: a})
				time.Sleep(time.Second)
				wb := call(t.Context(), p, priority.Options{Owner: b})
				if err := p.Resize(0, 2+reserve); err != nil {
					t.Fatal(err)
				}
				plain[0].Release()
				waits(t, wb, "another holds one")
				check(t, p)
				plain[1].Release()
				deadlocked(t, wb)
				check(t, p)
				hb.Release()
				wa.served(t).Release()
				ha.Release()
			})
		})
	}
}

func TestDeadlockIsNoticedWhileSuspended(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2})
		a, b := new(priority.Owner), new(priority.Owner)
		ha, hb := owned(t.Context(), t, p, a, ""), owned(t.Context(), t, p, b, "")
		p.Suspend()
		wa := call(t.Context(), p, priority.Options{Owner: a})
		waits(t, wa, "b does not")
		deadlocked(t, call(t.Context(), p, priority.Options{Owner: b}))
		hb.Release()
		waits(t, wa, "suspended")
		p.Resume()
		wa.served(t).Release()
		ha.Release()
	})
}

func TestWhoLosesWhatHeHoldsInADeadlockIsTurnedAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 2})
		a, b := new(priority.Owner), new(priority.Owner)
		outer, inner := owned(t.Context(), t, p, a, "outer"), owned(t.Context(), t, p, a, "inner")
		wb := call(t.Context(), p, priority.Options{Owner: b})
		// What replaces it goes to a, who goes before all others.
		if err := p.Replace(t.Context(), &inner, &lifecycle.Request{Options: priority.Options{Owner: a}}, lifecycle.EndBroken, errStale); err != nil {
			t.Fatal(err)
		}
		deadlocked(t, call(t.Context(), p, priority.Options{Owner: a}))
		check(t, p)
		inner.Release()
		wb.served(t).Release()
		outer.Release()
	})
}

func TestOwnersOfTwoPoolsAreCountedApart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w1, w2 := &works{}, &works{}
		one, two := newPool(t, w1, lifecycle.Config[*thing]{Max: 1}), newPool(t, w2, lifecycle.Config[*thing]{Max: 1})
		a := new(priority.Owner)
		h1, h2 := owned(t.Context(), t, one, a, ""), owned(t.Context(), t, two, a, "")
		if one.Owners() != 1 || two.Owners() != 1 {
			t.Errorf("%d and %d owners", one.Owners(), two.Owners())
		}
		h1.Release()
		if one.Owners() != 0 || two.Owners() != 1 {
			t.Errorf("%d and %d owners", one.Owners(), two.Owners())
		}
		deadlocked(t, call(t.Context(), two, priority.Options{Owner: a}))
		h2.Release()
	})
}

func TestLendingToAnOwnerAllocatesNothing(t *testing.T) {
	p := benchPool(t, lifecycle.Config[*thing]{Max: 2})
	ctx := t.Context()
	req := &lifecycle.Request{Options: priority.Options{Owner: new(priority.Owner)}}
	if n := testing.AllocsPerRun(2000, func() {
		h, err := p.AcquireFor(ctx, req)
		if err != nil {
			t.Fatal(err)
		}
		h.Release()
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
