package priority

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/poolsql/poolsql/internal/mono"
)

// A Semaphore hands out permits by class, tenant and arrival, as the package comment tells. Safe for concurrent use.
type Semaphore struct {
	// mu guards what follows. It is held for a few dozen instructions at a time, whatever the length of the queue, but
	// for turning many waiters away at once: by Clear, by Close, or because they expired or are gone.
	mu     sync.Mutex
	sched  Scheduler
	closed bool
}

// NewSemaphore returns a semaphore with the given limits. It fails if these contradict each other.
func NewSemaphore(l Limits) (*Semaphore, error) {
	if err := l.Validate(); err != nil {
		return nil, fmt.Errorf("priority: %w", err)
	}
	s := &Semaphore{}
	s.sched.Init(l, s.expire)
	return s, nil
}

// A Permit is the right to be one of those that a Semaphore admits. The zero value is no permit. It belongs to one
// goroutine at a time and must not be copied once it is held.
type Permit struct {
	sem   *Semaphore
	class Class
	notes *notes // nil where nobody wants to know how long it is out
}

// A notes is what is noted of a permit that is out.
type notes struct {
	label, statement string
	use              Use
}

// Class returns the class that the permit was given to.
func (p *Permit) Class() Class { return p.class }

// Release gives the permit back, to whoever should be next. Releasing a second time does nothing.
func (p *Permit) Release() {
	s := p.sem
	if s == nil {
		return
	}
	p.sem = nil
	s.mu.Lock()
	if s.sched.Held(p.class) == 0 {
		s.mu.Unlock() // whoever recovers from the panic can use the semaphore still
		panic("priority: a permit was copied, and released more than once")
	}
	s.sched.Release(p.class)
	if n := p.notes; n != nil {
		s.sched.Reckon(n.use, n.label, n.statement, max(0, mono.Since(n.use.began)))
	}
	s.dispatchAndUnlock()
}

// admitLocked takes a permit for a call if one is free for it.
func (s *Semaphore) admitLocked(o *Options) (Permit, bool) {
	if s.sched.costs != nil {
		return s.admitNoted(o)
	}
	if s.closed || !s.sched.TryAdmit(o.Class) {
		return Permit{}, false
	}
	return Permit{sem: s, class: o.Class}, true
}

// admitNoted is admitLocked where the scheduler wants to know how long the permit is out.
func (s *Semaphore) admitNoted(o *Options) (Permit, bool) {
	now := mono.Now()
	var use Use
	if s.closed || !s.sched.Admit(o, now, &use) {
		return Permit{}, false
	}
	use.began = now
	return Permit{sem: s, class: o.Class, notes: &notes{o.Label, o.Statement, use}}, true
}

// Acquire returns a permit for the class and tenant that ctx carries, at once if one is free for it, else when its turn
// comes. It fails with a [*RefusedError] when ctx ends first, when the longest wait has passed, when the queue is full,
// or when Clear or Close turned it away; nothing is held then.
func (s *Semaphore) Acquire(ctx context.Context) (Permit, error) {
	o, _ := FromContext(ctx)
	if ctx.Err() != nil {
		reason, cause := ReasonOf(ctx)
		return Permit{}, s.turnAway(&o, reason, cause)
	}
	s.mu.Lock()
	if p, ok := s.admitLocked(&o); ok {
		s.mu.Unlock()
		return p, nil
	}
	s.mu.Unlock()
	return s.wait(ctx, &o)
}

// TryAcquire returns a permit for the class that ctx carries if one is free for it, and whether it did. A context that
// has ended gets none.
func (s *Semaphore) TryAcquire(ctx context.Context) (Permit, bool) {
	if ctx.Err() != nil {
		return Permit{}, false
	}
	o, _ := FromContext(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.admitLocked(&o)
}

// wait is Acquire for a caller who may have to wait.
func (s *Semaphore) wait(ctx context.Context, o *Options) (Permit, error) {
	w := NewWaiter(ctx, o, mono.Now())
	defer w.Free()
	var b Batch
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return Permit{}, s.turnAway(o, Closed, nil)
	}
	if p, ok := s.admitLocked(o); ok { // freed between the unlock and the lock
		s.mu.Unlock()
		return p, nil
	}
	ok := s.sched.Enqueue(w, &b)
	s.mu.Unlock()
	b.Wake()
	if !ok {
		return Permit{}, s.describe(w.Refusal(ctx, o))
	}
	if !w.Wait(ctx) {
		return Permit{}, s.leave(ctx, w, o)
	}
	if !w.Granted() {
		return Permit{}, s.describe(w.Refusal(ctx, o))
	}
	p := Permit{sem: s, class: o.Class}
	if w.use.began != 0 {
		p.notes = &notes{o.Label, o.Statement, w.use}
	}
	return p, nil
}

// leave takes w out of the queue because ctx ended. A permit that came in the same instant goes to the next.
func (s *Semaphore) leave(ctx context.Context, w *Waiter, o *Options) error {
	reason, _ := ReasonOf(ctx)
	s.mu.Lock()
	ok := s.sched.Leave(w, reason)
	s.mu.Unlock()
	if !ok {
		w.Settle()
		if w.Granted() {
			s.mu.Lock()
			s.sched.Release(o.Class)
			s.sched.Reckon(w.use, o.Label, o.Statement, -1)
			s.sched.CountRefusal(o.Class, reason)
			s.dispatchAndUnlock()
		}
	}
	return s.describe(w.Refusal(ctx, o))
}

// turnAway counts and describes a refusal that needed no waiting.
func (s *Semaphore) turnAway(o *Options, reason Reason, cause error) error {
	s.mu.Lock()
	s.sched.CountRefusal(o.Class, reason)
	depth := s.sched.Waiting()
	s.mu.Unlock()
	return s.describe(&RefusedError{
		Reason: reason, Class: o.Class, Tenant: o.Tenant, Label: o.Label, Depth: depth, Cause: cause,
	})
}

// describe completes e with the semaphore's numbers.
func (s *Semaphore) describe(e *RefusedError) error {
	s.mu.Lock()
	e.Limit, e.InUse = s.sched.Limits().Permits, s.sched.Out()
	s.mu.Unlock()
	return e
}

// dispatchAndUnlock grants what is free to those who may have it, and wakes them after the unlock.
func (s *Semaphore) dispatchAndUnlock() {
	var b Batch
	s.dispatchLocked(&b)
	s.mu.Unlock()
	b.Wake()
}

func (s *Semaphore) dispatchLocked(b *Batch) {
	if s.sched.Waiting() == 0 {
		return
	}
	now := mono.Now()
	for w := s.sched.Next(now, b); w != nil; w = s.sched.Next(now, b) {
		b.Add(w)
	}
}

func (s *Semaphore) expire() {
	var b Batch
	s.mu.Lock()
	s.sched.Expire(mono.Now(), &b)
	s.dispatchLocked(&b)
	s.mu.Unlock()
	b.Wake()
}

// Limits returns the numbers in force.
func (s *Semaphore) Limits() Limits {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sched.Limits()
}

// SetLimits changes the numbers while the semaphore is in use. Permits that are out above a lowered limit stay out until
// they are released. It fails, and changes nothing, if the numbers contradict each other.
func (s *Semaphore) SetLimits(l Limits) error {
	if err := l.Validate(); err != nil {
		return fmt.Errorf("priority: %w", err)
	}
	s.mu.Lock()
	s.sched.SetLimits(l)
	s.dispatchAndUnlock()
	return nil
}

// Stats returns the numbers of the instant.
func (s *Semaphore) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.sched.Stats()
}

// Clear turns away everybody who waits now, with an error that tells reason and matches [ErrCleared], and returns how
// many they were. Permits that are out stay out.
func (s *Semaphore) Clear(reason string) int {
	var cause error
	if reason != "" {
		cause = errors.New(reason)
	}
	var b Batch
	s.mu.Lock()
	n := s.sched.Waiting()
	s.sched.RefuseAll(Cleared, cause, false, &b)
	s.mu.Unlock()
	b.Wake()
	return n
}

// Close turns away everybody who waits, and everybody who comes from now on, with an error that matches [ErrClosed].
// Permits that are out may be released as ever. Closing again does nothing.
func (s *Semaphore) Close() {
	var b Batch
	s.mu.Lock()
	s.closed = true
	s.sched.Stop()
	s.sched.RefuseAll(Closed, nil, false, &b)
	s.mu.Unlock()
	b.Wake()
}
