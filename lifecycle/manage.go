package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// Initialize opens the minimum and returns when that many are open, or with the first failure. While the pool is suspended
// it waits.
func (p *Pool[T]) Initialize(ctx context.Context) error {
	p.mu.Lock()
	n := p.cfg.Min
	p.mu.Unlock()
	if err := p.fill(ctx, n); err != nil {
		return err
	}
	p.emit(Event{Kind: KindInitialized, Count: n})
	return nil
}

// Warmup returns when n resources are open, held ones included, or with the first failure to create one. It opens
// several at once: two at first, and twice as many after each success, up to MaxCreating. Those above the minimum stay
// until they have been idle for too long. n must not be above the maximum. While the pool is suspended it waits.
func (p *Pool[T]) Warmup(ctx context.Context, n int) error {
	if err := p.fill(ctx, n); err != nil {
		return err
	}
	p.emit(Event{Kind: KindWarmupComplete, Count: n})
	return nil
}

// fill opens resources until n are open.
func (p *Pool[T]) fill(ctx context.Context, n int) error {
	p.mu.Lock()
	failed := p.counts.createFailed
	for {
		if p.phase != open {
			return p.fillEndLocked(n, ErrClosed)
		}
		if p.live >= n {
			return p.fillEndLocked(n, nil)
		}
		if n > p.cfg.Max { // it may have been lowered meanwhile
			return p.fillEndLocked(n, fmt.Errorf("the maximum is %d", p.cfg.Max))
		}
		if p.counts.createFailed != failed { // another may have succeeded since, and so failures be 0
			return p.fillEndLocked(n, &CreateError{Failures: max(1, p.failures), Err: p.failure})
		}
		if ctx.Err() != nil {
			return p.fillEndLocked(n, p.whyNotLocked(context.Cause(ctx)))
		}
		var rep report[T]
		p.warm = max(p.warm, n)
		p.planLocked(&rep)
		changed := p.changesLocked()
		p.mu.Unlock()
		p.carryOut(&rep)
		select {
		case <-changed:
		case <-ctx.Done():
		}
		p.mu.Lock()
	}
}

// whyNotLocked adds to err, which ended a fill, what kept it from its goal.
func (p *Pool[T]) whyNotLocked(err error) error {
	if p.sched.Suspended() {
		return fmt.Errorf("%w: %w", errSuspended, err)
	}
	return err
}

// fillEndLocked ends a fill and unlocks.
func (p *Pool[T]) fillEndLocked(n int, err error) error {
	live := p.live
	p.warm = 0
	p.changedLocked() // other warm-ups under way say anew what they want
	p.mu.Unlock()
	if err != nil {
		return fmt.Errorf("poolsql: pool %q: %d of %d are open: %w", p.cfg.Name, live, n, err)
	}
	return nil
}

// Evict ends the resource with this id, at once if it is idle, else when it is released, and reports whether there was
// such a one.
func (p *Pool[T]) Evict(id uint64) bool {
	now := mono.Now()
	var rep report[T]
	p.mu.Lock()
	r := p.all[id]
	if r == nil || r.state == Closing {
		p.mu.Unlock()
		return false
	}
	if r.state != Idle {
		r.doom = EndEvicted
		p.mu.Unlock()
		return true
	}
	i := slices.Index(p.idle, r)
	p.idle = slices.Delete(p.idle, i, i+1)
	p.note(&rep, Event{Kind: KindEviction, Resource: id, Reason: EndEvicted, Count: 1})
	p.removeLocked(r, EndEvicted, now, &rep)
	p.mu.Unlock()
	p.carryOut(&rep)
	return true
}

// Clear turns away every caller that waits, with an error that tells reason and matches priority.ErrCleared, and returns
// how many they were. Those who hold a resource keep it.
func (p *Pool[T]) Clear(reason string) int {
	var cause error
	if reason != "" {
		cause = errors.New(reason)
	}
	return p.ClearFor(cause)
}

// ClearFor is Clear with a cause that errors.Is finds in what they are told.
func (p *Pool[T]) ClearFor(cause error) int {
	var b priority.Batch
	p.mu.Lock()
	n := p.sched.Waiting()
	p.sched.RefuseAll(priority.Cleared, cause, false, &b)
	p.mu.Unlock()
	b.Wake()
	p.emit(Event{Kind: KindCleared, Count: n, Err: cause})
	return n
}
