package lifecycle

import (
	"context"
	"fmt"

	"github.com/poolsql/poolsql/internal/mono"
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
		p.emit(Event{Kind: KindNested, Class: req.Class, Label: req.Label, Tenant: req.Tenant, Count: held})
	}
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

// deadlockedLocked reports whether it is proven that no resource will come back by itself: there are as many as there may
// be, and each is held by an owner who waits for one, which gives none back meanwhile. newcomer, if not nil, is taken to
// wait as well, and must be part of it.
//
// This becomes true when somebody begins to wait, when the maximum is lowered, or when one of those ends that are too many
// since, and at no other time: what comes back otherwise, or is created, leaves room or goes to somebody who waits no more.
//
// A resource whose caller's context has ended proves nothing: database/sql gives those back on a goroutine of its own.
func (p *Pool[T]) deadlockedLocked(newcomer *priority.Owner) bool {
	if p.live == 0 || p.live < p.cfg.Max || len(p.idle) > 0 || len(p.owners) == 0 {
		return false
	}
	if newcomer != nil && p.owners[newcomer] == nil {
		return false
	}
	now := mono.Now()
	own := newcomer == nil
	for _, r := range p.all {
		if r.state != InUse {
			continue
		}
		if r.owner == nil || !p.stuckLocked(r, newcomer, now) {
			return false
		}
		own = own || r.owner == newcomer
	}
	return own
}

// stuckLocked reports whether the owner who holds r gives nothing back until he is lent more.
func (p *Pool[T]) stuckLocked(r *resource[T], newcomer *priority.Owner, now mono.Time) bool {
	select {
	case <-r.done:
		return false
	default:
	}
	o := p.owners[r.owner]
	if o.several {
		return false
	}
	if r.owner == newcomer {
		return o.waiting == 0
	}
	return o.waiting == 1 && p.sched.Stuck(o.wait, now)
}

// breakDeadlockLocked turns away one of the callers of a deadlock that a lowered maximum completed, if it did: the last to
// come.
func (p *Pool[T]) breakDeadlockLocked(b *priority.Batch) {
	if !p.deadlockedLocked(nil) {
		return
	}
	var last *priority.Waiter
	for _, o := range p.owners {
		if o.held > 0 && (last == nil || o.wait.Since() > last.Since()) {
			last = o.wait
		}
	}
	p.sched.Refuse(last, priority.Deadlock, p.deadlockLocked(), b)
}

// deadlockLocked returns the cause of a refusal for a deadlock.
func (p *Pool[T]) deadlockLocked() error {
	return fmt.Errorf("each of the %d is held by a caller who waits for one more, as this one would: "+
		"go on with what is held, such as its transaction, or give it back before asking for more", p.live)
}
