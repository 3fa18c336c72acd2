package lifecycle

import (
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// lendLocked takes the resource from the stack, or the one that served the request's affinity key last, and makes it the
// caller's, whose permit is out. class and particular are what req says of its class and of whether it has such a key or
// an owner: for one who waited among many, req is out of the caches, and its waiter, which says the same, is not.
func (p *Pool[T]) lendLocked(req *Request, class priority.Class, particular bool, now mono.Time) *resource[T] {
	last := len(p.idle) - 1
	if last < 0 {
		panic("poolsql: bug: a permit was granted and no resource is idle")
	}
	r := p.idle[last]
	if particular {
		r = p.chooseLocked(req)
	}
	p.idle[last] = nil
	p.idle = p.idle[:last]
	r.rested, r.waited = max(0, now.Sub(r.since)), 0
	r.state = InUse
	r.epoch++
	r.uses++
	r.since = now
	r.req, r.class = req, class
	return r
}

// chooseLocked returns the idle resource that suits a request with an affinity key or an owner, moved to the top of the
// stack, and notes who gets it.
func (p *Pool[T]) chooseLocked(req *Request) *resource[T] {
	r := p.idle[len(p.idle)-1]
	if req.Affinity != "" {
		r = p.keyedLocked(req.Affinity, r)
	}
	if req.Owner != nil {
		p.ownLocked(r, req)
	}
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
	if p.adapt != nil && tell {
		p.adaptLocked(r.req.Label, used, now, &rep)
	}
	p.sched.Release(r.class)
	took := used
	if !tell {
		took = -1 // nobody has worked with it
	}
	p.sched.Reckon(r.use, r.req.Label, r.req.Statement, took)
	tell = tell && p.told.Wants(KindRelease)
	var by priority.Options
	waited := r.waited
	if tell {
		by.Class, by.Label, by.Tenant, by.User = r.class, r.req.Label, r.req.Tenant, r.req.User
	}
	if r.owner != nil {
		p.disownLocked(r)
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
		p.turnsLocked(&rep)
	} else if p.crowded.Load() {
		p.calmLocked()
	}
	p.mu.Unlock()
	b.Wake()
	p.start(&rep)
	if tell { // not by the report, which would allocate
		p.emit(Event{
			Kind: KindRelease, Resource: r.id, Class: by.Class, Label: by.Label, Tenant: by.Tenant, User: by.User, Duration: used, Wait: waited,
		})
	}
	p.tell(&rep)
}

// calmLocked is told that something came back and that nobody waits: there is no crowd any more, unless the pool is
// suspended, which keeps the hint set so that this place is come to.
func (p *Pool[T]) calmLocked() {
	if p.sched.Suspended() {
		p.quietLocked()
		return
	}
	p.crowded.Store(false)
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
