package lifecycle

import (
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// Check reports whatever contradicts itself in p's books. It holds at every instant at which mu is free, so a test may
// call it at any time, from any goroutine.
func (p *Pool[T]) Check() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.checkCountsLocked(), p.checkPermitsLocked(), p.checkPlansLocked())
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
	if p.sched.Waiting() > 0 && len(p.idle) > 0 && p.cfg.Reserve == 0 {
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
	retry := p.failures > 0 && p.creating == 0 && len(p.all) < p.cfg.Max && (p.sched.Waiting() > 0 || p.live < p.cfg.Min)
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
