package lifecycle

import (
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// Check reports whatever contradicts itself in p's books. It holds at every instant at which mu is free, so a test may
// call it at any time, from any goroutine.
func (p *Pool[T]) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.checkCountsLocked(), p.checkPermitsLocked(), p.checkPlansLocked(), p.checkOwnersLocked(), p.checkWatchLocked())
}

// checkCountsLocked compares the counts with the states of the resources.
func (p *Pool[T]) checkCountsLocked() error {
	var errs []error
	states := map[State]int{}
	for id, r := range p.all {
		states[r.state]++
		if r.id != id {
			errs = append(errs, fmt.Errorf("resource %d is listed as %d", r.id, id))
		}
		if held := r.req != nil; held != (r.state == InUse) {
			errs = append(errs, fmt.Errorf("resource %d is %s; has a holder: %t", id, r.state, held))
		}
	}
	same := func(what string, count, want int) {
		if count != want {
			errs = append(errs, fmt.Errorf("%s is %d, but %d by their states", what, count, want))
		}
	}
	same("creating", p.creating, states[Creating])
	same("closing", p.closing, states[Closing])
	same("live", p.live, states[Idle]+states[InUse])
	same("the stack", len(p.idle), states[Idle])
	same("all", len(p.all), p.creating+p.closing+p.live)
	onStack := map[*resource[T]]bool{}
	for i, r := range p.idle {
		if r.state != Idle || p.all[r.id] != r || onStack[r] {
			errs = append(errs, fmt.Errorf("resource %d does not belong on the stack: it is %s", r.id, r.state))
		}
		// Two who release at the same time may look at the clock in one order and take the lock in the other.
		if i > 0 && p.idle[i-1].since.Sub(r.since) > time.Second {
			errs = append(errs, fmt.Errorf("resource %d lies above one that has been idle for less long", r.id))
		}
		onStack[r] = true
	}
	return errors.Join(errs...)
}

// checkPermitsLocked compares the scheduler with the resources, and looks for somebody who waits for what is free.
func (p *Pool[T]) checkPermitsLocked() error {
	var errs []error
	if permits := p.sched.Limits().Permits; permits != p.live {
		errs = append(errs, fmt.Errorf("%d permits for %d live resources", permits, p.live))
	}
	if inUse := p.live - len(p.idle); p.sched.Out() != inUse {
		errs = append(errs, fmt.Errorf("%d permits out for %d resources in use", p.sched.Out(), inUse))
	}
	if p.adapt != nil && p.sched.Most() != p.adapt.Limit() || p.adapt == nil && p.sched.Most() != 0 {
		errs = append(errs, fmt.Errorf("the scheduler has a limit of %d", p.sched.Most()))
	}
	limited := p.adapt != nil && p.sched.Out() >= p.adapt.Limit()
	if p.sched.Waiting() > 0 && len(p.idle) > 0 && p.cfg.Reserve == 0 && !p.sched.Suspended() && !limited {
		errs = append(errs, fmt.Errorf("%d wait though %d are idle", p.sched.Waiting(), len(p.idle)))
	}
	if p.phase != open && (p.sched.Waiting() > 0 || len(p.idle) > 0) {
		errs = append(errs, fmt.Errorf("shut, but %d wait and %d are idle", p.sched.Waiting(), len(p.idle)))
	}
	return errors.Join(errs...)
}

// checkPlansLocked looks for something that is due and that nobody will do.
func (p *Pool[T]) checkPlansLocked() error {
	var errs []error
	if n := p.wantedLocked(); n > 0 && p.failures == 0 && p.ids > 0 { // before the first use nothing is begun
		errs = append(errs, fmt.Errorf("%d creations are wanted that nobody began", n))
	}
	if p.phase == open && len(p.all) > 0 && p.alarmAt == 0 {
		errs = append(errs, errors.New("the keeper has no next round"))
	}
	retry := p.failures > 0 && !p.sched.Suspended() && p.creating == 0 && len(p.all) < p.cfg.Max && p.lackingLocked() > 0
	if p.phase == open && retry && (p.alarmAt == 0 || p.alarmAt > p.retryAt) {
		errs = append(errs, errors.New("nobody will try again in time"))
	}
	if p.creating > 0 && p.failures > 0 && p.allowance > baseAllowance {
		errs = append(errs, fmt.Errorf("%d may be created at once while creations fail", p.allowance))
	}
	select {
	case <-p.gone:
		if p.phase == open || len(p.all) > 0 {
			errs = append(errs, fmt.Errorf("gone, with %d left", len(p.all)))
		}
	default:
		if p.phase != open && len(p.all) == 0 {
			errs = append(errs, errors.New("shut and empty, but not gone"))
		}
	}
	return errors.Join(errs...)
}

// checkOwnersLocked compares what is known of owners with what they hold, and looks for a deadlock that nobody broke.
func (p *Pool[T]) checkOwnersLocked() error {
	var errs []error
	held := map[*priority.Owner]int{}
	for id, r := range p.all {
		if r.owner != nil {
			held[r.owner]++
		}
		if r.req != nil && r.req.Owner != r.owner || r.req == nil && r.owner != nil {
			errs = append(errs, fmt.Errorf("resource %d does not know its owner", id))
		}
	}
	waiting := 0
	for owner, o := range p.owners {
		waiting += o.waiting
		if o.held != held[owner] {
			errs = append(errs, fmt.Errorf("an owner holds %d, and %d by the resources", o.held, held[owner]))
		}
		if o.held < 0 || o.waiting < 0 || o.held+o.waiting == 0 {
			errs = append(errs, fmt.Errorf("an owner holds %d and waits %d times", o.held, o.waiting))
		}
		if o.waiting == 1 && !o.several && o.wait == nil {
			errs = append(errs, errors.New("an owner waits, nobody knows as whom"))
		}
		delete(held, owner)
	}
	if len(held) > 0 {
		errs = append(errs, fmt.Errorf("%d owners hold something, and nothing is known of them", len(held)))
	}
	if n, _ := p.deadlockLocked(nil, priority.Low); n > 0 {
		errs = append(errs, errors.New("all wait for each other, and nobody was turned away"))
	}
	return errors.Join(errs...)
}

// checkWatchLocked looks for leaks that nobody would find, and for somebody who waits for a quiet that has come.
func (p *Pool[T]) checkWatchLocked() error {
	var errs []error
	if p.phase == open && p.cfg.LeakThreshold > 0 && p.live > 0 && !p.watched {
		errs = append(errs, errors.New("nobody looks for leaks"))
	}
	if p.sched.Suspended() && (p.phase != open || !p.crowded.Load()) {
		errs = append(errs, fmt.Errorf("suspended in phase %d, and crowded: %t", p.phase, p.crowded.Load()))
	}
	if p.quiet != nil && (!p.sched.Suspended() || p.sched.Out() == 0) {
		errs = append(errs, fmt.Errorf("somebody waits for a quiet, suspended: %t, %d out", p.sched.Suspended(), p.sched.Out()))
	}
	return errors.Join(errs...)
}

// Owners returns of how many owners something is known.
func (p *Pool[T]) Owners() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.owners)
}

// NextRound returns how long it is until the keeper's next round, 0 if none is due.
func (p *Pool[T]) NextRound() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.alarmAt == 0 {
		return 0
	}
	return p.alarmAt.Sub(mono.Now())
}

// Allowance returns how many resources may be under creation at once, at present.
func (p *Pool[T]) Allowance() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.allowance
}

// Coarse reports whether the clock is read once a tick and not twice a lending.
func (p *Pool[T]) Coarse() bool { return p.clock.coarse.Load() != 0 }
