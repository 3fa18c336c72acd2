package pooldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/priority"
)

// Sentinels for what a [*CoalescingError] is about.
var (
	ErrTooManySharers = errors.New("as many calls share the execution as may")
	ErrResultTooLarge = errors.New("the result is larger than what may be shared")
)

// A CoalescingError says that a call which is not to run by itself, by [priority.Refuse], could not share an execution
// either. The statement may have run, for others, but as a read it left nothing behind.
//
// [errors.Is] finds [ErrTooManySharers] or [ErrResultTooLarge] in it.
type CoalescingError struct {
	// Label is the caller's.
	Label string
	// Max is what was exceeded: a number of calls, or of bytes.
	Max int
	// Err is one of the sentinels.
	Err error
}

// Error says what was exceeded.
func (e *CoalescingError) Error() string {
	label := ""
	if e.Label != "" {
		label = fmt.Sprintf(" %q", e.Label)
	}
	return fmt.Sprintf("poolsql: the query%s does not run by itself, and %v: at most %d", label, e.Err, e.Max)
}

// Unwrap returns Err.
func (e *CoalescingError) Unwrap() error { return e.Err }

// share answers a query from an execution that it shares with identical ones. It returns false if the query is to run by
// itself. It takes no connection: the session stays unbound, and its caller is woken when there is a result.
func (s *Session) share(
	ctx context.Context, o *priority.Options, query string, args []driver.NamedValue, st *stmt,
) (rows driver.Rows, answered bool, err error) {
	opts := s.home.Options()
	c := opts.Coalescer
	if c == nil || s.closed || s.lost != nil || ctx.Err() != nil || !o.Class.Valid() {
		return nil, false, nil
	}
	who := caller{ctx: ctx, class: o.Class, want: o.Coalescing.Or(opts.Coalescing)}
	key, own, ok := s.readOf(o, opts, &who, query, args, st)
	if !ok {
		c.ranAlone()
		return nil, false, nil
	}
	if c.avoids(key, who.want.MaxBytes) {
		return c.capped(o, &who, ErrResultTooLarge, who.want.MaxBytes)
	}
	t := s.shares(ctx, o, opts, query)
	defer func() { t.answered(rows, err) }()
	joined := mono.Now()
	e := c.join(key, &who, func() *execution {
		e := &execution{
			c: c, key: key, src: s.home, args: own, st: st, base: context.WithoutCancel(t.contextOr(ctx)), opts: *o,
			done: make(chan struct{}),
		}
		e.opts.Owner, e.opts.Coalescing = nil, nil
		e.opts.Bookmark = nil
		if key.wrote != 0 { // and not the caller's own: what is written while they wait is none of the others' affair
			e.opts.Bookmark = priority.NewBookmark(key.wrote)
		}
		return e
	})
	if e == nil {
		return c.capped(o, &who, ErrTooManySharers, who.want.MaxWaiters)
	}
	if e = c.await(ctx, e); e == nil {
		return nil, true, leftEarly(ctx, o, joined)
	}
	switch {
	case e.panicked != nil:
		err = errPanicked // for the tracer
		panic(e.panicked)
	case e.err == errTooLarge: //nolint:errorlint // the very same
		c.avoid(key, e.maxBytes)
		return c.capped(o, &who, ErrResultTooLarge, e.maxBytes)
	case e.err == errNotSharable: //nolint:errorlint // as above
		c.avoid(key, noSize)
		c.ranAlone()
		return nil, false, nil
	case e.err != nil:
		return nil, true, e.err
	}
	return &sharedRows{result: e.result, closed: e.result.closed}, true, nil
}

// readOf returns what identifies the query and a copy of its arguments; false if it is not to share.
func (s *Session) readOf(
	o *priority.Options, opts *Options, who *caller, query string, args []driver.NamedValue, st *stmt,
) (key readKey, own []driver.NamedValue, ok bool) {
	if who.want.MaxWaiters < 1 || !sqltext.SeemsToRead(query) {
		return readKey{}, nil, false
	}
	if o.Owner != nil && s.home.Holds(o.Owner) {
		// It waits for a connection while it has one. By itself it is told so when it waits for ever; in a crowd nobody
		// knows for whom the crowd waits.
		return readKey{}, nil, false
	}
	text, own, ok := canonical(args)
	if !ok {
		return readKey{}, nil, false
	}
	key = readKey{query: query, args: text, prepared: st != nil, own: who.want.Key, call: sharedBy(o), pool: opts}
	if len(opts.Carried) > 0 || o.Settings != nil {
		sql, _, err := opts.carriedSQL(o, false)
		if err != nil {
			return readKey{}, nil, false // by itself it is told why
		}
		key.carried = sql
	}
	if s.router != nil {
		key.wrote = o.Wrote()
	}
	return key, own, true
}

// capped has a call run by itself, or fail.
func (c *Coalescer) capped(o *priority.Options, who *caller, why error, most int) (driver.Rows, bool, error) {
	if who.want.AtCap == priority.Refuse {
		c.refused()
		return nil, true, &CoalescingError{Label: o.Label, Max: most, Err: why}
	}
	c.ranAlone()
	return nil, false, nil
}

// await waits until the execution has ended, or that to which its callers went over. It returns nil if the caller's context
// has ended first, and the caller has left.
func (c *Coalescer) await(ctx context.Context, e *execution) *execution {
	for {
		select {
		case <-e.done:
			if e.moved == nil {
				return e
			}
			e = e.moved
		case <-ctx.Done():
			c.leave(e)
			return nil
		}
	}
}

// leftEarly is the error of a caller whose context ended while he waited for others' execution.
func leftEarly(ctx context.Context, o *priority.Options, joined mono.Time) error {
	i := Interruption{Label: o.Label, Ran: mono.Since(joined)}
	if errors.Is(ctx.Err(), context.Canceled) {
		return &CanceledError{Interruption: i, Cause: causeOf(ctx)}
	}
	return &TimeoutError{Limit: LimitContext, Interruption: i, Cause: causeOf(ctx)}
}

// shares tells the tracer that a query is to share, nil if there is none. The execution itself is an operation of its own,
// beneath that of the caller who began it.
func (s *Session) shares(ctx context.Context, o *priority.Options, opts *Options, query string) *trace {
	if opts.Tracer == nil {
		return nil
	}
	t := &trace{tracer: opts.Tracer, began: mono.Now(), op: OperationEnd{Kind: OpShared, Rows: -1}}
	t.ctx = t.tracer.StartOperation(ctx, OperationStart{
		Kind: OpShared, Pool: opts.Pool, SQL: query, Class: o.Class, Label: o.Label, Tenant: o.Tenant,
		User: o.User,
	})
	return t
}

// contextOr returns the context of the traced operation, ctx if there is none.
func (t *trace) contextOr(ctx context.Context) context.Context {
	if t == nil {
		return ctx
	}
	return t.ctx
}

// answered ends the operation, if it is traced.
func (t *trace) answered(rows driver.Rows, err error) {
	if t == nil {
		return
	}
	if r, ok := rows.(*sharedRows); ok {
		t.op.Rows = int64(r.rows)
	}
	t.end(err)
}
