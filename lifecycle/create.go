package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

const (
	// baseAllowance is how many resources may be under creation at once as long as callers are served in the meantime.
	// Two, so that one slow creation does not hold up all: a spike of 50 callers on 5 resources then opens 2 more and
	// not 45 (creating takes 150 ms, using 2 ms), and its slowest caller waits for a turn and not for a creation.
	baseAllowance = 2

	// After a failure one creation at a time is tried, after a pause of tryAfter and up to tryJitter more, so that several
	// programs do not keep step: with the two that may fail first, at most five in any second reach a server that is down,
	// and one that comes back is found within three tenths of a second.
	tryAfter  = 250 * time.Millisecond
	tryJitter = 50 * time.Millisecond
)

// planLocked begins as many creations as are wanted and allowed.
func (p *Pool[T]) planLocked(rep *report[T]) {
	for range p.wantedLocked() {
		p.ids++
		r := &resource[T]{id: p.ids, state: Creating, generation: p.generation, since: mono.Now()}
		p.all[r.id] = r
		p.creating++
		p.tried = r.since
		rep.create = append(rep.create, r)
	}
	p.scheduleLocked()
}

// wantedLocked returns how many creations should begin now: one for each caller that waits, and what the minimum or a
// warm-up lacks, within what there is room for and what may be under way at once. A caller is not tied to the creation
// that it causes; it takes whatever is free first.
func (p *Pool[T]) wantedLocked() int {
	if p.phase != open || p.sched.Suspended() {
		return 0
	}
	wanted := min(p.lackingLocked(), p.cfg.Max-len(p.all), p.allowance-p.creating)
	if p.failures > 0 {
		if mono.Now() < p.retryAt {
			return 0
		}
		wanted = min(wanted, 1-p.creating)
	}
	return max(wanted, 0)
}

// lackingLocked returns how many more callers, the minimum or a warm-up could use, were they to be had.
func (p *Pool[T]) lackingLocked() int {
	wanted := p.sched.Wanting() - p.creating
	if p.adapt != nil { // what is above the limit would lie idle
		wanted = min(wanted, p.adapt.Limit()-p.live-p.creating)
	}
	return max(wanted, max(p.cfg.Min, p.warm)-p.live-p.creating)
}

// hopelessLocked returns why the caller should not wait: there is no resource, the last creation failed, and the next
// may not be tried yet, or is under way for so long that it is no better. Those who asked for retries wait all the same,
// and while the pool is suspended, everybody: nothing is tried then, and what failed before says little of what will be.
func (p *Pool[T]) hopelessLocked(req *Request) error {
	if p.sched.Suspended() || p.failures == 0 || p.live > 0 || req.Retries > 0 {
		return nil
	}
	now := mono.Now()
	if p.creating > 0 && now.Sub(p.tried) < tryAfter || p.creating == 0 && now >= p.retryAt {
		return nil
	}
	return &CreateError{Failures: p.failures, Err: p.failure}
}

// errExited is the error of a Create or Destroy that returned none, for it did not return.
var errExited = errors.New("its goroutine was ended by runtime.Goexit")

// create makes one resource, on a goroutine of its own. It books the outcome in a defer: Create may end the goroutine, as
// a test's FailNow does, and the place would be lost.
func (p *Pool[T]) create(r *resource[T]) {
	var value T
	err := errExited
	started := mono.Now()
	defer func() {
		took := mono.Since(started)
		if err != nil {
			p.createFailed(r, took, err)
			return
		}
		p.createDone(r, value, took)
	}()
	p.mu.Lock()
	timeout := p.cfg.CreateTimeout
	p.mu.Unlock()
	value, err = p.make(timeout)
}

// make calls the user's Create. A panic on this goroutine would end the program where the caller's would not, so it
// becomes an error.
func (p *Pool[T]) make(timeout time.Duration) (value T, err error) {
	ctx, cancel := context.WithTimeout(p.ctx, timeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic while creating: %v", v)
		}
	}()
	return p.cfg.Create(ctx)
}

func (p *Pool[T]) createDone(r *resource[T], value T, took time.Duration) {
	now := mono.Now()
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	began := r.since
	r.value, r.created, r.since = value, now, now
	p.creating--
	p.live++
	p.sched.Grow(1)
	if p.unproved {
		p.retryAt = now.Add(tryAfter)
	} else {
		p.failures = 0
	}
	p.counts.created++
	p.counts.createTime += took
	p.note(&rep, Event{Kind: KindCreate, Resource: r.id, Duration: took})
	p.watchLocked()
	r.expires = p.expiry(r)
	// What was true when the creation began need not be true any more: the pool may have been shut, reset or shrunk.
	if reason := p.fateLocked(r, now, EndNone); reason != EndNone {
		p.removeLocked(r, reason, now, &rep)
	} else {
		r.state = Idle
		p.idle = append(p.idle, r)
		p.dispatchLocked(now, &b)
		p.learnLocked(began)
		p.planLocked(&rep)
	}
	p.changedLocked()
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
}

// learnLocked sets how many creations may be under way at once, now that what one brought was lent: twice as many if
// somebody still waits who came before it began, or if a warm-up lacks more, for then resources that come back do not
// suffice; the fewest if nobody waits any more.
func (p *Pool[T]) learnLocked(began mono.Time) {
	oldest := p.sched.Oldest()
	switch {
	case p.failures > 0 || p.sched.Suspended():
		// One at a time; or nobody is served, whatever there is.
	case oldest != nil && oldest.Since() <= began, oldest == nil && p.warm > p.live+p.creating:
		p.allowance = min(2*p.allowance, p.cfg.MaxCreating)
	case oldest == nil:
		p.allowance = min(baseAllowance, p.cfg.MaxCreating)
	}
}

// expiry returns when r becomes too old: the maximum lifetime, less a random part of the jitter, after its creation. 0 is
// never.
func (p *Pool[T]) expiry(r *resource[T]) mono.Time {
	d := p.cfg.MaxLifetime
	if d == 0 || r.created == 0 { // or not created yet
		return 0
	}
	if p.cfg.LifetimeJitter > 0 {
		d -= rand.N(p.cfg.LifetimeJitter)
	}
	return r.created.Add(d)
}

func (p *Pool[T]) createFailed(r *resource[T], took time.Duration, err error) {
	now := mono.Now()
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	delete(p.all, r.id)
	p.creating--
	p.counts.createFailed++
	if p.phase == open { // else it was we who ended it
		p.failedLocked(now, err)
	}
	if p.live == 0 && p.creating == 0 && !p.sched.Suspended() {
		p.sched.RefuseAll(priority.Unavailable, &CreateError{Failures: p.failures, Err: err}, true, &b)
	}
	p.planLocked(&rep)
	p.note(&rep, Event{Kind: KindCreateError, Resource: r.id, Duration: took, Err: err})
	p.changedLocked()
	p.goneLocked(&rep)
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
}

// failedLocked notes that resources cannot be created at present, and when the next may be tried.
func (p *Pool[T]) failedLocked(now mono.Time, err error) {
	p.failure = err
	p.allowance = min(baseAllowance, p.cfg.MaxCreating)
	if p.failures > 0 && now < p.retryAt {
		return // of several that were under way at once, one counts
	}
	p.failures++
	p.retryAt = now.Add(tryAfter + rand.N(tryJitter))
}

// useless notes that a resource failed its validation when it was lent for the first time. That is a failed creation: a
// server that lets everybody in and serves nobody would else be tried without a pause, by each caller as long as he may
// wait. What is created from now on counts for nothing until one of them passes.
func (p *Pool[T]) useless(err error) {
	now := mono.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.unproved, p.retryAt = true, min(p.retryAt, now)
	p.failedLocked(now, err)
}

// useful notes that a resource passed when it was lent for the first time.
func (p *Pool[T]) useful() {
	var rep report[T]
	p.mu.Lock()
	if p.unproved {
		p.unproved, p.failures = false, 0
		p.planLocked(&rep)
	}
	p.mu.Unlock()
	p.carryOut(&rep)
}

// destroy ends one resource, on a goroutine of its own, which Destroy may end, as Create may.
func (p *Pool[T]) destroy(r *resource[T]) {
	err := errExited
	defer func() { p.destroyDone(r, err) }()
	err = p.unmake(r.value)
}

func (p *Pool[T]) destroyDone(r *resource[T], err error) {
	now := mono.Now()
	var rep report[T]
	p.mu.Lock()
	delete(p.all, r.id)
	p.closing--
	p.counts.destroyed[r.doom]++
	e := Event{Kind: KindDestroy, Resource: r.id, Reason: r.doom, Duration: now.Sub(r.created)}
	if err != nil {
		e.Kind, e.Err = KindDestroyError, err
	}
	p.note(&rep, e)
	p.planLocked(&rep) // its place is free only now
	p.changedLocked()
	p.goneLocked(&rep)
	p.mu.Unlock()
	p.carryOut(&rep)
}

// unmake calls the user's Destroy.
func (p *Pool[T]) unmake(value T) (err error) {
	ctx, cancel := context.WithTimeout(context.Background(), p.cfg.DestroyTimeout)
	defer cancel()
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("panic while destroying: %v", v)
		}
	}()
	return p.cfg.Destroy(ctx, value)
}

// changedLocked tells those who wait for the number of resources to change.
func (p *Pool[T]) changedLocked() {
	if p.changed != nil {
		close(p.changed)
		p.changed = nil
	}
}

// changesLocked returns a channel that is closed at the next change.
func (p *Pool[T]) changesLocked() <-chan struct{} {
	if p.changed == nil {
		p.changed = make(chan struct{})
	}
	return p.changed
}
