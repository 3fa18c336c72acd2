package lifecycle_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// stressTime is how long each stress test runs. POOLSQL_STRESS says it otherwise, as in 10m.
func stressTime(t *testing.T) time.Duration {
	t.Helper()
	s := os.Getenv("POOLSQL_STRESS")
	if s == "" {
		if testing.Short() {
			return 200 * time.Millisecond
		}
		return 2 * time.Second
	}
	d, err := time.ParseDuration(s)
	if err != nil {
		t.Fatalf("POOLSQL_STRESS: %v", err)
	}
	return d
}

// A stress is a pool in real time, and many who use it at once, as badly as they may.
type stress struct {
	*lifecycle.Pool[*thing]
	t   *testing.T
	w   *works
	max int // 0 if it changes

	work func(id int64) // what each user does, again and again

	served, refused, progress atomic.Int64
}

func newStress(t *testing.T, cfg lifecycle.Config[*thing], fixedMax bool) *stress {
	t.Helper()
	s := &stress{t: t, w: &works{createTakes: 200 * time.Microsecond, destroyTakes: 100 * time.Microsecond}}
	if fixedMax {
		s.max = cfg.Max
	}
	cfg.Create = func(ctx context.Context) (*thing, error) {
		if rand.N(300) == 0 { // each costs a pause of 100 ms and more
			return nil, errDown
		}
		return s.w.create(ctx)
	}
	cfg.Destroy = s.w.destroy
	p, err := lifecycle.NewPool(cfg)
	if err != nil {
		t.Fatal(err)
	}
	s.Pool = p
	s.work = func(id int64) { _ = s.use(id) }
	return s
}

// run lets users and managers at the pool until it is over, drains it, and compares the books.
func (s *stress) run(users int, d time.Duration, manage func()) {
	ctx, cancel := context.WithTimeout(context.Background(), d)
	defer cancel()
	stop := s.watch()
	defer stop()
	var all sync.WaitGroup
	for id := range users {
		all.Go(func() {
			for ctx.Err() == nil {
				s.work(int64(id + 1))
			}
		})
	}
	for range 2 {
		all.Go(func() {
			for ctx.Err() == nil {
				manage()
				s.look()
				time.Sleep(rand.N(2 * time.Millisecond))
			}
		})
	}
	all.Wait()
	s.close()
	if s.served.Load() == 0 {
		s.t.Error("nobody was ever served")
	}
	s.t.Logf("%d served, %d turned away, %d made", s.served.Load(), s.refused.Load(), s.w.isMade())
}

// close drains the pool, which nobody uses any more, and checks that nothing is left.
func (s *stress) close() {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	if err := s.Drain(ctx); err != nil {
		s.t.Errorf("%v: %+v", err, s.Stats())
		return
	}
	checkEnd(s.t, s.Pool, s.w, nil)
	if peak := s.w.get(func(w *works) int { return w.peak }); s.max > 0 && peak > s.max {
		s.t.Errorf("%d were alive at once of at most %d", peak, s.max)
	}
}

// watch ends the program, and says in what state everything is, when nothing moves any more. It returns the way to stop
// it.
func (s *stress) watch() (stop func()) {
	stopped, over := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(over)
		last := s.progress.Load()
		for {
			select {
			case <-stopped:
				return
			case <-time.After(20 * time.Second):
			}
			now := s.progress.Load()
			if now == last {
				stacks := make([]byte, 1<<20)
				stacks = stacks[:runtime.Stack(stacks, true)]
				fmt.Fprintf(os.Stderr, "%s\n", stacks) // before the pool is asked, whose lock may be what is stuck
				panic(fmt.Sprintf("%s: stuck after %d steps: %+v", s.t.Name(), now, s.Stats()))
			}
			last = now
		}
	}()
	return func() {
		close(stopped)
		<-over
	}
}

// use acquires something, perhaps for less time than that takes, and gives it back in one of the ways that there are. It
// returns why it got nothing.
func (s *stress) use(id int64) error {
	defer s.progress.Add(1)
	ctx, cancel := context.Background(), context.CancelFunc(func() {})
	switch rand.N(4) {
	case 0:
		ctx, cancel = context.WithTimeout(ctx, rand.N(300*time.Microsecond))
	case 1:
		ctx, cancel = context.WithTimeout(ctx, rand.N(5*time.Millisecond))
	case 2:
		ctx, cancel = context.WithCancel(ctx)
		go func() {
			runtime.Gosched()
			cancel()
		}()
	}
	defer cancel()
	req := &lifecycle.Request{Options: priority.Options{
		Class: priority.Class(rand.N(3) - 1), Retries: rand.N(2),
		Tenant: []string{"", "", "a", "b"}[rand.N(4)], Affinity: []string{"", "", "x", "y"}[rand.N(4)],
		Owner: owners[rand.N(len(owners))], Exempt: rand.N(2) == 0,
	}}
	h, err := s.AcquireFor(ctx, req)
	if !s.got(&h, err, id) {
		return err
	}
	stale := h
	switch rand.N(40) {
	case 4:
		s.RetireOlder(h.Generation())
		h.Release()
	case 0:
		h.Destroy(lifecycle.EndBroken)
	case 1:
		h.Detach("detached")
		err := s.Replace(ctx, &h, req, lifecycle.EndBusy, errStale)
		if s.got(&h, err, id) {
			h.Release()
		}
	case 2:
		h.Describe("twice")
		h.Release()
		stale.Release()
	case 3:
		h.Release()
		stale.Destroy(lifecycle.EndBroken)
	default:
		h.Release()
	}
	return nil
}

// owners are of several goroutines each, as they should not be.
var owners = []*priority.Owner{nil, nil, nil, new(priority.Owner), new(priority.Owner), new(priority.Owner)}

// nest acquires, and while it holds that, acquires more, without a limit to how long that may take. Nothing but a refusal
// for a deadlock, or of all who wait, ends the wait of all for each other.
func (s *stress) nest(id int64) {
	defer s.progress.Add(1)
	ctx := priority.WithOwner(context.Background())
	classes := []priority.Class{priority.High, priority.Normal, priority.Low}
	var hs []lifecycle.Handle[*thing]
	defer func() {
		for i := range hs {
			hs[i].Release()
		}
	}()
	for range 1 + rand.N(3) {
		h, err := s.Acquire(priority.WithClass(ctx, classes[rand.N(3)]))
		if !s.got(&h, err, id) {
			return
		}
		hs = append(hs, h)
	}
}

// got uses what was acquired, if err is nil. Nobody else may have it in the meantime.
func (s *stress) got(h *lifecycle.Handle[*thing], err error, id int64) bool {
	if err != nil {
		s.refused.Add(1)
		var e *lifecycle.AcquireError
		if !errors.As(err, &e) || h.Held() {
			s.t.Errorf("%T %v; held: %t", err, err, h.Held())
		}
		return false
	}
	s.served.Add(1)
	th := h.Value()
	if other := th.owner.Swap(id); other != 0 {
		s.t.Errorf("thing %d is in the hands of %d and of %d", th.id, other, id)
	}
	for range rand.N(3) {
		runtime.Gosched()
	}
	if th.ended.Load() {
		s.t.Errorf("thing %d was ended in the hands of %d", th.id, id)
	}
	if other := th.owner.Swap(0); other != id {
		s.t.Errorf("thing %d is in the hands of %d and of %d", th.id, other, id)
	}
	return true
}

// look checks what must hold at any time.
func (s *stress) look() {
	if err := s.Check(); err != nil {
		s.t.Error(err)
	}
	st := s.Stats()
	if st.Total != st.Idle+st.InUse+st.Creating+st.Closing || s.max > 0 && st.Total > s.max {
		s.t.Errorf("the counts do not add up: %+v", st)
	}
	if st.Acquired-st.Released != uint64(st.InUse) {
		s.t.Errorf("%d lent less %d back are not %d in use", st.Acquired, st.Released, st.InUse)
	}
	_ = s.Resources()
}

// manage does what needs no change of the maximum.
func (s *stress) manage() {
	switch rand.N(20) {
	case 4:
		s.Suspend()
		time.Sleep(rand.N(3 * time.Millisecond))
		s.look()
		s.Resume()
	case 5:
		ctx, cancel := context.WithTimeout(context.Background(), rand.N(3*time.Millisecond))
		defer cancel()
		_ = s.Quiesce(ctx)
		s.look()
		s.Resume()
	case 6:
		s.Suspect()
		s.Held(func(_ uint64, th *thing, _ uint64, _ mono.Time) { _ = th.owner.Load() })
	case 0:
		s.Reset()
	case 1:
		s.Clear("stress")
	case 2, 3:
		ctx, cancel := context.WithTimeout(context.Background(), rand.N(3*time.Millisecond))
		defer cancel()
		_ = s.Warmup(ctx, 1+rand.N(4))
	default:
		if all := s.Resources(); len(all) > 0 {
			s.Evict(all[rand.N(len(all))].ID)
		}
	}
}

// reconfigure changes every setting.
func (s *stress) reconfigure() {
	maximum := 2 + rand.N(8)
	err := s.Configure(lifecycle.Settings{
		Min: rand.N(maximum), Max: maximum, MaxCreating: 1 + rand.N(4), Reserve: rand.N(maximum), AgingShare: 2 + rand.N(4),
		MaxWaiting: 10 + rand.N(20), AcquireTimeout: 10*time.Millisecond + rand.N(20*time.Millisecond),
		IdleTimeout: rand.N(20 * time.Millisecond), MaxLifetime: 20*time.Millisecond + rand.N(50*time.Millisecond),
		LeakThreshold: rand.N(2 * time.Millisecond),
	})
	if err != nil {
		s.t.Error(err)
	}
}

func TestStressNobodySharesAndNothingIsLost(t *testing.T) {
	testdb.NoLeaks(t)
	s := newStress(t, lifecycle.Config[*thing]{
		Max: 6, Min: 2, AcquireTimeout: time.Second, IdleTimeout: 30 * time.Millisecond, MaxLifetime: 50 * time.Millisecond,
	}, true)
	s.run(24, stressTime(t), s.manage)
}

func TestStressWithEverythingOn(t *testing.T) {
	testdb.NoLeaks(t)
	told := &counter{}
	s := newStress(t, lifecycle.Config[*thing]{
		Max: 6, AcquireTimeout: 20 * time.Millisecond, Reserve: 1, MaxWaiting: 20, LeakThreshold: time.Millisecond, Observer: told,
		Validate: func(context.Context, *thing, time.Duration, bool) error {
			if rand.N(1000) == 0 {
				return errStale
			}
			return nil
		},
	}, false)
	s.run(24, stressTime(t), func() {
		if rand.N(4) > 0 {
			s.manage()
			return
		}
		s.reconfigure()
	})
	told.checkBalance(t)
}

// TestStressNestedCallersNeverStandStill fails by its watchdog if a deadlock is not noticed.
func TestStressNestedCallersNeverStandStill(t *testing.T) {
	testdb.NoLeaks(t)
	told := &counter{}
	s := newStress(t, lifecycle.Config[*thing]{Max: 6, Reserve: 1, Observer: told}, false)
	s.work = s.nest
	s.run(24, stressTime(t), func() {
		if rand.N(2) > 0 {
			s.manage()
			return
		}
		if err := s.Resize(0, 3+rand.N(6)); err != nil {
			s.t.Error(err)
		}
	})
	var refused uint64
	st := s.Stats()
	for _, c := range st.Classes {
		refused += c.Refused[priority.Deadlock]
	}
	if nested := told.kinds[lifecycle.KindNested].Load(); refused == 0 || nested == 0 {
		t.Errorf("%d deadlocks, told of %d nested calls", refused, nested)
	}
	t.Logf("%d deadlocks", refused)
}

// A counter is an observer that only counts.
type counter struct{ kinds [64]atomic.Int64 }

func (c *counter) Observe(e lifecycle.Event) { c.kinds[e.Kind].Add(1) }

func (c *counter) checkBalance(t *testing.T) {
	t.Helper()
	count := func(k lifecycle.Kind) int64 { return c.kinds[k].Load() }
	// The last destructions may be told after the drain.
	within(t, 5*time.Second, "as many ends as creations", func() bool {
		return count(lifecycle.KindCreate) == count(lifecycle.KindDestroy)+count(lifecycle.KindDestroyError)
	})
	if off, on := count(lifecycle.KindSuspended), count(lifecycle.KindResumed); off != on || off == 0 && stressTime(t) >= time.Second {
		t.Errorf("told of %d suspensions and %d ends of one", off, on)
	}
	if lent, back := count(lifecycle.KindAcquire), count(lifecycle.KindRelease); lent != back {
		t.Errorf("told of %d acquires and %d releases", lent, back)
	}
}

// TestStressCloseDuringTraffic opens and closes many pools under load, some of them by a drain, some by both.
func TestStressCloseDuringTraffic(t *testing.T) {
	testdb.NoLeaks(t)
	end := time.Now().Add(stressTime(t) / 2)
	cycles := 0
	for ; cycles < 20 || time.Now().Before(end); cycles++ {
		s := newStress(t, lifecycle.Config[*thing]{Max: 1 + rand.N(6), Min: rand.N(2), MaxLifetime: time.Millisecond}, true)
		stop := s.watch()
		var all sync.WaitGroup
		for id := range 12 {
			all.Go(func() {
				for err := error(nil); !errors.Is(err, lifecycle.ErrClosed); {
					err = s.use(int64(id + 1))
				}
			})
		}
		time.Sleep(rand.N(4 * time.Millisecond))
		if rand.N(2) == 0 {
			all.Go(s.Close)
		}
		ctx, cancel := context.WithTimeout(context.Background(), rand.N(time.Millisecond))
		var late *lifecycle.DrainError
		if err := s.Drain(ctx); err != nil && !errors.As(err, &late) {
			t.Errorf("Drain said %v", err)
		}
		cancel()
		all.Wait()
		s.close()
		stop()
		if t.Failed() {
			break
		}
	}
	t.Logf("%d cycles", cycles)
}
