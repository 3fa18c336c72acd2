package lifecycle

import (
	"fmt"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// deadlockLocked reports whether it is proven that nothing will come back by itself that could serve a caller of this
// class: there are as many resources as there may be, and each is held by an owner who waits for one, and gives none back
// meanwhile. Of the classes below High it is enough that this is so of all that the reserve leaves to them. newcomer, if
// not nil, is taken to wait as well, and must be part of it. It returns how many resources are locked up, 0 if that is
// not proven, and which of their owners' callers was the last to come.
//
// This becomes true when somebody begins to wait, when the maximum is lowered, or when one comes back of those that are
// too many since, and at no other time: what comes back otherwise, or is created, leaves room or goes to somebody who
// waits no more.
func (p *Pool[T]) deadlockLocked(newcomer *priority.Owner, class priority.Class) (n int, last *priority.Waiter) {
	if len(p.owners) == 0 || newcomer != nil && p.owners[newcomer] == nil {
		return 0, nil
	}
	now := mono.Now()
	if p.live >= p.cfg.Max && len(p.idle) == 0 {
		n, last = p.lockedUpLocked(newcomer, priority.High, class, now)
	}
	if n == 0 && p.cfg.Reserve > 0 && class < priority.High && p.lowerLocked() >= p.lowerMaxLocked() {
		n, last = p.lockedUpLocked(newcomer, priority.Normal, class, now)
	}
	return n, last
}

// lockedUpLocked returns how many resources are held by classes up to top, and which caller was the last to come of those
// that their owners wait as, if each of these owners waits in a class up to top and newcomer is one of them; else 0.
func (p *Pool[T]) lockedUpLocked(
	newcomer *priority.Owner, top, class priority.Class, now mono.Time,
) (n int, last *priority.Waiter) {
	own := newcomer == nil
	for _, r := range p.all {
		if r.state != InUse || r.class > top {
			continue
		}
		if r.owner == nil || released(r.done) {
			return 0, nil
		}
		o := p.owners[r.owner]
		switch {
		case o.several:
			return 0, nil
		case r.owner == newcomer:
			if o.waiting > 0 || class > top {
				return 0, nil
			}
			own = true
		case o.waiting != 1 || !p.sched.Stuck(o.wait, now) || o.wait.Class() > top:
			return 0, nil
		case last == nil || o.wait.Since() > last.Since():
			last = o.wait
		}
		n++
	}
	if !own {
		return 0, nil
	}
	return n, last
}

// released reports whether the context has ended under which a resource was acquired. database/sql gives back what such a
// context was for on a goroutine of its own, whatever its caller does meanwhile.
func released(done <-chan struct{}) bool {
	select {
	case <-done:
		return true
	default:
		return false
	}
}

// lowerLocked returns how much the classes below High hold, and lowerMaxLocked how much they may, all in all.
func (p *Pool[T]) lowerLocked() int {
	return p.sched.Held(priority.Normal) + p.sched.Held(priority.Low)
}

func (p *Pool[T]) lowerMaxLocked() int { return max(1, p.cfg.Max-p.cfg.Reserve) }

// breakDeadlockLocked turns away one of the callers of a deadlock that a lowered maximum completed, if it did: the last to
// come. It is called until no more is held than may be.
func (p *Pool[T]) breakDeadlockLocked(b *priority.Batch) {
	p.shrunk = p.live > p.cfg.Max || p.lowerLocked() > p.lowerMaxLocked()
	for { // once more, for what all hold and for what the lower classes hold
		n, last := p.deadlockLocked(nil, priority.Low)
		if n == 0 {
			return
		}
		p.sched.Refuse(last, priority.Deadlock, deadlockError(n), b)
	}
}

// deadlockError is the cause of a refusal for a deadlock of so many resources.
func deadlockError(n int) error {
	return fmt.Errorf("each of the %d that it may have is held by a caller who waits for one more, as this one would: "+
		"go on with what is held, such as its transaction, or give it back before asking for more", n)
}
