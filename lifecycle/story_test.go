package lifecycle_test

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// TestPoolSurvivesWhateverHappens lets random stories happen to a pool in fake time, and checks after each step that its
// books agree and that nobody is forgotten. POOLSQL_SEED replays one story.
func TestPoolSurvivesWhateverHappens(t *testing.T) {
	first, last := int64(1), int64(400)
	if testing.Short() {
		last = 40
	}
	if s := os.Getenv("POOLSQL_SEED"); s != "" {
		seed, err := strconv.ParseInt(s, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		first, last = seed, seed
	}
	for seed := first; seed <= last && !t.Failed(); seed++ {
		synctest.Test(t, func(t *testing.T) { newStory(t, seed).run() })
	}
}

// A story is what happens to one pool.
type story struct {
	*lifecycle.Pool[*thing]
	t       *testing.T
	seed    int64
	rnd     *rand.Rand
	w       *works
	resized bool // the maximum was changed, so that more may have been open than it says
	log     []string

	// mu guards what follows, which the callers' goroutines change.
	mu      sync.Mutex
	held    []*lifecycle.Handle[*thing]
	waiting map[int]context.CancelFunc
	callers int
	owners  []*priority.Owner
	invalid int // so many validations more will fail
}

func newStory(t *testing.T, seed int64) *story {
	s := &story{t: t, seed: seed, rnd: rand.New(rand.NewSource(seed)), waiting: make(map[int]context.CancelFunc)}
	s.owners = []*priority.Owner{nil, nil, nil, new(priority.Owner), new(priority.Owner)}
	s.w = &works{createTakes: s.upTo(time.Second), destroyTakes: s.upTo(200 * time.Millisecond)}
	maximum := 1 + s.rnd.Intn(8)
	cfg := lifecycle.Config[*thing]{
		Name: "story", Max: maximum, Min: s.rnd.Intn(maximum + 1), MaxCreating: s.rnd.Intn(4),
		AcquireTimeout: s.rare(5 * time.Second), CreateTimeout: 3 * time.Second, DestroyTimeout: time.Second,
		IdleTimeout: s.rare(10 * time.Second), MaxLifetime: s.rare(time.Minute), MaxWaiting: s.rnd.Intn(2) * 5,
		LeakThreshold: s.rare(2 * time.Second),
	}
	if s.rnd.Intn(3) == 0 {
		cfg.Reserve = s.rnd.Intn(maximum)
	}
	if s.rnd.Intn(2) == 0 {
		cfg.Validate = s.validate
	}
	s.did("%d to %d, %d at once, %s acquire, %s idle, %s alive, reserve %d, validate %t", cfg.Min, cfg.Max, cfg.MaxCreating,
		cfg.AcquireTimeout, cfg.IdleTimeout, cfg.MaxLifetime, cfg.Reserve, cfg.Validate != nil)
	s.Pool = newPool(t, s.w, cfg)
	return s
}

func (s *story) upTo(d time.Duration) time.Duration { return time.Duration(s.rnd.Int63n(int64(d))) }

// rare is up to d, or 0.
func (s *story) rare(d time.Duration) time.Duration {
	if s.rnd.Intn(2) == 0 {
		return 0
	}
	return time.Millisecond + s.upTo(d)
}

func (s *story) did(format string, args ...any) { s.log = append(s.log, fmt.Sprintf(format, args...)) }

func (s *story) fatal(format string, args ...any) {
	s.t.Helper()
	s.t.Fatalf("seed %d, step %d: %s\nfirst %s\nthe last steps were\n  %s\nnow %+v", s.seed, len(s.log),
		fmt.Sprintf(format, args...), s.log[0], strings.Join(s.log[max(0, len(s.log)-15):], "\n  "), s.Stats())
}

func (s *story) run() {
	for range 30 + s.rnd.Intn(120) {
		s.step()
		if s.rnd.Intn(2) == 0 {
			synctest.Wait()
		}
		s.look()
	}
	s.end()
}

// look checks what must hold at any time.
func (s *story) look() {
	s.t.Helper()
	if err := s.Check(); err != nil {
		s.fatal("%v", err)
	}
	st := s.Stats()
	if st.Total != st.Idle+st.InUse+st.Creating+st.Closing || !s.resized && st.Total > st.Max {
		s.fatal("the counts do not add up")
	}
	if peak := s.w.get(func(w *works) int { return w.peak }); !s.resized && peak > st.Max {
		s.fatal("%d were alive at once", peak)
	}
}

func (s *story) step() {
	switch n := s.rnd.Intn(100); {
	case n < 25:
		s.come()
	case n < 30:
		s.nest()
	case n < 50:
		s.giveBack()
	case n < 60:
		s.leave()
	case n < 80:
		d := s.upTo(400 * time.Millisecond)
		s.did("sleep %s", d)
		time.Sleep(d)
	case n < 84:
		s.change()
	case n < 88:
		n := s.rnd.Intn(4)
		s.did("%d will be invalid", n)
		s.mu.Lock()
		s.invalid = n
		s.mu.Unlock()
	default:
		s.manage()
	}
}

// change makes the works better or worse.
func (s *story) change() {
	s.w.mu.Lock()
	defer s.w.mu.Unlock()
	s.w.createFails, s.w.hangs, s.w.destroyFails = nil, false, nil
	switch s.rnd.Intn(6) {
	case 0, 1:
		s.w.createFails = errDown
	case 2:
		s.w.hangs = true
	case 3:
		s.w.destroyFails = errDown
	}
	s.w.createTakes, s.w.destroyTakes = s.upTo(time.Second), s.upTo(2*time.Second)
	s.did("creating fails %t, hangs %t, takes %s; destroying takes %s",
		s.w.createFails != nil, s.w.hangs, s.w.createTakes, s.w.destroyTakes)
}

func (s *story) manage() {
	switch s.rnd.Intn(11) {
	case 0:
		s.did("reset")
		s.Reset()
	case 1:
		s.did("clear")
		s.Clear("the story wants it")
	case 2, 3:
		if all := s.Resources(); len(all) > 0 {
			id := all[s.rnd.Intn(len(all))].ID
			s.did("evict %d", id)
			s.Evict(id)
		}
	case 4:
		maximum := 1 + s.rnd.Intn(8)
		err := s.Resize(s.rnd.Intn(maximum+1), maximum)
		s.did("resize to %d: %v", maximum, err)
		s.resized = s.resized || err == nil
	case 5:
		n, limit := s.rnd.Intn(8), s.upTo(2*time.Second)
		s.did("warm up to %d within %s", n, limit)
		s.goOn(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			_ = s.Warmup(ctx, n)
		})
	case 6:
		s.did("suspend")
		s.Suspend()
	case 7, 8:
		s.did("resume")
		s.Resume()
	case 9:
		limit := s.upTo(time.Second)
		s.did("quiesce within %s", limit)
		s.goOn(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			_ = s.Quiesce(ctx)
		})
	case 10:
		s.retire()
	}
}

// retire makes everything suspect, and retires it if somebody holds something.
func (s *story) retire() {
	s.Suspect()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) > 0 {
		s.did("retired: %t", s.RetireOlder(s.held[0].Generation()))
	}
}

// nest lets somebody acquire, and while he holds that, acquire once more.
func (s *story) nest() {
	holds, limit := s.upTo(time.Second), s.rare(5*time.Second)
	s.did("nest, hold for %s, the second within %s", holds, limit)
	s.goOn(func(ctx context.Context) {
		ctx = priority.WithOwner(ctx)
		outer, err := s.Acquire(ctx)
		if err != nil {
			return
		}
		defer outer.Release()
		time.Sleep(holds)
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		if inner, err := s.Acquire(ctx); err == nil {
			time.Sleep(holds)
			inner.Release()
		}
	})
}

// goOn runs f on a goroutine, with a context that leave may end and end does not wait for.
func (s *story) goOn(f func(ctx context.Context)) {
	ctx, cancel := context.WithCancel(context.Background())
	s.mu.Lock()
	s.callers++
	id := s.callers
	s.waiting[id] = cancel
	s.mu.Unlock()
	go func() {
		defer func() {
			s.mu.Lock()
			delete(s.waiting, id)
			s.mu.Unlock()
			cancel()
		}()
		f(ctx)
	}()
}

func (s *story) come() {
	o := priority.Options{
		Class: priority.Class(s.rnd.Intn(3) - 1), Retries: s.rnd.Intn(2), Label: fmt.Sprint("step ", len(s.log)),
		Tenant: []string{"", "", "a", "b"}[s.rnd.Intn(4)], Affinity: []string{"", "", "x", "y"}[s.rnd.Intn(4)],
		Owner: s.owners[s.rnd.Intn(len(s.owners))], Exempt: s.rnd.Intn(2) == 0,
	}
	limit := s.rare(2 * time.Second)
	s.did("come %+v within %s", o, limit)
	s.goOn(func(ctx context.Context) {
		if limit > 0 {
			var cancel context.CancelFunc
			ctx, cancel = context.WithTimeout(ctx, limit)
			defer cancel()
		}
		h, err := s.AcquireFor(ctx, &lifecycle.Request{Options: o})
		if err == nil {
			s.hold(&h)
		}
	})
}

// hold notes that a handle was acquired. Nobody else may hold its thing.
func (s *story) hold(h *lifecycle.Handle[*thing]) {
	th := h.Value()
	if other := th.owner.Swap(1); other != 0 || th.ended.Load() {
		s.t.Errorf("seed %d: thing %d was lent: held by another: %t, ended: %t", s.seed, th.id, other != 0, th.ended.Load())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = append(s.held, h)
}

// letGo takes one of the handles held.
func (s *story) letGo(i int) *lifecycle.Handle[*thing] {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.held) == 0 {
		return nil
	}
	i %= len(s.held)
	h := s.held[i]
	s.held = slices.Delete(s.held, i, i+1)
	h.Value().owner.Store(0)
	return h
}

func (s *story) giveBack() {
	h := s.letGo(s.rnd.Intn(100))
	if h == nil {
		return
	}
	stale := *h
	switch n := s.rnd.Intn(10); {
	case n < 7:
		s.did("release %d", h.ID())
		h.Release()
	case n < 9:
		s.did("destroy %d", h.ID())
		h.Destroy(lifecycle.EndBroken)
	default:
		s.did("replace %d", h.ID())
		limit := time.Millisecond + s.upTo(time.Second)
		s.goOn(func(ctx context.Context) {
			ctx, cancel := context.WithTimeout(ctx, limit)
			defer cancel()
			if s.Replace(ctx, h, &lifecycle.Request{}, lifecycle.EndBroken, errStale) == nil {
				s.hold(h)
			}
		})
		synctest.Wait() // until it is given up, the copy is as good as the handle
	}
	if s.rnd.Intn(5) == 0 {
		s.did("and once more")
		stale.Destroy(lifecycle.EndBroken)
	}
}

// leave ends the context of somebody, who may wait.
func (s *story) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]int, 0, len(s.waiting))
	for id := range s.waiting {
		ids = append(ids, id)
	}
	if len(ids) == 0 {
		return
	}
	slices.Sort(ids)
	id := ids[s.rnd.Intn(len(ids))]
	s.did("number %d leaves", id)
	s.waiting[id]()
}

func (s *story) validate(context.Context, *thing, time.Duration, bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.invalid == 0 {
		return nil
	}
	s.invalid--
	return errStale
}

// end makes everything work again and gives back what is held: whoever waits must then be served or turned away soon.
func (s *story) end() {
	s.did("the end")
	s.w.set(func(w *works) {
		w.createFails, w.hangs, w.createTakes, w.destroyTakes = nil, false, 0, 0
	})
	s.mu.Lock()
	s.invalid = 0
	s.mu.Unlock()
	for range 100 {
		s.Resume() // somebody may still be about to suspend
		for h := s.letGo(0); h != nil; h = s.letGo(0) {
			h.Release()
		}
		time.Sleep(time.Second)
		synctest.Wait()
		s.look()
	}
	s.mu.Lock()
	left := len(s.waiting) + len(s.held)
	s.mu.Unlock()
	if left > 0 {
		s.fatal("100 s after everything worked again, %d are not done", left)
	}
	if n := s.Owners(); n > 0 {
		s.fatal("%d owners are remembered", n)
	}
	last, err := s.Acquire(s.t.Context())
	if err != nil {
		s.fatal("the last was turned away: %v", err)
	}
	last.Release()
	if st := s.Stats(); st.Waiting > 0 || st.InUse > 0 {
		s.fatal("100 s after everything worked again, the pool does not rest")
	}
}
