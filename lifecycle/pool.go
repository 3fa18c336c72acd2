package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/internal/adaptive"
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// phase is where in its life the pool is. It only moves forward.
type phase uint8

const (
	open     phase = iota
	draining       // no new work; what is held comes back and is destroyed
	closed
)

// A Pool keeps resources, lends each to one holder at a time, and lends them in the order that package priority has.
// Safe for concurrent use.
type Pool[T any] struct {
	cfg  Config[T]  // private copy with defaults; what of it is in Settings is guarded by mu
	told *Observers // what happens

	ctx    context.Context // of creations; ended by Close and Drain
	cancel context.CancelFunc

	// mu guards everything below, and every resource. It is held for a few dozen instructions on the way of a caller;
	// longer, by the number of resources or waiters, only for snapshots, resets and mass refusals. No foreign code, no
	// channel send and no wait happens under it.
	mu sync.Mutex

	// sched says who goes next. Its limit is the number of live resources, so that a permit is out exactly for each
	// resource in use, and whoever is granted one finds a resource idle.
	sched priority.Scheduler

	phase phase
	all   map[uint64]*resource[T] // from the begin of the creation to the end of the destruction
	idle  []*resource[T]          // a stack: the last to come back is the first to go, so that the others can age
	live  int                     // idle and in use

	keys                        map[string]*resource[T] // by affinity key, the one that served it last; nil before there is one
	affinityLooks, affinityHits uint64                  // requests with a key that something was idle for, and that got what they prefer
	creating                    int
	closing                     int
	ids                         uint64
	generation                  uint64    // moved on by Reset and RetireOlder
	retired                     mono.Time // when RetireOlder last did that; 0 is never

	allowance int       // how many may be under creation at once, at present
	failures  int       // creations that failed in a row
	failure   error     // what the last that failed said
	unproved  bool      // it was created but of no use: until one passes its validation, none counts as a success
	retryAt   mono.Time // when the next may be tried
	tried     mono.Time // when the last began that was tried
	warm      int       // how many the largest Warmup under way wants; 0 when there is none

	alarm   *time.Timer // the keeper's next round; nil before the first use
	alarmAt mono.Time   // 0 when it is not set

	owners map[*priority.Owner]*ownings // those who hold something or wait; nil before the first comes
	spare  *ownings                     // of the last who was forgotten, to be used again
	shrunk bool                         // the maximum was lowered, and more may be held since than it allows

	watch   *time.Timer // the next look for leaks; nil before there is anything to look at
	watched bool        // it is set

	quiet   chan struct{} // closed when a suspended pool has nothing in use; nil when nobody waits for that
	changed chan struct{} // closed when a creation or destruction ended; nil when nobody waits for that
	gone    chan struct{} // closed when the pool is shut and its last resource gone

	adapt        *adaptive.Controller // nil unless the configuration says that the limit follows the load
	limitChanges [adaptive.NumReasons]uint64
	trimmed      mono.Time // when one was last destroyed because the limit leaves it idle; 0 is never

	counts counters
	clock  paceClock

	// crowded is a hint, written under mu and read without it: the last who came had to wait, and nothing has been idle
	// since, or the pool is suspended. Who sees it set makes ready to wait before it locks, and so locks once and not
	// twice.
	crowded atomic.Bool
}

// NewPool returns a pool. It starts nothing: the first use does. It fails if the configuration contradicts itself,
// naming everything that is wrong with it.
func NewPool[T any](cfg Config[T]) (*Pool[T], error) {
	if err := cfg.validate(); err != nil {
		return nil, fmt.Errorf("lifecycle: %w", err)
	}
	p := &Pool[T]{
		cfg:  cfg.withDefaults(),
		all:  make(map[uint64]*resource[T]),
		gone: make(chan struct{}),
		told: audienceOf(cfg.Observer),
	}
	p.allowance = min(baseAllowance, p.cfg.MaxCreating)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.sched.Init(p.cfg.limits(0), p.expire)
	p.adaptAnewLocked(mono.Now(), new(report[T])) // nobody else knows the pool yet
	return p, nil
}

// Acquire is [Pool.AcquireFor] for the options that ctx carries.
func (p *Pool[T]) Acquire(ctx context.Context) (Handle[T], error) {
	var req Request
	req.Options, _ = priority.FromContext(ctx)
	return p.AcquireFor(ctx, &req)
}

// AcquireFor lends a resource: an idle one at once, else the first to become free or to be created when it is the
// caller's turn. It fails with an [*AcquireError] when ctx ends first, when AcquireTimeout has passed, when the queue is
// full, when there is overload and Config.Shedding, when there is no resource and none can be created, when its owner would
// wait for itself, or when the pool is shut; nothing is held then.
//
// req must not be changed until the resource is released; see [Request]. The class and the rest are req's, whatever ctx
// carries.
func (p *Pool[T]) AcquireFor(ctx context.Context, req *Request) (Handle[T], error) {
	if ctx.Err() != nil {
		reason, cause := priority.ReasonOf(ctx)
		return Handle[T]{}, p.turnAway(ctx, req, mono.Now(), reason, cause)
	}
	if req.Owner != nil {
		p.arrive(ctx, req)
	}
	now := p.now()
	if !p.crowded.Load() {
		p.mu.Lock()
		var use priority.Use
		if p.phase == open && p.sched.Admit(&req.Options, now, &use) {
			r := p.lendLocked(req, req.Class, req.Particular(), now)
			r.use = use
			h := Handle[T]{pool: p, res: r, epoch: r.epoch}
			p.mu.Unlock()
			return p.handOut(ctx, h, req, now)
		}
		p.mu.Unlock()
	}
	h, err := p.queue(ctx, req, now, false)
	if err != nil {
		return Handle[T]{}, err
	}
	return p.handOut(ctx, h, req, now)
}
