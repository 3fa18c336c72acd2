package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// The pause before the n-th repetition is drawn evenly from between zero and firstPause·2^(n-1), longestPause at most. It
// doubles because nobody knows how many others there are to conflict with. It is drawn from zero on, because
// transactions that failed by each other and paused for about the same time would meet again.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = time.Second
)

// A TxRetryError says that RunTx gave up a transaction that it might have tried again. Nothing of it is committed.
//
// [errors.Is] and [errors.As] find Err and Stopped in it.
type TxRetryError struct {
	// Attempts is how many attempts failed, Elapsed how long they took with the pauses between them.
	Attempts int
	Elapsed  time.Duration
	// Err is why the last one failed.
	Err error
	// Stopped is why there was no other, nil if MaxAttempts allowed none: the context ended, or would have before the pause
	// was over, or no connection was to be had.
	Stopped error
}

// Error tells how often, how long, why, and what to do.
func (e *TxRetryError) Error() string {
	var s strings.Builder
	attempts := "attempts"
	if e.Attempts == 1 {
		attempts = "attempt"
	}
	fmt.Fprintf(&s, "poolsql: RunTx gave up after %d %s in %s", e.Attempts, attempts, e.Elapsed.Round(time.Microsecond))
	if e.Stopped != nil {
		fmt.Fprintf(&s, " (%v)", e.Stopped)
	}
	fmt.Fprintf(&s, "; nothing was committed; the last attempt failed with: %v; ", e.Err)
	switch {
	case !conflict(e.Err):
		s.WriteString("the connection was lost: see whether the server restarts or fails over")
	case hasState(e.Err, func(code string) bool { return code == deadlockDetected }):
		s.WriteString("make all transactions lock the same rows in the same order, and keep them short")
	default:
		s.WriteString("keep the transactions that conflict short, or fewer at once, or lock the rows first with SELECT ... FOR UPDATE")
	}
	return s.String()
}

// Unwrap returns Err, and Stopped if there is one.
func (e *TxRetryError) Unwrap() []error {
	if e.Stopped != nil {
		return []error{e.Err, e.Stopped}
	}
	return []error{e.Err}
}

// The states of a transaction that the server ended because of others.
const (
	serializationFailure = "40001"
	deadlockDetected     = "40P01"
)

// hasState reports whether err is, or wraps anywhere, one whose SQLSTATE is a match. errors.As would look at the first that
// has a SQLSTATE only.
func hasState(err error, match func(code string) bool) bool {
	if s, ok := err.(interface{ SQLState() string }); ok && match(s.SQLState()) {
		return true
	}
	switch u := err.(type) {
	case interface{ Unwrap() error }:
		return hasState(u.Unwrap(), match)
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(u.Unwrap(), func(err error) bool { return hasState(err, match) })
	default:
		return false
	}
}

// conflict reports whether the server ended the transaction because of others.
func conflict(err error) bool {
	return hasState(err, func(code string) bool { return code == serializationFailure || code == deadlockDetected })
}

// connectionState reports whether a SQLSTATE says that the connection is gone. 08P01 says so too when a proxy sends it, but
// it is also what the server answers to a wrong number of arguments, on a connection that goes on.
func connectionState(code string) bool {
	switch code {
	case "57P01", "57P02", "57P03": // shut down, crashed, starting or stopping
		return true
	default:
		return strings.HasPrefix(code, "08") && code != "08P01"
	}
}

// lost reports whether err says for certain that a connection was lost.
func lost(err error) bool {
	var l *pooldriver.LostError
	return !interrupted(err) && (errors.As(err, &l) || errors.Is(err, driver.ErrBadConn) ||
		errors.Is(err, pgconn.ErrConnClosed) || hasState(err, connectionState))
}

// severed reports whether err is what the end of a connection looks like, be it the database's or some other.
func severed(err error) bool {
	if interrupted(err) {
		return false
	}
	var op *net.OpError
	var number syscall.Errno
	var unknown *pooldriver.UnknownError // of which nothing may be left but that
	return lost(err) || errors.As(err, &unknown) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed) ||
		errors.As(err, &op) || errors.As(err, &number) || hasState(err, func(code string) bool { return code == "08P01" })
}

// interrupted reports whether err is a context's, or a timeout of poolsql's. Either may have cost the connection; nobody
// wants the same to begin anew.
func interrupted(err error) bool {
	return errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}

// notConnected reports whether err says that no connection could be had.
func notConnected(err error) bool {
	var acquire *lifecycle.AcquireError
	var connect *pgconn.ConnectError
	return errors.As(err, &acquire) || errors.As(err, &connect)
}

// settled reports whether err comes from something that has done its own trying, or must not be done again.
func settled(err error) bool {
	var gaveUp *TxRetryError
	return errors.As(err, &gaveUp) || errors.Is(err, pooldriver.ErrCommitUnknown) || notConnected(err)
}

// refused reports whether err is the server's answer to a COMMIT that it did not do. One that ends the connection is no
// such answer: the server may have been told to stop after it had committed.
func refused(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && (pg.Severity == "FATAL" || pg.Severity == "PANIC" ||
		pg.SeverityUnlocalized == "FATAL" || pg.SeverityUnlocalized == "PANIC") {
		return false
	}
	vague := func(code string) bool {
		return code == "" || code == "40003" || strings.HasPrefix(code, "08") || connectionState(code)
	}
	return hasState(err, func(string) bool { return true }) && !hasState(err, vague)
}

// also returns err with another that says more, if that is not in it already.
func also(err, more error) error {
	switch {
	case err == nil:
		return more
	case errors.Is(err, more):
		return err
	default:
		return fmt.Errorf("%w; before that, in a savepoint: %w", err, more)
	}
}

// pause waits before the n-th repetition, or returns why there is to be none.
func pause(ctx context.Context, n int) error {
	if ctx.Err() != nil {
		return fmt.Errorf("the context has ended: %w", ended(ctx))
	}
	d := rand.N(longestBefore(n))
	if deadline, ok := ctx.Deadline(); ok {
		if left := time.Until(deadline); left <= d {
			return fmt.Errorf("the context's deadline is in %s, within the pause of %s before the next attempt: %w",
				left.Round(time.Microsecond), d.Round(time.Microsecond), context.DeadlineExceeded)
		}
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("the context ended in the pause before the next attempt: %w", ended(ctx))
	}
}

func longestBefore(n int) time.Duration {
	if n > 8 { // where the doubling has passed longestPause
		return longestPause
	}
	return min(firstPause<<(n-1), longestPause)
}
