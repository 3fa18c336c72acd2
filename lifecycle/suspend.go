package lifecycle

import (
	"context"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// Suspend makes the pool lend nothing and create nothing until [Pool.Resume]. Callers queue meanwhile, in the order and
// with the timeouts that they have at any time, whether or not the last creation failed. What is held stays with its
// holders and is idle when it comes back; what is idle stays, unless it is past its time or somebody retires it, as
// [Pool.Reset] does. Suspending what is suspended or shut does nothing.
func (p *Pool[T]) Suspend() {
	var rep report[T]
	p.mu.Lock()
	p.suspendLocked(&rep)
	p.mu.Unlock()
	p.carryOut(&rep)
}

func (p *Pool[T]) suspendLocked(rep *report[T]) {
	if p.phase != open || p.sched.Suspended() {
		return
	}
	p.sched.Suspend()
	p.crowded.Store(true)
	p.note(rep, Event{Kind: KindSuspended, Count: p.sched.Out()})
}

// Resume ends what [Pool.Suspend] began: those who wait are lent what is idle, and what they and the minimum lack is
// created, without a pause for what failed before. Resuming what is not suspended does nothing.
func (p *Pool[T]) Resume() {
	now := mono.Now()
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	if !p.sched.Suspended() {
		p.mu.Unlock()
		return
	}
	p.note(&rep, Event{Kind: KindResumed, Count: p.sched.Waiting()})
	p.sched.Resume()
	p.disturbLocked()
	p.retryAt = min(p.retryAt, now)
	p.dispatchLocked(now, &b)
	p.planLocked(&rep)
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
}

// Quiesce suspends the pool and returns when nothing is in use any more. When ctx ends first, it returns a
// [*QuiesceError] that names who still holds what; the pool stays suspended. The same error says that somebody resumed or
// shut the pool meanwhile; it matches [ErrClosed] if the pool was shut.
func (p *Pool[T]) Quiesce(ctx context.Context) error {
	p.Suspend()
	var ended error
	for {
		p.mu.Lock()
		quiet, err := p.quiesceLocked(ended)
		p.mu.Unlock()
		if quiet == nil {
			return err
		}
		select {
		case <-quiet:
		case <-ctx.Done():
			ended = context.Cause(ctx)
		}
	}
}

// quiesceLocked returns the outcome of a Quiesce whose context ended for this cause, nil if it has not, or a channel that
// is closed when it is worth while to ask again.
func (p *Pool[T]) quiesceLocked(ended error) (again <-chan struct{}, err error) {
	switch {
	case p.phase != open:
		return nil, &QuiesceError{Pool: p.cfg.Name, Err: ErrClosed}
	case !p.sched.Suspended():
		return nil, &QuiesceError{Pool: p.cfg.Name, Err: errResumed}
	case p.sched.Out() == 0:
		return nil, nil
	case ended != nil:
		return nil, &QuiesceError{Pool: p.cfg.Name, Stragglers: p.holdersLocked(mono.Now()), Err: ended}
	}
	if p.quiet == nil {
		p.quiet = make(chan struct{})
	}
	return p.quiet, nil
}

// quietLocked wakes those who wait for the suspended pool to have nothing in use, if it has not.
func (p *Pool[T]) quietLocked() {
	if p.sched.Out() == 0 {
		p.disturbLocked()
	}
}

// disturbLocked wakes those who wait for the pool to be quiet, for whatever reason.
func (p *Pool[T]) disturbLocked() {
	if p.quiet != nil {
		close(p.quiet)
		p.quiet = nil
	}
}
