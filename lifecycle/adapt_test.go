package lifecycle_test

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A database takes a time that depends on how many it works for at once.
type database struct {
	law   atomic.Pointer[func(n int) time.Duration]
	busy  atomic.Int64
	done  atomic.Int64
	close atomic.Bool
}

func (d *database) become(law func(n int) time.Duration) { d.law.Store(&law) }

// crowd has so many callers use p without a pause.
func (d *database) crowd(ctx context.Context, p *lifecycle.Pool[*thing], callers int) *sync.WaitGroup {
	var all sync.WaitGroup
	for range callers {
		all.Go(func() {
			for !d.close.Load() {
				h, err := p.Acquire(ctx)
				if err != nil {
					return
				}
				n := d.busy.Add(1)
				time.Sleep((*d.law.Load())(int(n)))
				d.busy.Add(-1)
				d.done.Add(1)
				h.Release()
			}
		})
	}
	return &all
}

// rate returns how much gets done a second, from after a while on.
func (d *database) rate(after, during time.Duration) float64 {
	time.Sleep(after)
	before := d.done.Load()
	time.Sleep(during)
	return float64(d.done.Load()-before) / during.Seconds()
}

func cores(n int, work time.Duration) func(int) time.Duration {
	return func(busy int) time.Duration { return time.Duration(float64(work) * max(1, float64(busy)/float64(n))) }
}

// TestLimitFollowsADatabaseThatChanges has callers enough for any limit on a pool whose database becomes another one twice.
func TestLimitFollowsADatabaseThatChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		told := &recorder{}
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 60, Reserve: 1, Observer: told, Adaptive: lifecycle.Adaptive{On: true}})
		d := &database{}
		phases := []struct {
			name     string
			law      func(int) time.Duration
			best     float64
			from, to int // where the limit belongs
		}{
			{"8 cores", cores(8, 20*time.Millisecond), 400, 8, 30},
			{"3 cores", cores(3, 20*time.Millisecond), 150, 3, 16},
			{"waiting for a network", func(int) time.Duration { return 40 * time.Millisecond }, 59 / 0.04, 45, 60}, // 48 while a fifth less is tried
		}
		d.become(phases[0].law)
		all := d.crowd(t.Context(), p, 100)
		for _, phase := range phases {
			d.become(phase.law)
			got := d.rate(20*time.Second, 20*time.Second)
			s := p.Stats()
			if got < 0.95*phase.best {
				t.Errorf("%s: %.0f a second of %.0f, limit %d", phase.name, got, phase.best, s.Limit)
			}
			if s.Limit < phase.from || s.Limit > phase.to || s.InUse > 60 {
				t.Errorf("%s: limit %d, %d in use", phase.name, s.Limit, s.InUse)
			}
			check(t, p)
		}
		d.close.Store(true)
		all.Wait()

		limit, changes := 0, map[lifecycle.LimitReason]uint64{}
		for _, e := range told.all(lifecycle.KindLimit) {
			if limit != 0 && e.Before != limit || e.Before == e.Count || e.Code == "" {
				t.Fatalf("the limit was %d, and %+v was told", limit, e)
			}
			limit = e.Count
			changes[lifecycle.LimitReason(e.Code)]++
		}
		s := p.Stats()
		if limit != s.Limit || changes[lifecycle.LimitGrow] == 0 || len(changes) != len(s.LimitChanges) {
			t.Errorf("told of %d and %v, %d and %v it is", limit, changes, s.Limit, s.LimitChanges)
		}
	})
}

// TestLoweredLimitKeepsTheReserveForHigh lowers the limit to the least under two callers, one place of which is High's.
func TestLoweredLimitKeepsTheReserveForHigh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 10, Reserve: 1, Adaptive: lifecycle.Adaptive{On: true}})
		for range 20 { // far below what it may be
			p.Strain(lifecycle.StrainNoRoom)
			time.Sleep(2 * time.Second)
		}
		if s := p.Stats(); s.Limit != 2 || s.LimitReason != lifecycle.LimitRefused {
			t.Fatalf("limit %d for %q, want one and the reserve", s.Limit, s.LimitReason)
		}
		low := take(t, p, "low")
		other := call(t.Context(), p, priority.Options{Class: priority.Low})
		waits(t, other, "the rest is High's")
		high := call(t.Context(), p, priority.Options{Class: priority.High}).served(t)
		second := call(t.Context(), p, priority.Options{Class: priority.High})
		waits(t, second, "there is no more")
		if s := p.Stats(); s.InUse != 2 || s.Waiting != 2 || s.Total != 2 {
			t.Errorf("%+v", s)
		}
		high.Release()
		second.served(t).Release()
		low.Release()
		other.served(t).Release()
		check(t, p)
	})
}

// TestNothingComingBackRaisesTheLimit: what holds all up may wait for one more itself.
func TestNothingComingBackRaisesTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 6, Adaptive: lifecycle.Adaptive{On: true}})
		held := takeAll(t, p, p.Stats().Limit)
		one := call(t.Context(), p, priority.Options{})
		waits(t, one, "as many as the limit are held")
		time.Sleep(2 * time.Second)
		h := one.served(t)
		if s := p.Stats(); s.LimitReason != lifecycle.LimitStalled || s.Limit != len(held)+1 {
			t.Errorf("limit %d for %q", s.Limit, s.LimitReason)
		}
		h.Release()
		giveAll(held)
	})
}

const trimPause = 10 * time.Second // between two that end

// TestWhatTheLimitLeavesIdleEndsOneAtATime warms a pool up beyond its limit.
func TestWhatTheLimitLeavesIdleEndsOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 12, Min: 2, Adaptive: lifecycle.Adaptive{On: true}})
		if err := p.Warmup(t.Context(), 12); err != nil {
			t.Fatal(err)
		}
		first := take(t, p, "first")
		first.Release()
		time.Sleep(50 * time.Second)
		if n := p.Stats().Total; n != 12 {
			t.Errorf("%d are left before their minute is over", n)
		}
		before := 12
		for range 60 {
			time.Sleep(trimPause / 2)
			n := p.Stats().Total
			if n < before-1 {
				t.Errorf("%d of %d were ended in half a pause", before-n, before)
			}
			before = n
		}
		if before != 5 { // of a limit of 4
			t.Errorf("%d are kept for a limit of %d", before, p.Stats().Limit)
		}
		check(t, p)
	})
}

func TestLimitIsSwitchedOnAndOffInUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 8})
		held := takeAll(t, p, 8)
		set := func(change func(*lifecycle.Settings)) {
			t.Helper()
			s := p.Settings()
			change(&s)
			if err := p.Configure(s); err != nil {
				t.Fatal(err)
			}
		}
		if s := p.Stats(); s.Limit != 8 || s.LimitReason != "" {
			t.Errorf("off: %d, %q", s.Limit, s.LimitReason)
		}
		set(func(s *lifecycle.Settings) { s.Adaptive.On = true })
		held[0].Release()
		waiter := call(t.Context(), p, priority.Options{})
		waits(t, waiter, "the limit is 4, and 7 are held")
		set(func(s *lifecycle.Settings) { s.Adaptive.Min = 8 })
		waiter.served(t).Release()
		if s := p.Stats(); s.Limit != 8 || s.LimitReason != lifecycle.LimitConfigured {
			t.Errorf("at least 8: %d, %q", s.Limit, s.LimitReason)
		}
		set(func(s *lifecycle.Settings) { s.Adaptive, s.Max = lifecycle.Adaptive{On: true}, 3 })
		if s := p.Stats(); s.Limit != 3 {
			t.Errorf("at most 3: %d", s.Limit)
		}
		waiter = call(t.Context(), p, priority.Options{})
		waits(t, waiter, "7 are held")
		set(func(s *lifecycle.Settings) { s.Adaptive.On, s.Max = false, 8 })
		waiter.served(t).Release()
		giveAll(held[1:])
		check(t, p)
		s := p.Settings()
		s.Adaptive.Min = 9
		if err := p.Configure(s); err == nil {
			t.Error("a least limit above the maximum passed")
		}
	})
}

// TestServerWithoutRoomLowersTheLimitToWhatItHas has a server that lets in three.
func TestServerWithoutRoomLowersTheLimitToWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		errNoRoom := errors.New("too many clients already")
		w := &works{}
		var p *lifecycle.Pool[*thing]
		var open atomic.Int64
		p = newPool(t, w, lifecycle.Config[*thing]{
			Max: 40, Adaptive: lifecycle.Adaptive{On: true},
			Create: func(ctx context.Context) (*thing, error) {
				if open.Load() == 3 {
					p.Strain(lifecycle.StrainNoRoom)
					return nil, errNoRoom
				}
				open.Add(1)
				return w.create(ctx)
			},
		})
		d := &database{}
		d.become(func(int) time.Duration { return 10 * time.Millisecond })
		all := d.crowd(t.Context(), p, 20)
		got := d.rate(5*time.Second, 10*time.Second)
		if s := p.Stats(); s.Limit > 3 || got < 0.95*300 {
			t.Errorf("limit %d for %q, %.0f a second", s.Limit, s.LimitReason, got)
		}
		d.close.Store(true)
		all.Wait()
	})
}
