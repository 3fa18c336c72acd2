package lifecycle

import (
	"errors"
	"slices"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// retirePause is how long RetireOlder leaves the resources alone after it retired all: a server that ends what it has
// just let in would else be asked for everything anew, as fast as it can answer.
const retirePause = time.Second

// Reset retires every resource: idle ones are destroyed at once, held ones when they are released, those under creation
// when they are done. New ones take their place as they are needed. Callers that wait go on waiting.
func (p *Pool[T]) Reset() {
	var rep report[T]
	p.mu.Lock()
	p.note(&rep, Event{Kind: KindReset})
	p.renewLocked(&rep)
	p.mu.Unlock()
	p.carryOut(&rep)
}

// RetireOlder is [Pool.Reset] for one who learned from a resource of this generation, which [Handle.Generation] tells,
// that none of them is of use any more. It does nothing, and returns false, if that generation has been retired already,
// or if it retired one less than a second ago. So of many holders who learn the same at the same time, one causes a
// reset.
func (p *Pool[T]) RetireOlder(generation uint64) bool {
	now := mono.Now()
	var rep report[T]
	p.mu.Lock()
	if p.phase != open || generation != p.generation || (p.retired != 0 && now.Sub(p.retired) < retirePause) {
		p.mu.Unlock()
		return false
	}
	p.retired = now
	p.note(&rep, Event{Kind: KindRetired, Count: p.live + p.creating})
	p.renewLocked(&rep)
	p.mu.Unlock()
	p.carryOut(&rep)
	return true
}

// Suspect makes every resource that there is prove itself at the validation before its next lending, however short it
// will have been idle. Held ones stay with their holders.
func (p *Pool[T]) Suspect() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, r := range p.all {
		r.suspect.Store(true)
	}
}

// renewLocked begins a new generation.
func (p *Pool[T]) renewLocked(rep *report[T]) {
	p.generation++
	p.retireIdleLocked(EndReset, rep)
	p.planLocked(rep)
}

// retireIdleLocked removes every idle resource.
func (p *Pool[T]) retireIdleLocked(reason EndReason, rep *report[T]) {
	now := mono.Now()
	for _, r := range p.idle {
		p.retireLocked(r, reason, now, rep)
	}
	clear(p.idle)
	p.idle = p.idle[:0]
}

// silent reports whether a resource failed its validation because it did not answer.
func silent(flaw error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(flaw, &timeout) && timeout.Timeout()
}

// dropSuspects ends every idle resource that has still to prove itself, because one of them did not answer. To be told so by
// each of them would take its time for each, and a caller who gets one after the other would wait for all.
func (p *Pool[T]) dropSuspects() {
	now := mono.Now()
	var rep report[T]
	p.mu.Lock()
	p.idle = slices.DeleteFunc(p.idle, func(r *resource[T]) bool {
		suspect := r.suspect.Load()
		if suspect {
			p.retireLocked(r, EndInvalid, now, &rep)
		}
		return suspect
	})
	p.planLocked(&rep)
	p.mu.Unlock()
	p.carryOut(&rep)
}
