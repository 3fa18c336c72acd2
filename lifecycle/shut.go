package lifecycle

import (
	"context"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// Drain shuts the pool to new work, turns away those who wait, destroys what is idle, and returns when every resource
// has come back and is destroyed. When ctx ends first, it interrupts those who still hold something, if Config.Interrupt
// is set, gives them InterruptGrace to give it back, and returns a [*DrainError] that names who they were, whether or not
// they gave it back. The pool stays shut, and what is held is destroyed when it comes back.
func (p *Pool[T]) Drain(ctx context.Context) error {
	p.shut(draining)
	select {
	case <-p.gone:
		return nil
	case <-ctx.Done():
	}
	select {
	case <-p.gone: // both came to pass
		return nil
	default:
	}
	now := mono.Now()
	p.mu.Lock()
	e := &DrainError{Pool: p.cfg.Name, Stragglers: p.holdersLocked(now), Left: p.sched.Out(), Err: context.Cause(ctx)}
	p.mu.Unlock()
	if p.cfg.Interrupt != nil && e.Left > 0 {
		p.interrupt(e)
	}
	return e
}

// interrupt hurries those who hold something, waits for them, and notes in e what came of it.
func (p *Pool[T]) interrupt(e *DrainError) {
	grace := time.NewTimer(p.cfg.InterruptGrace)
	defer grace.Stop()
	p.Held(func(_ uint64, value T, _ uint64, _ mono.Time) {
		e.Interrupted++
		p.cfg.Interrupt(value)
	})
	select {
	case <-p.gone:
	case <-grace.C:
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	e.Left = p.sched.Out()
}

// Close shuts the pool and returns at once: those who wait are turned away, what is idle is destroyed, and what is held
// is destroyed when it comes back. Done tells when the last is gone. Closing again does nothing.
func (p *Pool[T]) Close() { p.shut(closed) }

// Done returns a channel that is closed when the pool is shut and its last resource gone. No goroutine of the pool is
// left then, but for those that are about to return.
func (p *Pool[T]) Done() <-chan struct{} { return p.gone }

// shut moves the pool on to draining or closed.
func (p *Pool[T]) shut(to phase) {
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	if p.phase >= to {
		p.mu.Unlock()
		return
	}
	first := p.phase == open
	p.phase = to
	if to == draining {
		p.note(&rep, Event{Kind: KindDrainStarted, Count: p.sched.Out()})
	} else {
		p.note(&rep, Event{Kind: KindClosed, Count: p.sched.Out()})
	}
	if first {
		p.sched.Stop()
		p.sched.Resume() // nothing is suspended any more
		p.disturbLocked()
		for _, t := range []*time.Timer{p.alarm, p.watch} {
			if t != nil {
				t.Stop()
			}
		}
		var cause error
		if to == draining {
			cause = errDraining
		}
		p.sched.RefuseAll(priority.Closed, cause, false, &b)
		p.retireIdleLocked(EndClosed, &rep)
		p.changedLocked()
		p.goneLocked(&rep)
	}
	p.mu.Unlock()
	p.cancel() // creations under way are of no use any more
	b.Wake()
	p.carryOut(&rep)
}

// goneLocked notices when the pool is shut and the last resource gone.
func (p *Pool[T]) goneLocked(rep *report[T]) {
	if p.phase == open || len(p.all) > 0 {
		return
	}
	select {
	case <-p.gone:
		return
	default:
	}
	if p.phase == draining {
		p.note(rep, Event{Kind: KindDrainComplete})
	}
	close(p.gone)
}
