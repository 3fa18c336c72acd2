package lifecycle

import (
	"errors"
	"fmt"
	"strings"
)

// A DrainError says that a drain ended before the last resource came back. The pool stays shut to new work, and each
// resource is closed when its holder releases it.
type DrainError struct {
	Pool string
	// Stragglers are those who still held a resource when the drain's context ended, longest first.
	Stragglers []Holder
	// Interrupted is how many of them were interrupted, and Left how many resources were held still when the drain
	// returned: fewer than there are stragglers only if these were interrupted.
	Interrupted, Left int
	// Err is why the drain ended: the context's error or its cause.
	Err error
}

// Error names the stragglers.
func (e *DrainError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "poolsql: pool %q: drain ended with %d still held", e.Pool, len(e.Stragglers))
	listHolders(&s, e.Stragglers)
	fmt.Fprintf(&s, ": %v", e.Err)
	if e.Interrupted > 0 {
		fmt.Fprintf(&s, "; %d were interrupted, %d are held still", e.Interrupted, e.Left)
	}
	return s.String()
}

// Unwrap returns Err.
func (e *DrainError) Unwrap() error { return e.Err }

// errResumed says why a pool did not become quiet.
var errResumed = errors.New("the pool was resumed")

// A QuiesceError says that a pool did not become quiet. Unless it was resumed or shut meanwhile, which Err says, it stays
// suspended.
type QuiesceError struct {
	Pool string
	// Stragglers are those who still hold a resource, longest first.
	Stragglers []Holder
	// Err is why: the context's error or its cause, [ErrClosed], or that the pool was resumed.
	Err error
}

// Error names the stragglers.
func (e *QuiesceError) Error() string {
	var s strings.Builder
	fmt.Fprintf(&s, "poolsql: pool %q: not quiet", e.Pool)
	if len(e.Stragglers) > 0 {
		fmt.Fprintf(&s, ", %d still held", len(e.Stragglers))
		listHolders(&s, e.Stragglers)
	}
	fmt.Fprintf(&s, ": %v", e.Err)
	return s.String()
}

// Unwrap returns Err.
func (e *QuiesceError) Unwrap() error { return e.Err }
