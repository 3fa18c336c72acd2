package lifecycle

import (
	"slices"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// leakPause is the least time between two looks for leaks.
const leakPause = time.Millisecond

// watchLocked sees to it that somebody looks for leaks. A lending knows nothing of it: what is lent after a look cannot
// be over the threshold before the threshold has passed, so a look at least so often, as long as there is a resource,
// finds each in time.
func (p *Pool[T]) watchLocked() {
	if p.cfg.LeakThreshold > 0 && !p.watched && p.phase == open {
		p.watchInLocked(p.cfg.LeakThreshold)
	}
}

func (p *Pool[T]) watchInLocked(d time.Duration) {
	p.watched = true
	if p.watch == nil {
		p.watch = time.AfterFunc(d, p.lookForLeaks)
		return
	}
	p.watch.Reset(d)
}

// lookForLeaks tells the observer of each resource that has been held for too long, once a lending, and sets the time of
// the next look: when the next of those that are held now will have been, at the latest when one lent now would.
func (p *Pool[T]) lookForLeaks() {
	now := mono.Now()
	var rep report[T]
	p.mu.Lock()
	p.watched = false
	next := p.cfg.LeakThreshold
	if next == 0 { // it was switched off meanwhile
		p.mu.Unlock()
		return
	}
	for _, r := range p.all {
		if r.state != InUse || r.req.Exempt || r.reported == r.epoch {
			continue
		}
		held := now.Sub(r.since)
		if held < p.cfg.LeakThreshold {
			next = min(next, p.cfg.LeakThreshold-held)
			continue
		}
		r.reported = r.epoch
		p.counts.leaks++
		p.note(&rep, Event{
			Kind: KindLeak, Resource: r.id, Class: r.class, Label: r.req.Label, Tenant: r.req.Tenant, User: r.req.User, Duration: held,
			Detail: r.req.Detail, Stack: slices.Clone(r.req.Stack), // the request is its holder's again when it is back
		})
	}
	if p.live > 0 && p.phase == open {
		p.watchInLocked(max(next, leakPause))
	}
	p.mu.Unlock()
	p.carryOut(&rep)
}
