package pooldriver

import (
	"context"
	"errors"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A work is what an operation does on a connection. It returns open if it leaves rows open.
type work = func(context.Context, *Conn) (open bool, err error)

// operation runs f as one operation on the session's connection: it binds, bounds, tracks, and says how it ended. What
// certainly did not run because its connection was gone runs on another, as long as nothing else ran on the first; the
// caller has waited its turn and keeps it. Each try uses up a connection that was there before, so this ends. What may
// have run is run again only if its caller declared it repeatable; see Session.again.
//
// If f leaves rows open, as open says afterwards, the operation lasts until they are closed.
func (s *Session) operation(ctx context.Context, call Call, f work) error {
	return s.operationWith(ctx, priority.Peek(ctx), call, f)
}

// operationWith is operation for who has looked already at what ctx carries.
func (s *Session) operationWith(ctx context.Context, o *priority.Options, call Call, f work) error {
	if s.opts.Tracer != nil {
		return s.traced(ctx, o, call, f)
	}
	return s.operate(ctx, o, call, f)
}

func (s *Session) operate(ctx context.Context, o *priority.Options, call Call, f work) error {
	kind := call.Kind
	returned := false
	defer func() {
		if !returned {
			s.abandon()
		}
	}()
	if err := s.bind(ctx, o, call); err != nil {
		returned = true
		return err
	}
	before := s.begin()
	var a attempt
	limited, open, err := s.once(ctx, call, o, f)
	if err != nil && s.router != nil && s.conn != nil && s.refusedToWrite(o, err) {
		limited, open, err = s.elsewhere(ctx, limited, call, o, f, err)
	}
	if o != nil && o.Retries > 0 && kind.repeatable() {
		open, err = s.repeat(ctx, limited, call, o, f, &a, open, err)
	}
	if s.conn == nil { // it could not be replaced
		returned = true
		return a.told(o, err)
	}
	end(&s.cancel)
	if !open {
		s.finish(ctx, s.began, -1, err)
		if s.router != nil {
			s.noteWrite(o, call)
		}
		if s.unread > 0 { // rows of an earlier operation are open still: that is the one under way
			s.began = before
		}
	}
	returned = true
	if !open {
		s.pass()
	}
	return a.told(o, err)
}

// once runs f, on another connection if it certainly did not run on the first. When it returns without a connection, there
// was no other.
func (s *Session) once(
	ctx context.Context, call Call, o *priority.Options, f work,
) (limited context.Context, open bool, err error) {
	limited, open, err = s.try(ctx, call, o, f)
	for err != nil && s.replaceable(limited, err) {
		end(&s.cancel)
		if err = s.replace(ctx, o, call, err); err != nil {
			return limited, false, err
		}
		limited, open, err = s.try(ctx, call, o, f)
	}
	if err != nil {
		err = s.outcome(ctx, limited, s.began, err)
	}
	return limited, open, err
}

// try runs f once. A cancel of what ran before must have ended first; the end of a transaction sees to that by itself, since
// it is over whatever comes of it.
func (s *Session) try(
	ctx context.Context, call Call, o *priority.Options, f work,
) (limited context.Context, open bool, err error) {
	kind := call.Kind
	if s.trace != nil {
		s.trace.on(s)
	}
	if s.conn.raw && kind != OpDo { // its holder has given pgx back
		s.takeBack()
	}
	if !kind.ends() && s.conn.unsettled() {
		if err := s.conn.settle(ctx); err != nil {
			return ctx, false, &unsentError{err}
		}
	}
	limited = ctx
	if kind.limited() {
		if limited, err = s.limit(ctx, o); err != nil {
			return limited, false, err
		}
	}
	if c := s.conn; c.opts.Carried != nil || o != nil && o.Settings != nil {
		if err := s.carry(limited, o, call); err != nil {
			return limited, false, err
		}
		defer c.disarm()
	}
	open, err = f(limited, s.conn)
	return limited, open, err
}

// pass checks the session in where a wrapper may not tell it so.
func (s *Session) pass() {
	if s.passing && !s.inTx && s.unread == 0 {
		s.unbind()
		s.untold = true
	}
}

// begin notes the begin of an operation, and returns when the one before began. The first after a binding begins with
// that: it costs no look at the clock.
func (s *Session) begin() (before mono.Time) {
	before = s.began
	s.ops++
	if s.ops == 1 {
		s.began = s.h.Since()
		return before
	}
	s.conn.extra.Add(1)
	s.began = mono.Now()
	s.idled = 0
	if s.ended != 0 {
		s.conn.thought.Add(int64(s.began.Sub(s.ended)))
		if s.inTx {
			s.idled = s.began.Sub(s.ended)
		}
		s.ended = 0
	}
	s.conn.began.Store(int64(s.began))
	s.conn.idleIn.Store(0)
	return before
}

// finish notes the end of an operation that began at that time and read so many rows, -1 if it has none. The first after a binding is timed only if that is worth
// a look at the clock: most often the check-in follows at once, and is timed.
func (s *Session) finish(ctx context.Context, began mono.Time, rows int, err error) {
	c := s.conn
	if err != nil {
		c.errors.Add(1)
		s.consequences(err)
	}
	kind := lifecycle.KindOperation
	if err != nil {
		kind = lifecycle.KindError
	}
	told := c.opts.Observers.Wants(kind)
	if counted := s.ops > 1 || s.inTx; counted || told {
		now := mono.Now()
		if counted && s.unread == 0 {
			s.ended = now
		}
		if told {
			c.opts.Observers.Observe(lifecycle.Event{
				Kind: kind, Pool: c.opts.Pool, Resource: s.h.ID(), Context: ctx, Class: s.req.Class, Label: s.req.Label,
				Tenant: s.req.Tenant, User: s.req.User, Duration: now.Sub(began), Count: rows, Code: codeOf(err),
			})
		}
	}
	if s.unread == 0 {
		c.idleIn.Store(s.h.Epoch())
	}
}

// elsewhere runs f where writes go, after the session's source has refused it with err: it had no effect there, and the one
// who thought that it only reads was the router.
func (s *Session) elsewhere(
	ctx, limited context.Context, call Call, o *priority.Options, f work, err error,
) (context.Context, bool, error) {
	s.router.Missed(call.Text)
	end(&s.cancel)
	s.finish(ctx, s.began, -1, err)
	s.unbind()
	if err := s.bind(ctx, o, call); err != nil {
		return limited, false, err
	}
	s.begin()
	return s.once(ctx, call, o, f)
}

// replaceable reports whether the operation that failed with err may run on another connection: it was not sent, nothing
// else ran here, and it was not the first thing that a new connection was asked.
func (s *Session) replaceable(ctx context.Context, err error) bool {
	if s.verbatim || s.ops > 1 || s.h.Uses() < 2 || ctx.Err() != nil || !neverRan(err) {
		return false
	}
	return s.conn.pg == nil || s.conn.pg.IsClosed()
}

// replace exchanges the connection for another. When that fails the session is unbound.
func (s *Session) replace(ctx context.Context, o *priority.Options, call Call, cause error) error {
	s.conn.extra.Add(-1) // the operation is the other's, or nobody's
	if err := s.src.Replace(ctx, &s.h, &s.req, cause); err != nil {
		away := s.away
		s.forgetConn()
		if !away || !errors.Is(err, priority.ErrUnavailable) && !errors.Is(err, ErrElsewhere) {
			return err
		}
		if err := s.bind(ctx, o, call); err != nil { // there are other ways
			return err
		}
		s.begin()
		return nil
	}
	s.conn = s.h.Value()
	s.opts = s.conn.opts
	s.began = s.h.Since()
	if s.trace != nil {
		s.trace.op.Wait += s.h.Waited()
	}
	return nil
}
