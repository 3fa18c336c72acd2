package lifecycle

import (
	"context"

	"github.com/poolsql/poolsql/priority"
)

// An ownings is what a pool knows of one [priority.Owner]. It is there while the owner holds something or waits.
type ownings struct {
	held    int              // how many resources
	waiting int              // how many calls
	wait    *priority.Waiter // the call that waits, while it is one
	several bool             // it did something else while a call of its waited: it is more than one line of execution
}

// arrive notes that a call with an owner has come, and tells the observer if the owner holds something already: whoever
// waits while he holds can be part of a deadlock.
func (p *Pool[T]) arrive(ctx context.Context, req *Request) {
	req.done = ctx.Done()
	held := 0
	p.mu.Lock()
	if o := p.owners[req.Owner]; o != nil {
		held = o.held
		o.several = o.several || o.waiting > 0
	}
	p.mu.Unlock()
	if held > 0 {
		p.emit(Event{Kind: KindNested, Class: req.Class, Label: req.Label, Tenant: req.Tenant, User: req.User, Count: held})
	}
}

// Holds returns how many resources of the pool owner holds.
func (p *Pool[T]) Holds(owner *priority.Owner) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	if o := p.owners[owner]; o != nil {
		return o.held
	}
	return 0
}

// ownLocked notes that r was lent to req's owner.
func (p *Pool[T]) ownLocked(r *resource[T], req *Request) {
	r.owner, r.done = req.Owner, req.done
	p.ownerLocked(req.Owner).held++
}

// disownLocked notes that r, which has an owner, is not his any more.
func (p *Pool[T]) disownLocked(r *resource[T]) {
	o := p.owners[r.owner]
	o.held--
	o.several = o.several || o.waiting > 0
	p.forgetLocked(r.owner, o)
	r.owner, r.done = nil, nil
}

// waitsLocked notes that a call of owner waits as w, until waited is called.
func (p *Pool[T]) waitsLocked(owner *priority.Owner, w *priority.Waiter) {
	o := p.ownerLocked(owner)
	o.several = o.several || o.waiting > 0
	o.waiting++
	o.wait = w
}

// waited notes that a call of owner does not wait any more, whatever came of it.
func (p *Pool[T]) waited(owner *priority.Owner) {
	p.mu.Lock()
	defer p.mu.Unlock()
	o := p.owners[owner]
	o.waiting--
	o.wait = nil // should another still wait, these were several
	p.forgetLocked(owner, o)
}

// ownerLocked returns what is known of owner.
func (p *Pool[T]) ownerLocked(owner *priority.Owner) *ownings {
	o := p.owners[owner]
	if o == nil {
		if p.owners == nil {
			p.owners = make(map[*priority.Owner]*ownings)
		}
		if o = p.spare; o == nil {
			o = &ownings{}
		}
		p.spare = nil
		p.owners[owner] = o
	}
	return o
}

// forgetLocked drops what is known of owner if that is nothing.
func (p *Pool[T]) forgetLocked(owner *priority.Owner, o *ownings) {
	if o.held == 0 && o.waiting == 0 {
		delete(p.owners, owner)
		*o = ownings{}
		p.spare = o
	}
}
