package pooldriver

import (
	"cmp"
	"context"
	"database/sql/driver"
	"io"

	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/internal/mono"
)

// exec runs a statement without rows. st is set if it was prepared by the caller.
func (s *Session) exec(ctx context.Context, query string, args []driver.NamedValue, st *stmt) (driver.Result, error) {
	if err := s.needsSession(query); err != nil {
		return nil, err
	}
	var res driver.Result
	err := s.operation(ctx, OpExec, query, func(ctx context.Context, c *Conn) (bool, error) {
		query, err := c.commented(ctx, query, args, st)
		if err != nil {
			return false, err
		}
		res, err = c.exec(ctx, query, args, st)
		if !s.inTx && c.notePlan(query, err) && c.avoid(ctx, query) { // the server refused the plan before it ran anything
			res, err = c.exec(ctx, query, args, st)
		}
		return false, err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

// query runs a statement with rows.
func (s *Session) query(ctx context.Context, query string, args []driver.NamedValue, st *stmt) (driver.Rows, error) {
	if err := s.needsSession(query); err != nil {
		return nil, err
	}
	var opened driver.Rows
	caller := ctx
	err := s.operation(ctx, OpQuery, query, func(ctx context.Context, c *Conn) (bool, error) {
		query, err := c.commented(ctx, query, args, st)
		if err != nil {
			return false, err
		}
		r, err := c.query(ctx, query, args, st)
		if !s.inTx && c.notePlan(query, err) && c.avoid(ctx, query) {
			r, err = c.query(ctx, query, args, st)
		}
		if err != nil {
			return false, err
		}
		if s.trace != nil { // observers are told under the context of the operation, as they are of others
			caller = s.trace.ctx
		}
		var open bool
		opened, open = s.track(caller, ctx, r)
		return open, nil
	})
	if err != nil {
		return nil, err
	}
	return opened, nil
}

func (c *Conn) exec(ctx context.Context, query string, args []driver.NamedValue, st *stmt) (driver.Result, error) {
	if c.pg == nil {
		return c.innerExec(ctx, query, args, st != nil)
	}
	if c.busy() {
		return nil, errBusy
	}
	if st != nil && !st.named || c.avoids(query) {
		args = unnamedArgs(c, args)
	} else if err := c.beforeRun(ctx, query, args, st == nil); err != nil {
		return nil, err
	}
	c.noteOwn(query)
	mark := c.mark()
	res, err := c.std.ExecContext(ctx, query, args)
	return res, c.truth(mark, err)
}

func (c *Conn) query(ctx context.Context, query string, args []driver.NamedValue, st *stmt) (driver.Rows, error) {
	if c.pg == nil {
		return c.innerQuery(ctx, query, args, st != nil)
	}
	if c.busy() { // pgx finds that too, but in mode Exec leaves the connection unusable
		return nil, errBusy
	}
	if st != nil && !st.named || c.avoids(query) {
		args = unnamedArgs(c, args)
	} else if err := c.beforeRun(ctx, query, args, false); err != nil {
		return nil, err
	}
	c.noteOwn(query)
	mark := c.mark()
	rows, err := c.std.QueryContext(ctx, query, args)
	return rows, c.truth(mark, err)
}

// rows are pgx's rows whose end the session hears of. The concrete type is embedded, so that every optional interface
// that it has is there still. One of a later version of Go may supersede a method that is ours, as RowsColumnScanner of Go 1.27
// did with Next: TestRowsAreSteppedThroughHere finds it. Whatever error ended them early comes out of Next,
// if there was one more, and out of Close.
type rows struct {
	*stdlib.Rows
	session *Session // nil when they are closed
	epoch   uint64   // of the lending that they belong to
	conn    *Conn
	began   mono.Time
	cancel  context.CancelFunc
	ctx     context.Context // the caller's, or what a tracer made of it
	limited context.Context // the same with the limits of the statement
	failed  error           // what the caller was told of why they ended
	read    int             // how many there were so far
	trace   *trace          // nil if nobody follows the query
}

// track returns r such that the session hears of its end. The wrapper is part of the session, so that it costs no
// allocation, unless rows before it are open still. Rows of another inner driver pass as they are, so that no interface
// is lost: their operation ends here, and its timer at the check-in.
func (s *Session) track(ctx, limited context.Context, r driver.Rows) (wrapped driver.Rows, open bool) {
	cancel := s.cancel
	s.cancel = nil
	std, ok := r.(*stdlib.Rows)
	if !ok {
		s.endLater(cancel)
		return r, false
	}
	t := &s.rows
	if t.session != nil {
		t = &rows{}
	}
	*t = rows{
		Rows: std, session: s, conn: s.conn, epoch: s.h.Epoch(), began: s.began, cancel: cancel, ctx: ctx, limited: limited,
		trace: s.trace,
	}
	s.trace = nil
	s.unread++
	return t, true
}

// bound reports whether the session still has the connection that the rows come from; it has not if they were left open
// over a check-in.
func (r *rows) bound() bool {
	return r.session != nil && r.session.conn == r.conn && r.session.h.Epoch() == r.epoch
}

// Next implements driver.Rows. From Go 1.27 on, database/sql calls NextRow in its place.
func (r *rows) Next(dest []driver.Value) error { return r.moved(r.Rows.Next(dest)) }

// moved notes that there is one more row, or that there is none because of err, and returns what the caller shall see.
func (r *rows) moved(err error) error {
	switch {
	case err == nil:
		r.read++
	case err != io.EOF && r.bound(): //nolint:errorlint // the driver contract has it as it is
		err = r.fail(err)
	}
	return err
}

// fail makes err what the caller shall see, the same each time.
func (r *rows) fail(err error) error {
	if r.failed == nil {
		if r.conn.closed() && neverRan(err) { // see truth: there are rows, so it was sent
			err = &sentError{cause(err)}
		}
		r.failed = r.session.outcome(r.ctx, r.limited, r.began, err)
	}
	return r.failed
}

// endLater sees to it that cancel is called at the check-in.
func (s *Session) endLater(cancel context.CancelFunc) {
	switch before := s.later; {
	case cancel == nil:
	case before == nil:
		s.later = cancel
	default:
		s.later = func() { before(); cancel() }
	}
}

// Close closes the rows and so ends the operation. It returns the error that ended them early, if one did.
func (r *rows) Close() error {
	s := r.session
	if s == nil {
		return nil
	}
	bound := r.bound()
	returned := false
	defer func() {
		t := r.trace
		r.session, r.ctx, r.limited, r.trace = nil, nil, nil, nil
		end(&r.cancel)
		if !returned && bound {
			s.abandon()
		}
		if !returned && t != nil {
			t.end(errPanicked)
		}
	}()
	err := r.Rows.Close()
	if bound {
		if err != nil {
			err = r.fail(err)
		}
		s.unread--
		s.finish(r.ctx, r.began, r.read, cmp.Or(err, r.failed)) // of a value that cannot be converted only Next has told
	}
	if t := r.trace; t != nil {
		t.op.Rows = int64(r.read)
		t.end(cmp.Or(err, r.failed))
	}
	returned = true
	if bound {
		s.pass()
	}
	return err
}
