package lifecycle

import (
	"context"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// handOut makes sure that what was lent is good, replacing it as often as need be, and tells the observer.
func (p *Pool[T]) handOut(ctx context.Context, h Handle[T], req *Request, came mono.Time) (Handle[T], error) {
	if p.cfg.Validate == nil && !p.told.Wants(KindAcquire) {
		return h, nil
	}
	return p.handOutWith(ctx, h, req, came)
}

// handOutWith is handOut where there is somebody to ask or to tell. Should they panic, the resource is destroyed, its
// permit is given back, and the panic goes on.
func (p *Pool[T]) handOutWith(ctx context.Context, h Handle[T], req *Request, came mono.Time) (Handle[T], error) {
	returned := false
	defer func() {
		if !returned && h.res != nil {
			p.giveBack(h.res, h.epoch, EndPanicked, false)
		}
	}()
	if err := p.prove(ctx, &h, req, came); err != nil {
		return Handle[T]{}, err
	}
	if p.told.Wants(KindAcquire) {
		p.emit(Event{
			Kind: KindAcquire, Resource: h.res.id, Context: ctx, Class: req.Class, Label: req.Label, Tenant: req.Tenant, User: req.User,
			Wait: mono.Since(came),
		})
	}
	returned = true
	return h, nil
}

// prove validates what h holds, and replaces it until it holds something good. When that fails, h holds nothing.
func (p *Pool[T]) prove(ctx context.Context, h *Handle[T], req *Request, came mono.Time) error {
	if p.cfg.Validate == nil {
		return nil
	}
	for {
		suspect := h.res.suspect.Load()
		if suspect {
			h.res.suspect.Store(false) // before it proves itself: a suspicion that is raised meanwhile is a new one
		}
		flaw := p.cfg.Validate(ctx, h.res.value, h.res.rested, suspect)
		first := !h.res.proved // it may have been lent before, to a caller who left at the same instant
		if flaw == nil {
			if first {
				h.res.proved = true
				p.useful()
			}
			return nil
		}
		if first && ctx.Err() == nil { // else it says nothing of the resource
			p.useless(flaw)
		}
		if suspect && silent(flaw) && ctx.Err() == nil {
			p.dropSuspects()
		}
		if err := p.replace(ctx, h, req, came, EndInvalid, flaw, false); err != nil {
			return err
		}
	}
}

// Replace destroys the resource that h holds, for reason and because of cause, and makes h hold another, under the same
// claim: its caller has waited its turn, and goes before all others of its class. h must hold something; when Replace
// fails, it holds nothing. It is meant for one who finds, before anything was done with it, that what he was lent is of no
// use. The observer is told of a release and of an acquire.
func (p *Pool[T]) Replace(ctx context.Context, h *Handle[T], req *Request, reason EndReason, cause error) error {
	came := mono.Now()
	if err := p.replace(ctx, h, req, came, reason.orBroken(), cause, true); err != nil {
		return err
	}
	next := *h
	h.res = nil
	next, err := p.handOut(ctx, next, req, came)
	if err != nil {
		return err
	}
	*h = next
	return nil
}

// replace exchanges what h holds. told is set if the observer was told that it was lent.
func (p *Pool[T]) replace(
	ctx context.Context, h *Handle[T], req *Request, came mono.Time, reason EndReason, cause error, told bool,
) error {
	p.emit(Event{Kind: KindInvalid, Resource: h.res.id, Reason: reason, Err: cause})
	r, epoch := h.res, h.epoch
	h.res = nil
	p.giveBack(r, epoch, reason, told)
	if req.Owner != nil {
		req.done = ctx.Done()
	}
	if ctx.Err() != nil {
		reason, cause := priority.ReasonOf(ctx)
		return p.turnAway(ctx, req, came, reason, cause)
	}
	next, err := p.queue(ctx, req, came, true)
	if err != nil {
		return err
	}
	*h = next
	return nil
}
