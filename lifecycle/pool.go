package lifecycle

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

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
	cfg Config[T] // private copy with defaults; Min and Max in it are guarded by mu

	ctx    context.Context // of creations; ended by Close and Drain
	cancel context.CancelFunc

	// mu guards everything below, and every resource. It is held for a few dozen instructions on the way of a caller;
	// longer, by the number of resources or waiters, only for snapshots, resets and mass refusals. No foreign code, no
	// channel send and no wait happens under it.
	mu sync.Mutex

	// sched says who goes next. Its limit is the number of live resources, so that a permit is out exactly for each
	// resource in use, and whoever is granted one finds a resource idle.
	sched priority.Scheduler

	phase      phase
	all        map[uint64]*resource[T] // from the begin of the creation to the end of the destruction
	idle       []*resource[T]          // a stack: the last to come back is the first to go, so that the others can age
	live       int                     // idle and in use
	creating   int
	closing    int
	ids        uint64
	generation uint64 // moved on by Reset

	allowance int       // how many may be under creation at once, at present
	failures  int       // creations that failed in a row
	failure   error     // what the last that failed said
	unproved  bool      // it was created but of no use: until one passes its validation, none counts as a success
	retryAt   mono.Time // when the next may be tried
	warm      int       // how many Warmup wants; 0 when none is under way
	warmers   int       // how many Warmups are under way

	alarm   *time.Timer // the keeper's next round; nil before the first use
	alarmAt mono.Time   // 0 when it is not set

	changed chan struct{} // closed when a creation or destruction ended; nil when nobody waits for that
	gone    chan struct{} // closed when the pool is shut and its last resource gone

	counts counters
	clock  paceClock

	// crowded is a hint, written under mu and read without it: the last who came had to wait, and nothing has been idle
	// since. Who sees it set makes ready to wait before it locks, and so locks once and not twice.
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
	}
	p.allowance = min(baseAllowance, p.cfg.MaxCreating)
	p.ctx, p.cancel = context.WithCancel(context.Background())
	p.sched.Init(p.cfg.limits(0), p.expire)
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
// full, when there is no resource and none can be created, or when the pool is shut; nothing is held then.
//
// req must not be changed until the resource is released; see [Request]. The class and the rest are req's, whatever ctx
// carries.
func (p *Pool[T]) AcquireFor(ctx context.Context, req *Request) (Handle[T], error) {
	if ctx.Err() != nil {
		reason, cause := priority.ReasonOf(ctx)
		return Handle[T]{}, p.turnAway(req, mono.Now(), reason, cause)
	}
	now := p.now()
	if !p.crowded.Load() {
		p.mu.Lock()
		if p.phase == open && p.sched.TryAdmit(req.Class) {
			r := p.lendLocked(req, req.Class, req.Affinity != "", now)
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

// queue makes the caller, who came at since, wait its turn. again is set for one who had a resource and lost it: it goes
// before all others of its class.
func (p *Pool[T]) queue(ctx context.Context, req *Request, since mono.Time, again bool) (Handle[T], error) {
	w := priority.NewWaiter(ctx, &req.Options, since)
	defer w.Free()
	w.SetValue(req) // until the grant, when it becomes the resource
	var b priority.Batch
	var rep report[T]

	p.mu.Lock()
	if p.phase != open {
		p.mu.Unlock()
		return Handle[T]{}, p.turnAway(req, since, priority.Closed, p.shutCause())
	}
	if p.sched.TryAdmit(req.Class) {
		r := p.lendLocked(req, req.Class, req.Affinity != "", mono.Now())
		h := Handle[T]{pool: p, res: r, epoch: r.epoch}
		p.mu.Unlock()
		return h, nil
	}
	if err := p.hopelessLocked(req); err != nil {
		p.sched.RefuseAll(priority.Unavailable, err, true, &b) // it is as hopeless for them
		p.mu.Unlock()
		b.Wake()
		return Handle[T]{}, p.turnAway(req, since, priority.Unavailable, err)
	}
	if !p.crowded.Load() {
		p.crowded.Store(true)
	}
	queued := true
	if again {
		p.sched.EnqueueFront(w)
	} else {
		queued = p.sched.Enqueue(w, &b)
	}
	p.planLocked(&rep)
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
	if !queued {
		return Handle[T]{}, p.describe(req, w.Refusal(ctx, &req.Options))
	}

	if !w.Wait(ctx) && !p.leave(ctx, w, req) {
		return Handle[T]{}, p.describe(req, w.Refusal(ctx, &req.Options))
	}
	if !w.Granted() {
		return Handle[T]{}, p.describe(req, w.Refusal(ctx, &req.Options))
	}
	r := w.Value().(*resource[T])
	return Handle[T]{pool: p, res: r, epoch: r.epoch}, nil
}

// leave takes w off the queue because ctx ended, and reports whether it was too late for that and w was refused. A
// resource that was granted in the same instant goes to the next.
func (p *Pool[T]) leave(ctx context.Context, w *priority.Waiter, req *Request) (decided bool) {
	reason, _ := priority.ReasonOf(ctx)
	p.mu.Lock()
	left := p.sched.Leave(w, reason)
	p.mu.Unlock()
	if left {
		return false
	}
	w.Settle()
	if !w.Granted() {
		return true
	}
	r := w.Value().(*resource[T])
	p.mu.Lock()
	p.sched.CountRefusal(req.Class, reason)
	p.mu.Unlock()
	p.giveBack(r, r.epoch, EndNone, false)
	return false
}

// lendLocked takes the resource from the stack, or the one that served the request's affinity key last, and makes it the
// caller's, whose permit is out. class and picky are what req says of its class and of whether it has such a key: for one
// who waited among many, req is out of the caches, and its waiter, which says the same, is not.
func (p *Pool[T]) lendLocked(req *Request, class priority.Class, picky bool, now mono.Time) *resource[T] {
	last := len(p.idle) - 1
	if last < 0 {
		panic("poolsql: bug: a permit was granted and no resource is idle")
	}
	r := p.idle[last]
	if picky {
		for i := last; i >= 0; i-- {
			if p.idle[i].affinity == req.Affinity {
				r = p.idle[i]
				copy(p.idle[i:], p.idle[i+1:]) // the others keep their order of age
				break
			}
		}
		r.affinity = req.Affinity
	}
	p.idle[last] = nil
	p.idle = p.idle[:last]
	r.rested = max(0, now.Sub(r.since))
	r.state = InUse
	r.epoch++
	r.uses++
	r.since = now
	r.req, r.class = req, class
	return r
}

// giveBack ends the lending of r that epoch numbers. reason is EndNone if r is as good as it was. tell is set if the
// observer was told of the lending.
func (p *Pool[T]) giveBack(r *resource[T], epoch uint64, reason EndReason, tell bool) {
	now := p.now()
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	if r.epoch != epoch || r.state != InUse {
		p.mu.Unlock()
		p.emit(Event{Kind: KindReleaseUnknown, Resource: r.id})
		return
	}
	used := max(0, now.Sub(r.since))
	p.counts.released++
	if p.counts.released%paceCheck == 0 {
		p.paceLocked(now)
	}
	p.counts.useTime += used
	p.sched.Release(r.class)
	if tell && p.cfg.Observer != nil {
		p.note(&rep, Event{
			Kind: KindRelease, Resource: r.id, Class: r.class, Label: r.req.Label, Tenant: r.req.Tenant, Duration: used,
		})
	}
	r.since, r.req = now, nil
	if reason = p.fateLocked(r, now, reason); reason == EndNone {
		r.state = Idle
		p.idle = append(p.idle, r)
	} else {
		p.removeLocked(r, reason, now, &rep)
	}
	if p.sched.Waiting() > 0 {
		p.dispatchLocked(now, &b)
	} else if p.crowded.Load() {
		p.crowded.Store(false)
	}
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
}

// fateLocked says whether a resource that comes back has to end, and why.
func (p *Pool[T]) fateLocked(r *resource[T], now mono.Time, reason EndReason) EndReason {
	switch {
	case reason != EndNone:
		return reason
	case p.phase != open:
		return EndClosed
	case r.doom != EndNone:
		return r.doom
	case r.generation != p.generation:
		return EndReset
	case r.expires != 0 && r.expires <= now:
		return EndMaxLifetime
	case p.live > p.cfg.Max:
		return EndShrunk
	default:
		return EndNone
	}
}

// removeLocked ends r, which is live, in no list any more and held by nobody.
func (p *Pool[T]) removeLocked(r *resource[T], reason EndReason, now mono.Time, rep *report[T]) {
	p.retireLocked(r, reason, now, rep)
	p.planLocked(rep)
}

// dispatchLocked lends what is idle to those who may have it.
func (p *Pool[T]) dispatchLocked(now mono.Time, b *priority.Batch) {
	for w := p.sched.Next(now, b); w != nil; w = p.sched.Next(now, b) {
		r := p.lendLocked(w.Value().(*Request), w.Class(), w.Picky(), now)
		w.SetValue(r)
		b.Add(w)
	}
}

// expire turns away those who waited too long. The scheduler's alarm calls it.
func (p *Pool[T]) expire() {
	var b priority.Batch
	p.mu.Lock()
	p.sched.Expire(mono.Now(), &b)
	p.mu.Unlock()
	b.Wake()
}
