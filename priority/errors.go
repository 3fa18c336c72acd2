package priority

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Each refusal matches, by [errors.Is], the one of these that says why.
var (
	// ErrTimeout says that the longest wait that the configuration allows had passed.
	ErrTimeout = errors.New("acquire timeout")
	// ErrQueueFull says that as many callers waited as may wait.
	ErrQueueFull = errors.New("queue full")
	// ErrCleared says that somebody turned all waiting callers away.
	ErrCleared = errors.New("queue cleared")
	// ErrClosed says that no more permits are given.
	ErrClosed = errors.New("closed")
	// ErrUnavailable says that what the permits stand for cannot be had at present.
	ErrUnavailable = errors.New("unavailable")
	// ErrDeadlock says that the wait could not have ended: whatever could have served the caller is held by those who
	// wait themselves, the caller among them.
	ErrDeadlock = errors.New("deadlock")
	// ErrOverloaded says that more is asked for than can be served, and that waiting on would not have helped. The error
	// says when to come again: [RefusedError.RetryAfter].
	ErrOverloaded = errors.New("overloaded")
)

// A Reason is the rule by which a caller was turned away.
type Reason uint8

// The reasons. Every one but None has a counter in [ClassStats].
const (
	None        Reason = iota
	Timeout            // waited as long as the configuration allows
	Canceled           // its context was canceled
	Deadline           // its context's deadline passed
	QueueFull          // came when the queue was full of callers no lower than itself
	Evicted            // made room in a full queue for a higher class, or for a tenant with fewer callers
	Cleared            // turned away by Clear
	Closed             // turned away by Close, or came after it
	Unavailable        // what the permits stand for could not be had
	Deadlock           // everything is held by owners who wait themselves, its own among them
	Shed               // waited for too long in a queue that is overloaded
	TenantFull         // its tenant has as many calls waiting as it may
	TooLate            // what is left until its deadline is less than what a call like it takes
	numReasons
)

var reasonNames = [numReasons]string{
	"none", "timeout", "canceled", "deadline", "queue full", "evicted", "cleared", "closed", "unavailable",
	"deadlock", "shed", "tenant full", "too late",
}

// String returns the reason in words.
func (r Reason) String() string {
	if r < numReasons {
		return reasonNames[r]
	}
	return fmt.Sprintf("Reason(%d)", uint8(r))
}

// sentinel returns the error that refusals of this reason match, nil where the context's own error says it all.
func (r Reason) sentinel() error {
	switch r {
	case Timeout:
		return ErrTimeout
	case QueueFull, Evicted, TenantFull:
		return ErrQueueFull
	case Cleared:
		return ErrCleared
	case Closed:
		return ErrClosed
	case Unavailable:
		return ErrUnavailable
	case Deadlock:
		return ErrDeadlock
	case Shed, TooLate:
		return ErrOverloaded
	default:
		return nil
	}
}

// A RefusedError says that a caller got no permit, and why. Nothing of what it asked for has run.
//
// [errors.Is] finds in it the sentinel of its reason ([ErrTimeout], [ErrQueueFull], [ErrCleared], [ErrClosed],
// [ErrUnavailable], [ErrDeadlock], [ErrOverloaded]), the context's error and cause where the context ended, context.DeadlineExceeded for every kind of
// timeout, and Cause. It never matches driver.ErrBadConn: database/sql would make the caller queue three times.
type RefusedError struct {
	Reason Reason
	Class  Class
	Tenant string
	Label  string
	// Waited is how long the caller stood in the queue.
	Waited time.Duration
	// Depth is how many callers were waiting when this one was turned away, of all classes, itself included if it was.
	Depth int
	// Limit and InUse are the permits there are, and those that were out.
	Limit, InUse int
	// Capped says that it waited while its tenant held as many permits as it may ([Limits.TenantPermits]), and Slow that its label
	// is of the slow ones, which have a share of the permits only ([Limits.SlowAfter]): it may have waited although others were free.
	Capped, Slow bool
	// Cause is what lies behind the refusal, if anything: the context's cause, the reason given to Clear, or why the
	// thing that permits stand for could not be had.
	Cause error
	// RetryAfter is when it is worth while to come again, for one that was turned away because there was too much to do: by
	// Shed, TooLate, QueueFull, TenantFull or Evicted. It is a guess, of a minute and a half at most, and another one for each
	// caller, so that they do not all come at the same time. Zero is not known: without [Limits.Shedding], caps or tenants
	// nobody reckons what calls take.
	RetryAfter time.Duration
}

// Error tells what happened, to whom, and how long it waited.
func (e *RefusedError) Error() string {
	s := fmt.Sprintf("%s after waiting %s: class %s", e.what(), e.Waited.Round(time.Microsecond), e.Class)
	if e.Label != "" {
		s += fmt.Sprintf(", label %q", e.Label)
	}
	if e.Slow {
		s += " (one of the slow ones, which have a share only)"
	}
	if e.Tenant != "" {
		s += fmt.Sprintf(", tenant %q", e.Tenant)
	}
	if e.Capped {
		s += " (which holds as much as it may)"
	}
	s += fmt.Sprintf(", %d of %d in use, %d waiting", e.InUse, e.Limit, e.Depth)
	if e.RetryAfter > 0 {
		s += fmt.Sprintf(", come again in %s", e.RetryAfter.Round(time.Millisecond))
	}
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

func (e *RefusedError) what() string {
	switch e.Reason {
	case Timeout:
		return "acquire timeout"
	case Canceled:
		return "canceled by the caller"
	case Deadline:
		return "the caller's deadline passed"
	case QueueFull:
		return "refused, the queue is full"
	case TenantFull:
		return "refused, its tenant has as many waiting as it may"
	case Evicted:
		return "turned away for one who goes before it, the queue is full"
	case Cleared:
		return "turned away, the queue was cleared"
	case Closed:
		return "refused, closed"
	case Deadlock:
		return "refused, waiting would be a deadlock"
	case Shed:
		return "turned away, overloaded"
	case TooLate:
		return "refused, it could not have been done before the caller's deadline"
	default:
		return "refused, " + e.Reason.String()
	}
}

// Unwrap returns what [errors.Is] and [errors.As] shall find.
func (e *RefusedError) Unwrap() []error {
	var errs []error
	if s := e.Reason.sentinel(); s != nil {
		errs = append(errs, s)
	}
	switch e.Reason {
	case Timeout, Deadline:
		errs = append(errs, context.DeadlineExceeded)
	case Canceled:
		errs = append(errs, context.Canceled)
	}
	if e.Cause != nil {
		errs = append(errs, e.Cause)
	}
	return errs
}

// Timeout reports whether time ran out, as net.Error has it.
func (e *RefusedError) Timeout() bool { return e.Reason == Timeout || e.Reason == Deadline }

// ReasonOf tells how ctx, which has ended, ended: Canceled or Deadline, and its cause where that says more than the
// context's own error.
func ReasonOf(ctx context.Context) (Reason, error) {
	reason := Canceled
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		reason = Deadline
	}
	if cause := context.Cause(ctx); cause != ctx.Err() {
		return reason, cause
	}
	return reason, nil
}
