package pooldriver

import (
	"context"
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
// [errors.Is] and [errors.As] find in it what the last try said, and the first.
type RetryError struct {
	// Tries is how often the statement was tried, Took for how long, waiting included.
	Tries int
	Took  time.Duration
	// Why says why there was no further try, if tries were left.
	Why string
	// First is what the first try said, Err what the last did. If there was one try they are the same.
	First, Err error
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
	if e.Tries > 1 {
		s += fmt.Sprintf(" (at first: %v)", e.First)
	}
	return s
}

// Unwrap returns what the last try said, and the first.
func (e *RetryError) Unwrap() []error { return []error{e.Err, e.First} }

// attempt is the state of an operation's retries.
type attempt struct {
	tries int // made
	began mono.Time
	first error
}

// mayRepeat reports whether the operation that failed with err may be run again, on another connection or later: its
// caller said so, nothing else runs or ran in its session's present binding, and a second try may fare better.
func (s *Session) mayRepeat(limited context.Context, o *priority.Options, kind opKind, err error) bool {
	if o == nil || o.Retries <= 0 || kind == opRaw || s.inTx || s.ops > 1 || s.unread > 0 || limited.Err() != nil {
		return false
	}
	if s.conn.pg == nil {
		return neverRan(err)
	}
	if s.conn.guard.killed() != nil {
		return false // out of time, or the pool is being closed
	}
	switch code := sqlState(err); code {
	case codeAdminShutdown, codeCrashShutdown, codeCannotConnectNow, codeTooManyConnections,
		codeSerializationFailure, codeDeadlockDetected:
		return true
	case codeReadOnly:
		return s.conn.onStandby()
	default:
		return strings.HasPrefix(code, classConnection) || (code == "" && s.conn.closed())
	}
}

// again makes ready for one more try of the operation that failed with err, on whatever connection comes next: this one
// may be of no use, and nobody should hold one while he pauses. It returns nil when the session is bound again, and else
// the error that the caller shall see; the session is unbound then.
func (s *Session) again(ctx context.Context, o *priority.Options, text string, a *attempt, err error) error {
	opts := s.conn.opts
	if a.tries++; a.tries == 1 {
		a.first, a.began = err, s.began
	}
	pause := rand.N(min(retryBase<<min(a.tries-1, 16), retryCap))
	s.finish(s.began, err)
	s.unbind()
	switch deadline, ok := ctx.Deadline(); {
	case a.tries > o.Retries:
		return a.failed("", err)
	case !opts.Retries.spend():
		return a.failed("too much of what this pool was asked has failed lately for retries to help (the retry budget is used up)", err)
	case ok && time.Until(deadline) <= pause:
		return a.failed("its deadline leaves no time", err)
	}
	if opts.Observer != nil {
		opts.Observer.Observe(lifecycle.Event{
			Kind: lifecycle.KindRetry, Pool: opts.Pool, Class: o.Class, Label: o.Label, Tenant: o.Tenant,
			Duration: pause, Count: a.tries, Code: codeOf(err),
		})
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return a.failed("its caller's context ended", err)
	}
	if bindErr := s.bind(ctx, o, text); bindErr != nil {
		return a.failed("", bindErr)
	}
	s.begin()
	return nil
}

// failed returns the error of the last try.
func (a *attempt) failed(why string, err error) error {
	return &RetryError{Tries: a.tries, Took: mono.Since(a.began), Why: why, First: a.first, Err: err}
}
