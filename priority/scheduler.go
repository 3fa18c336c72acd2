package priority

import (
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// DefaultAgingShare is the default of [Limits.AgingShare].
const DefaultAgingShare = 16

// Limits are a scheduler's numbers. All of them can change while it is in use.
type Limits struct {
	// Permits is how many permits may be out at once. It must not be negative.
	Permits int
	// Reserve is how many of them only High may hold. The lower classes together hold at most Permits less Reserve,
	// but always may hold one. Defaults to 0.
	Reserve int
	// AgingShare bounds starvation: a class that waits while higher ones are served gets one in so many of the grants.
	// Negative is strict priority, under which a lower class may wait for ever. Defaults to DefaultAgingShare.
	AgingShare int
	// MaxWaiting is how many callers may wait at once. When one more comes, the lowest class that waits makes room,
	// unless none is lower than the newcomer's, who is then refused. Zero is no limit.
	MaxWaiting int
	// MaxWait is how long a caller may wait. Zero is no limit but its context.
	MaxWait time.Duration
	// Shedding says what happens when more comes than can be served. Defaults to ShedOff.
	Shedding Shedding
	// TenantWeights are the shares of the tenants, inside a class, where several wait: who has twice the weight gets twice the
	// time. A tenant that is not in it has 1. Whoever gives it must not change it afterwards.
	TenantWeights Weights
	// TenantPermits is how many permits one tenant may hold at once, even if others are free. Zero is no limit. Callers
	// without a tenant have none.
	TenantPermits int
	// TenantWaiting is how many calls of one tenant may wait at once. Zero is no limit but MaxWaiting.
	TenantWaiting int
	// SlowAfter, above zero, says that calls with a label whose calls take longer than this in the mean are slow. All of
	// them together may hold SlowShare percent of the permits, one at least. They may have more while nobody else comes: when
	// nobody who is not slow waits, and none has come for as long as a slow call takes. Calls without a label are not slow.
	SlowAfter time.Duration
	// SlowShare is the percentage of the permits that slow calls may hold. Defaults to DefaultSlowShare.
	SlowShare int
}

// Validate reports everything that is wrong with l.
func (l Limits) Validate() error {
	var errs []error
	if l.Permits < 0 {
		errs = append(errs, fmt.Errorf("Permits is %d: must not be negative", l.Permits))
	}
	if l.Reserve < 0 {
		errs = append(errs, fmt.Errorf("Reserve is %d: must not be negative", l.Reserve))
	}
	if l.Reserve > 0 && l.Reserve >= l.Permits && l.Permits > 0 {
		errs = append(errs, fmt.Errorf("Reserve is %d of %d permits: it must leave one to the lower classes", l.Reserve, l.Permits))
	}
	if l.AgingShare == 1 {
		errs = append(errs, errors.New("AgingShare is 1: it would give every grant to the lowest class; want 2 or more, or -1 for strict priority"))
	}
	if l.MaxWaiting < 0 {
		errs = append(errs, fmt.Errorf("MaxWaiting is %d: must not be negative", l.MaxWaiting))
	}
	if l.MaxWait < 0 {
		errs = append(errs, fmt.Errorf("MaxWait is %s: must not be negative", l.MaxWait))
	}
	if err := l.TenantWeights.Validate(); err != nil {
		errs = append(errs, err)
	}
	if l.TenantPermits < 0 {
		errs = append(errs, fmt.Errorf("TenantPermits is %d: must not be negative", l.TenantPermits))
	}
	if l.TenantWaiting < 0 {
		errs = append(errs, fmt.Errorf("TenantWaiting is %d: must not be negative", l.TenantWaiting))
	}
	if l.SlowAfter < 0 {
		errs = append(errs, fmt.Errorf("SlowAfter is %s: must not be negative", l.SlowAfter))
	}
	if l.SlowShare < 0 || l.SlowShare > 100 {
		errs = append(errs, fmt.Errorf("SlowShare is %d: want a percentage", l.SlowShare))
	}
	if !l.Shedding.Valid() {
		errs = append(errs, fmt.Errorf("Shedding is %d: want ShedOff, ShedDryRun or ShedOn", l.Shedding))
	}
	return errors.Join(errs...)
}

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
	permits int // how many may be out at present: those of limits, or none while it is suspended
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

func (l Limits) withDefaults() Limits {
	if l.AgingShare == 0 {
		l.AgingShare = DefaultAgingShare
	}
	return l
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
	s.arm()
}

// Grow adds delta, which may be negative, to the limit. The owner calls Next afterwards.
func (s *Scheduler) Grow(delta int) {
	s.limits.Permits += delta
	s.arrange()
	if delta > 0 {
		s.refresh()
	}
}

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
	return rank == 0 || s.limits.Reserve == 0 || s.lower < max(1, s.limits.Permits-s.limits.Reserve)
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

// Enqueue puts w, just made, into the queue, and reports whether it did; if not, its caller is to be told w's refusal. If
// the queue is full, somebody of a lower class is turned away, into b; if there is none, w is not queued.
func (s *Scheduler) Enqueue(w *Waiter, b *Batch) bool {
	rank := w.class.rank()
	if s.shed != nil {
		s.observe(rank, w.since)
		s.shed.vigils[rank].came++
		s.sweep(w.since, b)
		if s.tooLate(w, w.since) {
			return s.reject(w, TooLate)
		}
	}
	if most := s.limits.TenantWaiting; most > 0 && w.tenant != "" && s.tenantWaiting(w.tenant) >= most {
		return s.reject(w, TenantFull)
	}
	if s.limits.MaxWaiting > 0 && s.waiting >= s.limits.MaxWaiting && !s.evictBelow(rank, b) {
		return s.reject(w, QueueFull)
	}
	s.classify(w)
	s.join(w)
	s.arrive(w)
	return true
}

// classify notes whether w is slow.
func (s *Scheduler) classify(w *Waiter) {
	if s.isSlow(w.label) {
		w.traits |= slowly
	}
}

// tenantWaiting returns how many of tenant's calls wait.
func (s *Scheduler) tenantWaiting(tenant string) int {
	t := s.flowOf(tenant)
	n := t.waiting
	if !t.listed {
		s.idle(t)
	}
	return n
}

// reject turns away w, which is not queued.
func (s *Scheduler) reject(w *Waiter, reason Reason) bool {
	w.state, w.reason, w.value, w.depth, w.retry = refused, reason, nil, int32(s.waiting), s.comeBack()
	s.classes[w.class.rank()].refused[reason]++
	return false
}

// EnqueueFront puts w before everybody of its class, however full the queue: for a caller who had a permit already and
// lost what it stood for.
func (s *Scheduler) EnqueueFront(w *Waiter) {
	s.classify(w)
	s.joinFront(w)
	s.arrive(w)
}

// evictBelow turns away one waiter of the lowest class that waits, if that is below rank, or else the oldest of this rank if
// the newest goes first there.
func (s *Scheduler) evictBelow(rank int, b *Batch) bool {
	for low := NumClasses - 1; low > rank; low-- {
		if c := &s.classes[low]; c.waiting > 0 {
			s.refuse(s.victim(c), Evicted, nil, b)
			return true
		}
	}
	if s.classes[rank].newestFirst && s.shed.vigils[rank].oldest != nil {
		s.refuse(s.shed.vigils[rank].oldest, Evicted, nil, b)
		return true
	}
	return false
}

// arrive enters w in the order of arrival. It is the newest, but for one that waits a second time and keeps its first
// time.
func (s *Scheduler) arrive(w *Waiter) {
	w.state = queued
	s.waiting++
	after := s.cameBefore(w.since)
	if after == nil {
		w.newer, s.oldest = s.oldest, w
	} else {
		w.newer, after.newer = after.newer, w
	}
	w.older = after
	if w.newer == nil {
		s.newest = w
	} else {
		w.newer.older = w
	}
	if s.shed != nil {
		s.shed.vigils[w.class.rank()].arrive(w)
	}
	s.arm()
}

// cameBefore returns the last waiter that came no later than since, nil if there is none. It looks from both ends: a
// newcomer belongs at the one, and who waits a second time, having been granted a permit before, near the other.
func (s *Scheduler) cameBefore(since mono.Time) *Waiter {
	late, early := s.newest, s.oldest
	for late != nil && late.since > since {
		if early.since > since {
			return early.older
		}
		late, early = late.older, early.newer
	}
	return late
}

// depart takes w, which is off its line, out of the order of arrival.
func (s *Scheduler) depart(w *Waiter) {
	if w.older == nil {
		s.oldest = w.newer
	} else {
		w.older.newer = w.newer
	}
	if w.newer == nil {
		s.newest = w.older
	} else {
		w.newer.older = w.older
	}
	w.older, w.newer = nil, nil
	s.waiting--
	if s.shed != nil {
		v := &s.shed.vigils[w.class.rank()]
		v.depart(w)
		if v.overloaded && v.oldest == nil {
			s.arm() // for the end of it, if nobody comes any more
		}
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
				s.arm() // for the slow ones, if it is they who wait: when they may go has moved with each quick one
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

// Leave takes w off the queue because its context has ended, for reason. It returns false if w had been granted or
// refused before: then the wake-up has been sent or is about to be, and the caller receives it with Settle.
func (s *Scheduler) Leave(w *Waiter, reason Reason) bool {
	if w.state != queued {
		return false
	}
	c := w.line.lane.class
	s.part(w)
	w.depth = int32(s.waiting)
	s.depart(w)
	w.state, w.reason = left, reason
	c.refused[reason]++
	return true
}

// Settle waits for the wake-up of a waiter that Leave found decided already. It does not wait long: whoever decided is
// past its unlock, or about to unlock. It must not be called with the owner's lock held.
func (w *Waiter) Settle() { <-w.wake }

// refuse turns away w, which is queued, and adds it to b.
func (s *Scheduler) refuse(w *Waiter, reason Reason, cause error, b *Batch) {
	c := w.line.lane.class
	s.part(w)
	w.depth = int32(s.waiting)
	s.depart(w)
	w.state, w.reason, w.value = refused, reason, nil
	if cause != nil {
		w.value = cause
	}
	if reason == Shed || reason == TooLate || reason == Evicted {
		w.retry = s.comeBack()
	}
	c.refused[reason]++
	b.Add(w)
}

// Refuse turns away w, into b, and reports whether it did: not if w was granted, refused or gone before.
func (s *Scheduler) Refuse(w *Waiter, reason Reason, cause error, b *Batch) bool {
	if w.state != queued {
		return false
	}
	s.refuse(w, reason, cause, b)
	return true
}

// RefuseAll turns away everybody who waits, or, if sparePatient is set, those who did not ask to be tried again.
func (s *Scheduler) RefuseAll(reason Reason, cause error, sparePatient bool, b *Batch) {
	for w := s.oldest; w != nil; {
		newer := w.newer
		if !sparePatient || w.traits&patient == 0 {
			s.refuse(w, reason, cause, b)
		}
		w = newer
	}
}

// Expire turns away everybody who has waited for MaxWait, and sets the alarm for the next.
func (s *Scheduler) Expire(now Time, b *Batch) {
	s.alarmAt = 0
	if s.limits.MaxWait > 0 {
		for w := s.oldest; w != nil && now.Sub(w.since) >= s.limits.MaxWait; w = s.oldest {
			s.refuse(w, Timeout, nil, b)
		}
	}
	s.calm(now)
	s.arm()
}

// arm sees to it that the alarm rings no later than the oldest waiter expires. One timer serves them all: a timer a
// waiter would double what a waiter costs, and they expire in the order they came. It may ring early, for one that has
// left since; then it is set anew, which is cheaper than setting it whenever the queue's head changes.
func (s *Scheduler) arm() {
	at := s.alarmDue()
	if at == 0 || s.alarmAt != 0 && s.alarmAt <= at {
		return
	}
	s.alarmAt = at
	wait := max(0, at.Sub(mono.Now()))
	if s.alarm == nil {
		s.alarm = time.AfterFunc(wait, s.ring)
		return
	}
	s.alarm.Reset(wait)
}

// alarmDue returns when the alarm is to ring: when the oldest waiter expires, when slow calls may have more than their
// share, or when overload has to be over, whichever is first; 0 is never.
func (s *Scheduler) alarmDue() mono.Time {
	at := s.calmAt()
	if s.oldest == nil {
		return at
	}
	if s.limits.MaxWait > 0 {
		if due := s.oldest.since.Add(s.limits.MaxWait); at == 0 || due < at {
			at = due
		}
	}
	if s.limits.SlowAfter > 0 && s.quickAt != 0 && s.slowWaits() {
		if due := s.slowAt(); (at == 0 || due < at) && due > mono.Now() {
			at = due
		}
	}
	return at
}

// Stop ends the alarm. Waiters that are left do not expire any more.
func (s *Scheduler) Stop() {
	if s.alarm != nil {
		s.alarm.Stop()
	}
}
