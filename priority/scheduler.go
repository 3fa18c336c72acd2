package priority

import (
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// A Scheduler decides who gets the next permit. It is a [Semaphore] without the lock: its owner holds one for every
// call, and wakes the waiters of each [Batch] after its unlock.
//
// Its invariants, which hold between any two calls once the owner has called Next until it returned nil: permits out
// never exceed the limit unless the limit was lowered under them, and nobody waits for a permit that is free and that
// its class may have, unless the scheduler is suspended, or the caller's tenant has as many as it may, or it is slow and the
// slow ones have their share.
//
// The zero value is not ready: call Init.
type Scheduler struct {
	limits  Limits
	most    int // how many may be out whatever limits say; 0 is no such bound
	limit   int // what is left of the permits of limits under that
	permits int // how many may be out at present: limit, or none while it is suspended
	paused  bool

	out     int // permits out, of all classes
	lower   int // of these, held by the classes below High
	waiting int

	classes        [NumClasses]classQueue // by rank
	oldest, newest *Waiter                // every waiter in the order of arrival, which is the order of expiry too

	flows    flows
	shed     *shedder  // nil unless Limits say to look for overload
	costs    *costs    // nil unless something wants to know what permits take
	strict   bool      // whether there are rules for who may have a free permit beyond the classes
	slowHeld int       // permits that slow calls hold
	quickAt  mono.Time // when one that is not slow was last granted; 0 is never
	turns    []Turn    // what Turns has not told yet, one for each class at most

	alarm   *time.Timer // nil until MaxWait made somebody's wait finite
	alarmAt mono.Time   // when it rings: no later than the oldest waiter expires; 0 when it is not set
	ring    func()
}

// Init makes s ready. ring is called, on a goroutine of its own and without the owner's lock, when a waiter has waited
// for MaxWait or may go since some time has passed: it must lock, call Expire, call Next until that returns nil, unlock and
// wake the batch.
func (s *Scheduler) Init(l Limits, ring func()) {
	s.limits, s.ring = l.withDefaults(), ring
	s.flows.init()
	for rank := range s.classes {
		s.classes[rank].init(rank)
	}
	s.arrange()
	s.setRules()
}

// setRules makes, keeps or drops what the rules of the limits need to know.
func (s *Scheduler) setRules() {
	l := &s.limits
	s.strict = l.TenantPermits > 0 || l.SlowAfter > 0
	if s.costs == nil && (l.Shedding != ShedOff || s.strict) {
		s.costs = newCosts() // and kept, as permits are out that are reckoned with
	}
	s.refill()
	s.setShedding(s.limits.Shedding)
}

// Limits returns the numbers in force.
func (s *Scheduler) Limits() Limits { return s.limits }

// SetLimits changes the numbers. Permits above a lowered limit stay out until they are released. A changed MaxWait
// holds for those who wait already, reckoned from when they came. The owner calls Next afterwards.
func (s *Scheduler) SetLimits(l Limits) {
	s.limits = l.withDefaults()
	s.arrange()
	s.setRules()
	s.arm(mono.Now())
}

// Grow adds delta, which may be negative, to the limit. The owner calls Next afterwards.
func (s *Scheduler) Grow(delta int) {
	s.limits.Permits += delta
	s.arrange()
	if s.limits.Permits > 0 && s.limits.Permits <= delta {
		s.restart()
	} else {
		s.grown()
	}
}

// SetMost bounds how many permits may be out, High's reserve being of these then; 0 is no bound but the limit. What is out above it
// stays out until it is released. The owner calls Next afterwards.
func (s *Scheduler) SetMost(n int) {
	s.most = n
	s.arrange()
}

// Most returns what SetMost set, 0 if that is nothing.
func (s *Scheduler) Most() int { return s.most }

// Out returns how many permits are out.
func (s *Scheduler) Out() int { return s.out }

// Held returns how many permits class c holds.
func (s *Scheduler) Held(c Class) int { return s.classes[c.rank()].held }

// Waiting returns how many callers wait.
func (s *Scheduler) Waiting() int { return s.waiting }

// Oldest returns the waiter that came first, nil when nobody waits.
func (s *Scheduler) Oldest() *Waiter { return s.oldest }

// room reports whether the class of this rank may have one permit more.
func (s *Scheduler) room(rank int) bool {
	if s.out >= s.permits {
		return false
	}
	return rank == 0 || s.limits.Reserve == 0 || s.lower < max(1, s.limit-s.limits.Reserve)
}

func (s *Scheduler) admit(rank int) {
	s.out++
	if rank > 0 {
		s.lower++
	}
	c := &s.classes[rank]
	c.held++
	c.granted++
}

// TryAdmit takes a permit for class c if one is free for it, and reports whether it did. Whoever waits has nothing
// against it: nobody waits for a permit that is free and that its class may have.
func (s *Scheduler) TryAdmit(c Class) bool {
	rank := c.rank()
	if !s.room(rank) {
		return false
	}
	s.admit(rank)
	return true
}

// Release takes back a permit that class c held. The owner calls Next afterwards.
func (s *Scheduler) Release(c Class) {
	rank := c.rank()
	q := &s.classes[rank]
	if q.held == 0 {
		panic("poolsql: bug: more permits of class " + c.String() + " released than were out")
	}
	q.held--
	s.out--
	if rank > 0 {
		s.lower--
	}
}

// pick returns the lane to be served next, nil if there is none: that of the highest class that waits and may have a permit,
// unless a lower one has been passed over so often that its share is due.
func (s *Scheduler) pick(now mono.Time) *lane {
	var best *lane
	for rank := range s.classes {
		if s.classes[rank].waiting == 0 {
			continue
		}
		q := s.able(rank, now)
		if q == nil {
			continue
		}
		if best == nil {
			best = q
			continue
		}
		passed := q.class.passed
		if due := s.limits.AgingShare - 1; due > 0 && passed >= due && passed >= best.class.passed {
			best = q
		}
	}
	return best
}

// Next takes a permit for the waiter that should go next and returns that waiter, off the queue, for its owner to add
// to b. It returns nil when nobody may go. Those it meets whose context has ended get no permit: it refuses them, into b.
func (s *Scheduler) Next(now Time, b *Batch) *Waiter {
	if s.shed != nil && s.waiting > 0 {
		s.sweep(now, b)
	}
	for {
		if s.waiting == 0 {
			return nil
		}
		q := s.pick(now)
		if q == nil {
			if s.limits.SlowAfter > 0 {
				s.arm(now) // for the slow ones, if it is they who wait: when they may go has moved with each quick one
			}
			return nil
		}
		rank, c := q.rank, q.class
		if s.shed != nil {
			s.observe(rank, now) // which may change who is first
		}
		w := q.first()
		if reason, ok := w.gone(now); ok {
			s.refuse(w, reason, nil, b)
			continue
		}
		if s.shed != nil {
			if s.tooLate(w, now) {
				s.refuse(w, TooLate, nil, b)
				continue
			}
			s.note(w, now)
		}
		s.book(w, now)
		s.part(w)
		s.depart(w)
		w.state = granted
		// Before the permit is taken: it is this one that the lower classes could have had.
		for low := rank + 1; low < NumClasses; low++ {
			if s.classes[low].waiting > 0 && s.able(low, now) != nil {
				s.classes[low].passed++
			}
		}
		s.admit(rank)
		c.waits++
		c.waited += max(0, int64(now-w.since))
		c.passed = 0
		return w
	}
}
