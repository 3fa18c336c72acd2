package pooldriver

import (
	"errors"
	"fmt"
	"runtime/debug"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
)

// The causes with which an execution's context is ended.
var (
	errNobodyWaits = errors.New("nobody waits for the result any more")
	errMoved       = errors.New("a caller of a higher class has come")
)

// errExited is what callers hear of an execution whose goroutine was ended by runtime.Goexit, which a hook of a test may do.
var errExited = errors.New("poolsql: something called runtime.Goexit in a shared execution")

// A PanicError is what the callers of an execution that they share panic with when that panicked, in a tracer or an inner
// driver say. It did so on a goroutine of its own.
type PanicError struct {
	// Value is what was panicked with, Stack where.
	Value any
	Stack []byte
}

// Error tells both.
func (e *PanicError) Error() string {
	return fmt.Sprintf("poolsql: a shared execution panicked: %v\n\n%s", e.Value, e.Stack)
}

// Unwrap returns Value if it is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

// run executes, on a goroutine of its own, with a session of its own: it is no caller's, so none of them can end it.
func (e *execution) run() {
	router, _ := e.src.(Router)
	s := &Session{src: e.src, home: e.src, router: router, opts: e.key.pool, checkins: e.src.Checkins()}
	returned := false
	defer func() {
		if !returned {
			if v := recover(); v != nil {
				e.panicked = &PanicError{Value: v, Stack: debug.Stack()}
			} else {
				e.err = errExited
			}
			s.abandon()
		}
		e.tell(e.c.finish(e))
	}()
	e.result, e.err = e.read(s)
	_ = s.Close() // before anybody is told: who has the result finds the connection free
	returned = true
}

// read runs the statement and reads all rows.
func (e *execution) read(s *Session) (*result, error) {
	rows, err := s.run(e.ctx, &e.opts, e.key.query, e.args, e.st, e.send)
	if err != nil {
		return nil, err
	}
	r, err := collect(rows, e.room)
	if err != nil {
		e.cancel(err) // else the rest would be read to the end
		_ = rows.Close()
		return nil, err
	}
	r.closed = rows.Close()
	return r, nil
}

// tell tells the observers that so many have shared.
func (e *execution) tell(callers int) {
	o := e.key.pool.Observers
	if callers < 2 || alone(e.err) || !o.Wants(lifecycle.KindCoalesced) {
		return
	}
	err := e.err
	switch {
	case e.panicked != nil:
		err = errPanicked
	case err == nil:
		err = e.result.err
	}
	event := lifecycle.Event{
		Kind: lifecycle.KindCoalesced, Pool: e.key.pool.Pool, Context: e.ctx, Class: e.opts.Class, Label: e.opts.Label,
		Tenant: e.opts.Tenant, User: e.opts.User, Duration: mono.Since(e.joined), Count: callers,
	}
	if err != nil {
		event.Code = codeOf(err)
	}
	o.Observe(event)
}

// alone reports whether an execution ended such that each of its callers has to run by himself, or to fail.
func alone(err error) bool { return err == errTooLarge || err == errNotSharable } //nolint:errorlint // the very same
