package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// A Limit is one of the times that may run out for a caller who has, or is opening, a connection. That he got none in time
// is a [*lifecycle.AcquireError].
type Limit uint8

// The limits.
const (
	LimitConnect           Limit = iota + 1 // Config.ConnectTimeout
	LimitStatement                          // Config.StatementTimeout, or the call's own
	LimitTransaction                        // Config.TransactionTimeout
	LimitIdleInTransaction                  // Config.IdleInTransactionTimeout
	LimitContext                            // the deadline of the caller's context
	LimitEnd                                // Config.EndTimeout, of a COMMIT, a ROLLBACK or a BEGIN
)

// Sentinels for what a [*TimeoutError] is about.
var (
	ErrConnectTimeout           = errors.New("connect timeout")
	ErrStatementTimeout         = errors.New("statement timeout")
	ErrTransactionTimeout       = errors.New("transaction timeout")
	ErrIdleInTransactionTimeout = errors.New("idle-in-transaction timeout")
	ErrEndTimeout               = errors.New("end timeout")
)

var limitErrors = [...]error{
	LimitConnect: ErrConnectTimeout, LimitStatement: ErrStatementTimeout, LimitTransaction: ErrTransactionTimeout,
	LimitIdleInTransaction: ErrIdleInTransactionTimeout, LimitContext: context.DeadlineExceeded, LimitEnd: ErrEndTimeout,
}

// String returns the limit's name, such as "statement timeout".
func (l Limit) String() string {
	switch {
	case l == LimitContext:
		return "context deadline"
	case int(l) < len(limitErrors) && l > 0:
		return limitErrors[l].Error()
	default:
		return fmt.Sprintf("Limit(%d)", uint8(l))
	}
}

// An Interruption says on which connection an operation was ended before it was done, and where its time went.
type Interruption struct {
	// Label is the caller's.
	Label string
	// Conn is the connection's id, PID the process that serves it on the server; 0 if there was none yet.
	Conn uint64
	PID  uint32
	// Waited is how long the caller waited for the connection, Ran how long the operation ran on it, or of a transaction's
	// limit, how long the transaction was open.
	Waited, Ran time.Duration
	// Closed reports that the connection was lost with it: the server did not answer in time, or has ended the session.
	Closed bool
	// Unsent reports that the statement was never sent, and so certainly did not run.
	Unsent bool
	// Err is what the server answered, a [*pgconn.PgError], nil if it did not; of a connection that could not be opened, how
	// far it got.
	Err error
}

func (i *Interruption) describe(s *strings.Builder) {
	if i.Label != "" {
		fmt.Fprintf(s, " of %q", i.Label)
	}
	if i.Ran > 0 {
		fmt.Fprintf(s, " after %s", round(i.Ran))
	}
	if i.Waited > 0 {
		fmt.Fprintf(s, ", beside %s of waiting for a connection", round(i.Waited))
	}
	if i.Conn == 0 {
		return
	}
	s.WriteString("; " + connection(i.Conn, i.PID))
	switch {
	case i.Closed && i.Err != nil:
		s.WriteString(" was ended by the server")
	case i.Closed && i.Unsent:
		s.WriteString(" is closed; the statement was not sent")
	case i.Closed:
		s.WriteString(" did not answer and was closed: whether the statement ran is unknown")
	case i.Unsent:
		s.WriteString(" lives on; the statement was not sent")
	default:
		s.WriteString(" lives on")
	}
}

// connection names a connection in an error, and the process that serves it, if that is known.
func connection(id uint64, pid uint32) string {
	if pid == 0 {
		return fmt.Sprintf("connection %d", id)
	}
	return fmt.Sprintf("connection %d (server process %d)", id, pid)
}

// round leaves three digits or so.
func round(d time.Duration) time.Duration {
	switch {
	case d > 10*time.Second:
		return d.Round(100 * time.Millisecond)
	case d > 100*time.Millisecond:
		return d.Round(time.Millisecond)
	default:
		return d.Round(time.Microsecond)
	}
}

// A TimeoutError says that a time ran out for an operation that had a connection, or for one that was being opened.
//
// [errors.Is] finds in it the limit's sentinel ([ErrStatementTimeout] and so on) and [context.DeadlineExceeded], which every
// kind of timeout matches, and [errors.As] what the server answered. If the server answered (Err), or if the statement was
// not sent (Unsent), it had no effect; what else the transaction did is as in any transaction whose statement failed. If
// neither, nobody knows.
type TimeoutError struct {
	// Limit is what ran out, After how long it was; After is 0 if the limit was a context's deadline.
	Limit Limit
	After time.Duration
	Interruption
	// Cause is the context's, if that was what ended and somebody gave one.
	Cause error
}

// Error tells which limit it was and where the time went.
func (e *TimeoutError) Error() string {
	var s strings.Builder
	s.WriteString("poolsql: ")
	s.WriteString(e.Limit.String())
	if e.After > 0 {
		fmt.Fprintf(&s, " of %s", round(e.After))
	}
	s.WriteString(" ran out")
	e.describe(&s)
	if e.Err != nil {
		fmt.Fprintf(&s, ": %v", e.Err)
	}
	return s.String()
}

// Unwrap returns the sentinel, context.DeadlineExceeded, and the causes.
func (e *TimeoutError) Unwrap() []error {
	errs := []error{context.DeadlineExceeded}
	if e.Limit != LimitContext && int(e.Limit) < len(limitErrors) {
		errs = append(errs, limitErrors[e.Limit])
	}
	return e.add(errs, e.Cause)
}

func (i *Interruption) add(errs []error, cause error) []error {
	if cause != nil {
		errs = append(errs, cause)
	}
	if i.Err != nil {
		errs = append(errs, i.Err)
	}
	return errs
}

// ConnectTimeout returns the error of a connection that could not be opened within limit, and took so long. err says how
// far it got.
func ConnectTimeout(limit, took time.Duration, err error) *TimeoutError {
	return &TimeoutError{Limit: LimitConnect, After: limit, Interruption: Interruption{Ran: took, Err: err}}
}

// Timeout returns true, as net.Error has it.
func (e *TimeoutError) Timeout() bool { return true }

// A CanceledError says that an operation was ended because its caller's context was canceled.
//
// [errors.Is] finds [context.Canceled] and the context's cause in it, [errors.As] what the server answered.
type CanceledError struct {
	Interruption
	// Cause is the context's, if somebody gave one.
	Cause error
}

// Error tells where the time went.
func (e *CanceledError) Error() string {
	var s strings.Builder
	s.WriteString("poolsql: canceled by its caller")
	e.describe(&s)
	if e.Cause != nil {
		fmt.Fprintf(&s, ": %v", e.Cause)
	}
	return s.String()
}

// Unwrap returns context.Canceled and the causes.
func (e *CanceledError) Unwrap() []error { return e.add([]error{context.Canceled}, e.Cause) }

// ErrCommitUnknown is matched by a [*CommitError].
var ErrCommitUnknown = errors.New("outcome of the commit unknown")

// A CommitError says that a COMMIT was sent and not answered: the transaction is committed, or it is not, and only the
// database knows. Look there, by a key that the transaction wrote, before doing it again.
//
// [errors.Is] finds [ErrCommitUnknown] in it and what Err is.
type CommitError struct {
	// Conn is the connection's id, PID the process that served it on the server.
	Conn uint64
	PID  uint32
	// Took is how long the COMMIT was waited for.
	Took time.Duration
	// Err is what the connection said.
	Err error
}

// Error says what is unknown and what to do.
func (e *CommitError) Error() string {
	return fmt.Sprintf("poolsql: COMMIT was sent on %s and not answered within %s; the transaction "+
		"may be committed or not: look for what it wrote before doing it again: %v", connection(e.Conn, e.PID), round(e.Took), e.Err)
}

// Unwrap returns ErrCommitUnknown and Err.
func (e *CommitError) Unwrap() []error { return []error{ErrCommitUnknown, e.Err} }
