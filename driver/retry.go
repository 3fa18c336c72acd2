package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

const (
	// retryBase and retryCap are the bounds of the pause before a retry: it doubles from one to the other, and a random
	// part of it is waited ("full jitter", as Amazon's builders' library has it), so that those who failed together do not
	// come back together.
	retryBase = 10 * time.Millisecond
	retryCap  = time.Second
)

// A RetryError says that a statement whose caller had declared it repeatable failed for good, and how often it was tried.
//
// [errors.Is] and [errors.As] find in it what the last try said, and the first, and, if the caller's context ended
// between two tries, the context's error and its cause. What one try says of itself, that it was not sent say, says
// nothing of the others: SafeToRetry does.
type RetryError struct {
	// Tries is how often the statement was tried, Took for how long, waiting included.
	Tries int
	Took  time.Duration
	// Why says why there was no further try, if tries were left.
	Why string
	// First is what the first try said. Err is what the last did or, if no connection could be had for it, why not. If
	// there was one try and no more was begun, they are the same.
	First, Err error

	unsent bool    // no try was sent
	ended  []error // what the caller's context says, if that ended between two tries
}

// Error tells what the last try said.
func (e *RetryError) Error() string {
	s := fmt.Sprintf("poolsql: tried %d times in %s", e.Tries, round(e.Took))
	if e.Tries == 1 {
		s = "poolsql: tried once"
	}
	if e.Why != "" {
		s += " and not again, because " + e.Why
	}
	s += fmt.Sprintf(": %v", e.Err)
	if e.Tries > 1 || e.Err != e.First { //nolint:errorlint // the very same, if it was the only one
		s += fmt.Sprintf(" (at first: %v)", e.First)
	}
	return s
}

// Unwrap returns what the last try said, the first, and what ended the pause before another.
func (e *RetryError) Unwrap() []error { return append([]error{e.Err, e.First}, e.ended...) }

// SafeToRetry reports whether none of the tries was sent, as pgconn has it.
func (e *RetryError) SafeToRetry() bool { return e.unsent }

// attempt is the state of an operation's retries. The zero value is that of one that has none.
type attempt struct {
	tries int // that failed, and were followed or to be followed by another
	began mono.Time
	first error
	sent  bool        // one of them was
	given *RetryError // why there was no other
	late  string      // what ended during the last one, "" if nothing did
}

// repeat runs f again as often as it may and has to. When it returns without a connection, the operation is over.
func (s *Session) repeat(
	ctx, limited context.Context, call Call, o *priority.Options, f work, a *attempt, open bool, err error,
) (bool, error) {
	s.opts.Retries.earn()
	for err != nil && s.conn != nil && s.mayRepeat(limited, err) {
		end(&s.cancel)
		if err = s.again(ctx, o, call, a, err); err != nil {
			return false, err
		}
		limited, open, err = s.once(ctx, call, o, f)
	}
	if err != nil && s.conn != nil { // else the limit of the last try was taken off before it was known that there is no other
		a.late = whatEnded(ctx, limited)
	}
	return open, err
}

// whatEnded says in words which context of a statement has ended, "" if none has.
func whatEnded(ctx, limited context.Context) string {
	switch {
	case limited.Err() == nil:
		return ""
	case errors.Is(ctx.Err(), context.Canceled):
		return "its caller's context was canceled"
	case ctx.Err() != nil:
		return "its deadline came"
	default:
		return context.Cause(limited).Error()
	}
}

// mayRepeat reports whether the operation that failed with err, and that its caller declared repeatable, may run again,
// on another connection or later: nothing else runs or ran in its session's present binding, and another try may fare
// better.
func (s *Session) mayRepeat(limited context.Context, err error) bool {
	if s.inTx || s.ops > 1 || s.unread > 0 || limited.Err() != nil {
		return false
	}
	c := s.conn
	if c.pg == nil {
		return neverRan(err)
	}
	if c.guard.killed() != nil {
		return neverRan(err) // else it is out of time, or the pool is being closed
	}
	switch code := sqlState(err); code {
	case codeTooManyConnections, codeSerializationFailure, codeDeadlockDetected:
		return true
	case codeReadOnly:
		return c.onStandby()
	case "":
		return c.closed()
	default:
		return strings.HasPrefix(code, classConnection) && code != codeProtocolViolation || c.endedBy(code)
	}
}

// again makes ready for one more try of the operation that failed with err, on whatever connection comes next: this one
// may be of no use, and nobody should hold one while he pauses. It returns nil when the session is bound again, and else
// what the last try said, or why there was no connection; the session is unbound then.
func (s *Session) again(ctx context.Context, o *priority.Options, call Call, a *attempt, err error) error {
	opts := s.opts
	ran := !neverRan(err)
	if a.tries++; a.tries == 1 {
		a.first, a.began = err, s.began
	}
	a.sent = a.sent || ran
	pause := rand.N(min(retryBase<<min(a.tries-1, 16), retryCap))
	s.finish(ctx, s.began, -1, err)
	if ran && s.router != nil {
		s.noteWrite(o, call)
	}
	s.unbind()
	switch deadline, ok := ctx.Deadline(); {
	case a.tries > o.Retries:
		return a.giveUp("", err)
	case ok && time.Until(deadline) <= pause:
		return a.giveUp("its deadline leaves no time", err)
	case ran && !opts.Retries.spend(): // what did not run was no load
		return a.giveUp("the pool's retry budget is used up: too much has failed lately for retries to help", err)
	}
	if opts.Observers.Wants(lifecycle.KindRetry) {
		opts.Observers.Observe(lifecycle.Event{
			Kind: lifecycle.KindRetry, Pool: opts.Pool, Context: ctx, Class: o.Class, Label: o.Label, Tenant: o.Tenant, User: o.User,
			Duration: pause, Count: a.tries + 1, Code: codeOf(err),
		})
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		err = a.giveUp("its caller's context ended", err)
		a.given.ended = []error{ctx.Err()}
		if cause := causeOf(ctx); cause != nil {
			a.given.ended = append(a.given.ended, cause)
		}
		return err
	}
	if bindErr := s.bind(ctx, o, call); bindErr != nil {
		return a.giveUp("no connection could be had", bindErr)
	}
	s.begin()
	return nil
}

// giveUp notes that there is no further try, and returns err.
func (a *attempt) giveUp(why string, err error) error {
	a.given = &RetryError{Tries: a.tries, Why: why, unsent: !a.sent}
	return err
}

// told returns what the caller shall see of an operation that ended with err.
func (a *attempt) told(o *priority.Options, err error) error {
	if err == nil || a.tries == 0 {
		return err
	}
	e := a.given
	if e == nil { // the last try ended with what is no reason for another
		e = &RetryError{Tries: a.tries + 1, unsent: !a.sent && neverRan(err)}
		switch {
		case e.Tries > o.Retries:
		case a.late != "":
			e.Why = a.late + " during the last try"
		default:
			e.Why = "what the last try met is no reason for another"
		}
	}
	e.Took, e.First, e.Err = mono.Since(a.began), a.first, err
	return e
}
