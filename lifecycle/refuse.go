package lifecycle

import (
	"context"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// turnAway counts and describes a refusal that did not come from the queue.
func (p *Pool[T]) turnAway(ctx context.Context, req *Request, since mono.Time, reason priority.Reason, cause error) error {
	p.mu.Lock()
	p.sched.CountRefusal(req.Class, reason)
	depth := p.sched.Waiting()
	p.mu.Unlock()
	return p.describe(ctx, req, &priority.RefusedError{
		Reason: reason, Class: req.Class, Tenant: req.Tenant, Label: req.Label,
		Waited: mono.Since(since), Depth: depth, Cause: cause,
	})
}

// describe completes a refusal with what the pool knows, and tells the observer.
func (p *Pool[T]) describe(ctx context.Context, req *Request, refused *priority.RefusedError) error {
	now := mono.Now()
	e := &AcquireError{Pool: p.cfg.Name, Refused: refused}
	p.mu.Lock()
	refused.Limit, refused.InUse = p.cfg.Max, p.sched.Out()
	e.Suspended = p.sched.Suspended()
	e.Open, e.Opening, e.Max = p.live, p.creating, p.cfg.Max
	if refused.Reason != priority.Closed {
		e.Holders = p.longestHoldersLocked(now)
		e.MoreHolders = p.sched.Out() - len(e.Holders)
	}
	if p.failures > 0 && p.phase == open && refused.Reason != priority.Unavailable { // else it is the cause
		e.LastFailure = &CreateError{Failures: p.failures, Err: p.failure}
	}
	p.mu.Unlock()
	kind := KindRefuse
	if refused.Timeout() {
		kind = KindTimeout
	}
	p.emit(Event{
		Kind: kind, Context: ctx, Class: req.Class, Label: req.Label, Tenant: req.Tenant, User: req.User,
		Wait: refused.Waited, Refusal: refused.Reason, Err: e,
	})
	return e
}

// shutCause says why a pool that is shut takes no work.
func (p *Pool[T]) shutCause() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.phase == draining {
		return errDraining
	}
	return nil
}
