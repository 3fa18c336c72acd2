package priority

import (
	"context"
	"sync"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// waiterState is where a waiter is. It only moves forward, and only under the owner's lock.
type waiterState uint8

const (
	created waiterState = iota
	queued              // in a line; may still leave by itself
	granted             // a permit is out in its name
	refused             // turned away; reason and cause say why
	left                // its context ended and it took itself off the queue
)

// traits are what a waiter's options say of it, in one byte.
type traits uint8

const (
	patient    traits = 1 << iota // waits for what cannot be had at present
	particular                    // has an affinity key or an owner
	noted                         // counted as one who would have been turned away
	slowly                        // its label is of those that take long
)

// A Waiter is one caller's place in a [Scheduler]'s queue. Waiters are recycled: its caller gives it back with Free,
// and forgets it.
type Waiter struct {
	// Guarded by the owner's lock as long as state is created or queued. Whoever moves it on from there writes what
	// follows for the last time, and sends on wake after the unlock; the caller reads it only after it received
	// from wake.
	//
	// This and the times below fill 64 bytes and are all that joining and leaving a queue touch, of a waiter and of its
	// neighbors: among a million waiters each further cache line would be one more trip to memory.

	state        waiterState
	reason       Reason
	class        Class  // fixed from NewWaiter on
	traits       traits // fixed from NewWaiter on
	depth        int32  // how many waited when it was turned away
	line         *line
	next, prev   *Waiter // its neighbors in the line; once off the queue, next chains a Batch
	older, newer *Waiter // its neighbors in the order of arrival

	// Fixed from NewWaiter on.

	since  mono.Time       // when it came
	ends   mono.Time       // the context's deadline; 0 is never
	done   <-chan struct{} // the context's; polled under the owner's lock, never waited for there
	wake   chan struct{}   // buffer of one, so that the sender never blocks
	tenant string
	kind   string

	// As the first.

	use           Use           // of the permit that it was granted
	value         any           // what comes along with a permit, or, when it was turned away, the error that is the cause
	retry         time.Duration // when to come again, for one that was turned away; 0 is not known
	elder, junior *Waiter       // its neighbors in the order of arrival of its class, where there is shedding
}

var waiters = sync.Pool{New: func() any { return newWaiter() }}

func newWaiter() *Waiter { return &Waiter{wake: make(chan struct{}, 1)} }

// bubbled reports whether t was read inside a bubble of testing/synctest. A channel made there may not be used anywhere
// else, or the runtime ends the program, so that the waiters of a bubble are not recycled. A bubble's clock starts at the
// beginning of the year 2000, which is long before any process did that runs this.
func bubbled(t mono.Time) bool { return t < 0 }

// NewWaiter returns a place to stand for a caller with options o whose wait ctx bounds. since is when it came: a
// caller that has to wait a second time keeps its first time. It calls ctx, and so must not be called with a lock held.
func NewWaiter(ctx context.Context, o *Options, since Time) *Waiter {
	var w *Waiter
	if bubbled(since) {
		w = newWaiter()
	} else {
		w = waiters.Get().(*Waiter)
	}
	w.class = o.Class
	if o.Retries > 0 {
		w.traits |= patient
	}
	if o.Particular() {
		w.traits |= particular
	}
	w.tenant, w.kind = o.Tenant, o.kind()
	w.done = ctx.Done()
	w.since = since
	if deadline, ok := ctx.Deadline(); ok {
		w.ends = mono.Now().Add(time.Until(deadline))
	}
	return w
}

// Free gives w back for others to use. Only its caller may call it, once, when w is off the queue and its wake-up, if
// one was due, has been received: after Wait returned true, after Leave returned, or when it was never queued.
func (w *Waiter) Free() {
	if bubbled(w.since) {
		return
	}
	wake := w.wake
	*w = Waiter{wake: wake}
	waiters.Put(w)
}

// Wait blocks until w's owner has decided, and then returns true, or until ctx ended, and then returns false. After
// false the caller must call the owner's way to [Scheduler.Leave]: the decision may have come in the meantime.
func (w *Waiter) Wait(ctx context.Context) bool {
	if w.done == nil {
		<-w.wake
		return true
	}
	select {
	case <-w.wake:
		return true
	case <-ctx.Done():
		return false
	}
}

// Granted reports whether w was granted a permit, as opposed to turned away. It may be asked after Wait returned true.
func (w *Waiter) Granted() bool { return w.state == granted }

// Class returns the class of w's caller.
func (w *Waiter) Class() Class { return w.class }

// Particular is [Options.Particular] of w's caller, whose options need not be read for it.
func (w *Waiter) Particular() bool { return w.traits&particular != 0 }

// Since returns when w's caller came.
func (w *Waiter) Since() Time { return w.since }

// SetValue gives w's caller something along with its permit. The owner calls it before it unlocks. What was set before is
// gone when w is turned away.
func (w *Waiter) SetValue(v any) { w.value = v }

// Value returns what SetValue gave. It may be asked when Granted is true.
func (w *Waiter) Value() any { return w.value }

// Refusal returns why w, whose caller has options o and context ctx, was turned away or left, for its owner to complete
// with what it knows. It may be asked when w is off the queue. Where the context has ended, that is the reason.
func (w *Waiter) Refusal(ctx context.Context, o *Options) *RefusedError {
	e := &RefusedError{
		Reason: w.reason, Class: o.Class, Tenant: o.Tenant, Label: o.Label,
		Waited: mono.Since(w.since), Depth: int(w.depth), RetryAfter: w.retry,
	}
	if w.state == refused {
		e.Cause, _ = w.value.(error)
	}
	if ctx.Err() != nil && (w.state == granted || w.state == left || w.reason == Canceled || w.reason == Deadline) {
		e.Reason, e.Cause = ReasonOf(ctx)
	}
	return e
}

// gone reports whether w's caller cannot use a permit any more.
func (w *Waiter) gone(now mono.Time) (Reason, bool) {
	if w.ends != 0 && w.ends <= now {
		return Deadline, true
	}
	select {
	case <-w.done:
		if w.ends != 0 && w.ends <= mono.Now() { // it came between now and here
			return Deadline, true
		}
		return Canceled, true
	default:
		return None, false
	}
}

// A Batch collects waiters that were taken off the queue under the owner's lock, to be woken after its unlock.
// The zero value is empty. Used by one goroutine.
type Batch struct{ first, last *Waiter }

// Add puts w, which is off the queue, into the batch.
func (b *Batch) Add(w *Waiter) {
	if b.first == nil {
		b.first = w
	} else {
		b.last.next = w
	}
	b.last = w
}

// Wake wakes them all, in the order they were added. It must not be called with the owner's lock held: a woken caller
// wants that lock next.
func (b *Batch) Wake() {
	for w := b.first; w != nil; {
		next := w.next // w belongs to its caller from the send on
		w.next = nil
		w.wake <- struct{}{}
		w = next
	}
	b.first, b.last = nil, nil
}
