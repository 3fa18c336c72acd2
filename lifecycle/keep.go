package lifecycle

import (
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// scheduleLocked sees to it that the keeper's next round comes in time: at the next try after a failure if somebody
// waits for it or the minimum is not met, else after the interval, as long as there is something to keep. The keeper is
// a timer and not a goroutine, so that a pool that nobody uses and nobody closed holds nothing.
func (p *Pool[T]) scheduleLocked() {
	if p.phase != open || (len(p.all) == 0 && p.sched.Waiting() == 0 && p.cfg.Min == 0 && p.warm == 0) {
		return
	}
	at := p.alarmAt
	if at == 0 {
		at = mono.Now().Add(p.cfg.KeepInterval)
	}
	if p.failures > 0 && !p.sched.Suspended() && p.creating == 0 && len(p.all) < p.cfg.Max && p.lackingLocked() > 0 {
		// Without room, or where nobody could use it (the limit, or a tenant's cap, keeps all waiting), a round could do nothing
		// but set this same time again, without a pause.
		at = min(at, p.retryAt)
	}
	if p.adapt != nil {
		at = min(at, p.adaptDueLocked())
	}
	if p.alarmAt != 0 && p.alarmAt <= at {
		return
	}
	p.alarmAt = at
	wait := max(0, at.Sub(mono.Now()))
	if p.alarm == nil {
		p.alarm = time.AfterFunc(wait, p.keep)
		return
	}
	p.alarm.Reset(wait)
}

// keep is the keeper's round: it ends what has been idle or alive for too long, and fills the minimum.
func (p *Pool[T]) keep() {
	now := mono.Now()
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	p.alarmAt = 0
	if p.phase == open {
		p.evictLocked(now, &rep)
		if p.adapt != nil {
			p.adaptKeepLocked(now, &b, &rep)
		}
		p.planLocked(&rep)
	}
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
}

// evictLocked removes the idle resources that are past their lifetime, and of the others, those that have been idle for
// too long as long as there are more than the minimum, or than a warm-up under way wants. The stack has the longest idle
// at its bottom.
func (p *Pool[T]) evictLocked(now mono.Time, rep *report[T]) {
	surplus := p.live - max(p.cfg.Min, p.warm)
	evicted := [numEndReasons]int{}
	kept := p.idle[:0]
	for _, r := range p.idle {
		reason := p.fateLocked(r, now, EndNone)
		if reason == EndNone && p.cfg.IdleTimeout > 0 && surplus > 0 && now.Sub(r.since) >= p.cfg.IdleTimeout {
			reason = EndIdleTimeout
		}
		if reason == EndNone {
			kept = append(kept, r)
			continue
		}
		surplus--
		evicted[reason]++
		p.retireLocked(r, reason, now, rep)
	}
	clear(p.idle[len(kept):])
	p.idle = kept
	for reason, n := range evicted {
		if n > 0 {
			p.note(rep, Event{Kind: KindEviction, Reason: EndReason(reason), Count: n})
		}
	}
}

// retireLocked is removeLocked for one of several: whoever removes several plans once, afterwards.
func (p *Pool[T]) retireLocked(r *resource[T], reason EndReason, now mono.Time, rep *report[T]) {
	r.state, r.doom, r.since = Closing, reason, now
	p.unkeyLocked(r)
	p.live--
	p.closing++
	p.sched.Grow(-1)
	rep.destroy = append(rep.destroy, r)
}
