package pooldriver

import (
	"database/sql/driver"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Whether a statement was sent decides whether it may run on another connection. pgx's word for it is not enough: a
// connection that is lost while pgx waits for the answer may end with "conn closed", which says of itself that it is safe
// to retry, and stdlib makes driver.ErrBadConn of that, which to database/sql says the same. So what was sent is counted
// where it is sent, at the socket.

// notCounted is the mark of a connection whose socket is not ours.
const notCounted = math.MaxUint64

// mark returns how often something was sent so far.
func (c *Conn) mark() uint64 {
	if c.guard == nil || c.pg.IsClosed() {
		return notCounted
	}
	return c.guard.socket.Load().sent.Load()
}

// truth returns the error of something that was to be sent after mark was taken, such that neverRan is right about it.
func (c *Conn) truth(mark uint64, err error) error {
	if err == nil || c.pg == nil || !neverRan(err) {
		return err
	}
	if mark != notCounted && c.guard.socket.Load().sent.Load() == mark {
		return err
	}
	if mark == notCounted && c.guard != nil { // it was closed before
		return err
	}
	if errors.Is(err, driver.ErrBadConn) {
		err = nil // all that stdlib has left of it
	}
	return &sentError{err}
}

// A sentError is an error that says of itself that nothing was sent, and is wrong.
type sentError struct{ err error }

func (e *sentError) Error() string {
	if e.err == nil {
		return "the connection was lost"
	}
	return e.err.Error()
}

func (e *sentError) Unwrap() error { return e.err }

func (e *sentError) SafeToRetry() bool { return false }

// An unsentError is an error of something that certainly did not run, or left nothing behind.
type unsentError struct{ err error }

func (e *unsentError) Error() string     { return e.err.Error() }
func (e *unsentError) Unwrap() error     { return e.err }
func (e *unsentError) SafeToRetry() bool { return true }

// neverRan reports whether err says for certain that the operation did not run. Of what pgx says, only truth makes it so.
func neverRan(err error) bool {
	var says interface{ SafeToRetry() bool }
	if errors.As(err, &says) {
		return says.SafeToRetry()
	}
	return errors.Is(err, driver.ErrBadConn) || pgconn.SafeToRetry(err)
}

// cause returns what err says beside that nothing was sent, nil if that is all.
func cause(err error) error {
	var unsent *unsentError
	switch {
	case errors.As(err, &unsent):
		return cause(unsent.err)
	case errors.Is(err, driver.ErrBadConn):
		return nil
	default:
		return err
	}
}

// An UnknownError says that the connection was lost after the operation was sent and before it was answered: whether it
// ran nobody knows. It is not tried again unless its caller declared it repeatable. What it was part of, a transaction, was
// not committed.
type UnknownError struct {
	// Conn is the connection's id, PID the process that served it on the server.
	Conn uint64
	PID  uint32
	// Ran is for how long the operation was under way.
	Ran time.Duration
	// Err is what the connection said.
	Err error
}

// Error says what is unknown, and what to do.
func (e *UnknownError) Error() string {
	return fmt.Sprintf("poolsql: %s was lost %s after the statement began; whether it ran is unknown "+
		"(outside of a transaction look for what it wrote before doing it again): %v", connection(e.Conn, e.PID), round(e.Ran), e.Err)
}

// Unwrap returns Err.
func (e *UnknownError) Unwrap() error { return e.Err }
