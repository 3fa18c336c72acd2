package lifecycle

import (
	"errors"
	"fmt"
	"strings"

	"github.com/poolsql/poolsql/priority"
)

// ErrClosed is matched by what a pool that was closed, or is being drained, answers.
var ErrClosed = priority.ErrClosed

// errDraining is the cause of a refusal while a pool drains.
var errDraining = errors.New("the pool is being drained")

// errSuspended says why something has to wait.
var errSuspended = errors.New("the pool is suspended")

// An AcquireError says that a caller got no resource: by which rule, how long it waited, and who was in its way. What it
// wanted to do has not begun.
//
// [errors.Is] and [errors.As] find in it what they find in its [*priority.RefusedError], and LastFailure.
type AcquireError struct {
	// Pool is the pool's name.
	Pool string
	// Refused tells the rule, the class, the wait and the depth of the queue.
	Refused *priority.RefusedError
	// Suspended says that the pool was suspended, and served nobody.
	Suspended bool
	// Open, Opening and Max are how many resources there were, how many were being created, and how many there may be.
	Open, Opening, Max int
	// Holders are those who held resources, longest first, at most eight of them; MoreHolders counts the others.
	Holders     []Holder
	MoreHolders int
	// LastFailure is why resources cannot be created at present, if so and if that is not the cause of the refusal.
	LastFailure error
}

// Error tells what happened, to whom, and who was in the way.
func (e *AcquireError) Error() string {
	var s strings.Builder
	s.WriteString("poolsql: ")
	if e.Pool != "" {
		fmt.Fprintf(&s, "pool %q: ", e.Pool)
	}
	s.WriteString(e.Refused.Error())
	if e.Suspended {
		fmt.Fprintf(&s, "; %v", errSuspended)
	}
	if e.Refused.Reason != priority.Closed {
		fmt.Fprintf(&s, "; %d open and %d opening of at most %d", e.Open, e.Opening, e.Max)
	}
	if len(e.Holders) > 0 {
		s.WriteString("; held by ")
		for i, h := range e.Holders {
			if i > 0 {
				s.WriteString(", ")
			}
			s.WriteString(h.String())
		}
		if e.MoreHolders > 0 {
			fmt.Fprintf(&s, " and %d more", e.MoreHolders)
		}
	}
	if e.LastFailure != nil {
		fmt.Fprintf(&s, "; no more can be opened: %v", e.LastFailure)
	}
	return s.String()
}

// Unwrap returns the refusal, and the failure if there is one.
func (e *AcquireError) Unwrap() []error {
	if e.LastFailure != nil {
		return []error{e.Refused, e.LastFailure}
	}
	return []error{e.Refused}
}

// Timeout reports whether time ran out, as net.Error has it.
func (e *AcquireError) Timeout() bool { return e.Refused.Timeout() }

// A CreateError says that a resource could not be created. [errors.Is] and [errors.As] find Err in it.
type CreateError struct {
	// Failures is how many attempts in a row have failed.
	Failures int
	// Err is what the last of them said.
	Err error
}

// Error tells why, and whether it is the first time.
func (e *CreateError) Error() string {
	if e.Failures > 1 {
		return fmt.Sprintf("cannot open (%d failures in a row): %v", e.Failures, e.Err)
	}
	return fmt.Sprintf("cannot open: %v", e.Err)
}

// Unwrap returns Err.
func (e *CreateError) Unwrap() error { return e.Err }
