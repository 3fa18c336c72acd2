package pooldriver

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5/pgconn"
)

// ErrBusy is matched by the error of an operation on a connection that is in the middle of another: rows of an earlier
// query of the same transaction or *sql.Conn are still open. Nothing was sent.
var ErrBusy = errors.New("connection busy: the rows of an earlier statement on this transaction or Conn are still open; " +
	"read them to the end or close them first")

var errBusy = fmt.Errorf("poolsql: %w", ErrBusy)

// ErrSessionClosed is matched by the error of an operation on a session after its Close.
var ErrSessionClosed = errors.New("session used after its close")

// A LostError says that the connection was gone before the operation was sent, where it cannot be replaced: in a
// transaction, or on a *sql.Conn that has run something before. The operation has not run. Whether earlier ones of the
// same transaction did is the transaction's affair: it was not committed.
type LostError struct {
	// Conn is the connection's id, PID the process that served it on the server.
	Conn uint64
	PID  uint32
	// Err is what is known of why, nil if nothing is.
	Err error
}

// Error says what was lost and what to do.
func (e *LostError) Error() string {
	s := fmt.Sprintf("poolsql: %s was lost before the statement was sent; "+
		"it has not run: begin the transaction or take the Conn anew", connection(e.Conn, e.PID))
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns Err.
func (e *LostError) Unwrap() error { return e.Err }

// SafeToRetry reports that nothing was sent, as pgconn has it.
func (e *LostError) SafeToRetry() bool { return true }

// harmless makes the error of an operation that leaves nothing behind when its connection is lost, such as a ping or a
// BEGIN, say that it may run on another one.
func (c *Conn) harmless(ctx context.Context, err error) error {
	// The next may be as slow to answer as this one, and the limit that this one was closed for is the caller's.
	if err != nil && ctx.Err() == nil && c.closed() && !pgconn.Timeout(err) && c.guard.killed() == nil {
		return &unsentError{err}
	}
	return err
}

// codeOf returns the SQLSTATE of err or, where it has none, a word for what kind of failure it is. The server's own text
// may quote data, so nothing else of it is shown to observers.
func codeOf(err error) string {
	if err == nil { // before anything that allocates
		return ""
	}
	var pgErr *pgconn.PgError
	var timeout *TimeoutError
	var canceled *CanceledError
	switch {
	case errors.As(err, &timeout):
		return "timeout"
	case errors.As(err, &canceled):
		return "canceled"
	case errors.As(err, &pgErr):
		return pgErr.Code
	case errors.Is(err, context.DeadlineExceeded):
		return "timeout"
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, ErrBusy):
		return "busy"
	case errors.Is(err, errPanicked):
		return "panic"
	default:
		return "other"
	}
}
