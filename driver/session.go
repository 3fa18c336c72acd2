package pooldriver

import (
	"context"
	"database/sql/driver"
	"fmt"
	"runtime"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A Source is where sessions get their connections. Safe for concurrent use.
type Source interface {
	// Acquire lends a connection to whom req names, when it is its turn.
	Acquire(ctx context.Context, req *lifecycle.Request) (lifecycle.Handle[*Conn], error)
	// Replace lends another connection in place of one that was found to be of no use before anything ran on it.
	Replace(ctx context.Context, h *lifecycle.Handle[*Conn], req *lifecycle.Request, cause error) error
	// Options are those in force now, of connections that are opened now.
	Options() *Options
	// Checkins is what the source knows of how its sessions are told of their check-ins.
	Checkins() *Checkins
	// Suspect has every connection that is open now show that it lives before it serves again.
	Suspect()
	// Holds reports whether owner holds a connection.
	Holds(owner *priority.Owner) bool
	// Retire has every connection closed that was opened up to that generation, those in use when they come back.
	Retire(generation uint64)
}

// A Session is what database/sql holds for a connection: see the package comment. Used by one goroutine at a time.
type Session struct {
	src      Source // of the present binding, or the last
	home     Source // that it was made for
	router   Router // home, if that leads to several sources; nil otherwise
	opts     *Options
	checkins *Checkins
	wrapped  bool // database/sql did not make it by itself: something stands between
	untold   bool // it unbound by itself, and nobody has told it of a check-in since
	passing  bool // the check-in follows at the end of the operation, or of the transaction, whether it is told or not
	verbatim bool // the error of the operation under way is its caller's own
	closed   bool

	lost     *LostError      // a panic cost the connection; until the check-in there is no other
	checkout context.Context // of the present check-out, for Raw; nil between two

	// Of the binding. conn is nil when there is none.
	conn  *Conn
	h     lifecycle.Handle[*Conn]
	req   lifecycle.Request
	asked bool      // req has options in it
	away  bool      // conn is of a source for reads only
	clean bool      // away, and all that ran on conn has certainly only read
	wrote mono.Time // the last write that the source had to have, as of the binding; 0 if none
	ops   int       // operations since the binding; after the first, conn cannot be replaced unnoticed
	began mono.Time // when the present operation began, or the last
	ended mono.Time // when the last operation ended; 0 if that was not timed, or rows are open

	// Of the transaction, if one is open.
	inTx    bool
	txReads bool            // it was begun as one that only reads
	txCtx   context.Context // its begin's, for what it carries
	tx      driver.Tx       // of an inner driver other than pgx

	txBegan mono.Time
	txEnds  time.Time     // when it has to be over; zero is no limit
	txLimit Limit         // which limit that is
	txAfter time.Duration // and how long it was
	txIdle  time.Duration // how long the server lets it idle; 0 is no limit
	idled   time.Duration // how long it did, before the operation under way

	trace  *trace // of the operation under way, until its rows take it over; nil if nobody follows it
	rows   rows
	unread int                // rows that are open
	cancel context.CancelFunc // ends the timer of the operation under way, until its rows take it over
	later  context.CancelFunc // ends the timers of untracked rows, at the check-in
}

// The interfaces of database/sql/driver that *stdlib.Conn has, and the two that make a check-in visible.
var (
	_ driver.Conn               = (*Session)(nil)
	_ driver.ConnBeginTx        = (*Session)(nil)
	_ driver.ConnPrepareContext = (*Session)(nil)
	_ driver.ExecerContext      = (*Session)(nil)
	_ driver.QueryerContext     = (*Session)(nil)
	_ driver.Pinger             = (*Session)(nil)
	_ driver.NamedValueChecker  = (*Session)(nil)
	_ driver.SessionResetter    = (*Session)(nil)
	_ driver.Validator          = (*Session)(nil)
)

// NewSession returns an unbound session whose first check-out is under ctx.
func NewSession(ctx context.Context, src Source) *Session {
	router, _ := src.(Router)
	return &Session{
		src: src, home: src, router: router, opts: src.Options(), checkins: src.Checkins(), checkout: ctx,
		wrapped: calledThroughWrapper(),
	}
}

// bind gives the session a connection for an operation under ctx, if it has none, and says what is about to run.
// o is what ctx carries, nil if that is nothing.
func (s *Session) bind(ctx context.Context, o *priority.Options, call Call) error {
	if s.conn != nil {
		if s.router == nil || !s.misplaced(o, call) {
			s.h.Describe(call.Text)
			return nil
		}
		s.unbind()
	}
	if s.closed {
		return fmt.Errorf("poolsql: %w", ErrSessionClosed)
	}
	if s.lost != nil {
		return s.lost
	}
	if o != nil {
		s.req.Options, s.asked = *o, true
	} else if s.asked {
		s.req.Options, s.asked = priority.Options{}, false
	}
	s.req.Detail = call.Text
	s.opts = s.home.Options()
	if s.opts.Stacks {
		s.req.Stack = callers()
	}
	s.passing = s.wrapped && calledInPassing()
	h, err := s.acquire(ctx, call)
	if err != nil {
		return err
	}
	s.h, s.conn = h, h.Value()
	if s.trace != nil {
		s.trace.op.Wait += h.Waited()
	}
	s.opts = s.conn.opts // which may be others by now than when the caller began to wait
	if s.untold {        // the check-out before this one was never checked in
		s.untold = false
		s.checkins.report(s.conn.opts)
	}
	return nil
}

// unbind gives the connection back: at once if it is fit for the next holder, else to be mended or destroyed elsewhere.
// It does no I/O and does not block.
func (s *Session) unbind() {
	c, h := s.conn, s.h
	if c == nil {
		return
	}
	if c.raw {
		s.takeBack()
	}
	end, mend := c.fate()
	if s.tx != nil { // an inner driver's transaction that nobody ended
		end = lifecycle.EndBusy
	}
	s.forgetConn()
	switch {
	case end != lifecycle.EndNone:
		h.Destroy(end)
	case mend:
		h.Detach("rollback")
		go mendAndRelease(c, h)
	default:
		h.Release()
	}
}

// callers returns the stack of whoever wanted a connection, for those who look for a leak: it begins with the program's
// call, as that of database/sql is the same for everybody.
func callers() []uintptr {
	pcs := make([]uintptr, maxDepth)
	pcs = pcs[:runtime.Callers(4, pcs)]
	for i, pc := range pcs {
		if f := runtime.FuncForPC(pc - 1); f != nil && !onTheWay(f.Name()) {
			return pcs[i:]
		}
	}
	return pcs
}

// onTheWay reports whether a function is between the program and a session.
func onTheWay(function string) bool {
	if own, ok := strings.CutPrefix(function, "github.com/poolsql/poolsql"); ok {
		return strings.HasPrefix(own, ".") || strings.HasPrefix(own, "/driver.") || strings.HasPrefix(own, "/connector.")
	}
	return strings.HasPrefix(function, "database/sql.")
}

// forgetConn makes the session unbound. What it was bound to is the caller's affair.
func (s *Session) forgetConn() {
	if s.opts.Carried != nil {
		s.conn.carried.forget()
	}
	if s.ops == 0 { // it was lent for nothing
		s.conn.extra.Add(-1)
	} else if s.ops > 1 {
		s.conn.began.Store(0)
	}
	if s.ended != 0 {
		s.conn.thought.Add(int64(mono.Since(s.ended)))
		s.ended = 0
	}
	s.ops = 0
	if s.inTx {
		s.conn.txEnded()
		s.inTx, s.txCtx, s.tx, s.txEnds = false, nil, nil, time.Time{}
	}
	s.conn, s.h, s.away = nil, lifecycle.Handle[*Conn]{}, false
	s.unread = 0
	end(&s.cancel)
	end(&s.later)
}

// end calls a cancel function once.
func end(cancel *context.CancelFunc) {
	if *cancel != nil {
		(*cancel)()
		*cancel = nil
	}
}

// mendAndRelease makes a connection fit for the next holder, off the caller's path. Whatever goes wrong, a tracer's panic
// included, costs the connection and nobody else.
func mendAndRelease(c *Conn, h lifecycle.Handle[*Conn]) {
	end := lifecycle.EndPanicked
	defer func() {
		if end == lifecycle.EndNone {
			h.Release()
			return
		}
		_ = recover()
		h.Destroy(end)
	}()
	if err := c.mend(); err != nil {
		end = lifecycle.EndBroken
		c.notMended(h.ID(), err)
		return
	}
	end = lifecycle.EndNone
}

// abandon destroys the connection: a panic went through an operation, and nobody knows what state it left. It must not
// stay bound either: whoever recovers the panic does not check the session in. Should he go on, with the transaction say,
// nothing of that may run on another connection.
func (s *Session) abandon() {
	if s.conn == nil {
		return
	}
	s.conn.broken = true
	h := s.h
	if s.inTx || !s.passing { // a check-in will be seen
		s.lost = &LostError{Conn: h.ID(), PID: s.conn.pid}
	}
	s.forgetConn()
	h.Destroy(lifecycle.EndPanicked)
}

// ExecContext implements driver.ExecerContext.
func (s *Session) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return s.exec(ctx, query, args, nil)
}

// QueryContext implements driver.QueryerContext.
func (s *Session) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return s.query(ctx, query, args, nil)
}

// Prepare implements driver.Conn.
func (s *Session) Prepare(query string) (driver.Stmt, error) {
	return s.PrepareContext(context.Background(), query)
}

// PrepareContext implements driver.ConnPrepareContext. The statement is checked by the server now, and prepared by each
// connection that it runs on.
func (s *Session) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	if err := s.needsSession(query); err != nil {
		return nil, err
	}
	var st *stmt
	err := s.operation(ctx, Call{Kind: OpPrepare, Text: query}, func(ctx context.Context, c *Conn) (bool, error) {
		var err error
		st, err = c.prepare(ctx, s, query)
		return false, err
	})
	if err != nil {
		return nil, err
	}
	return st, nil
}

// Ping implements driver.Pinger. It goes to the server. A pooled connection that turns out to be dead is replaced.
func (s *Session) Ping(ctx context.Context) error {
	return s.operation(ctx, Call{Kind: OpPing, Text: "ping"}, func(ctx context.Context, c *Conn) (bool, error) {
		if c.pg == nil {
			return false, c.can.ping(ctx)
		}
		return false, c.harmless(ctx, c.pg.Ping(ctx))
	})
}

// CheckNamedValue implements driver.NamedValueChecker. It accepts everything: pgx does, and what another inner driver
// accepts is asked once a connection is bound.
func (s *Session) CheckNamedValue(*driver.NamedValue) error { return nil }

// ResetSession implements driver.SessionResetter: it is a check-out.
func (s *Session) ResetSession(ctx context.Context) error {
	if s.conn != nil {
		s.checkins.report(s.conn.opts)
		s.unbind()
	}
	s.checkout, s.lost = ctx, nil
	return nil
}

// IsValid implements driver.Validator: it is a check-in. The session may be checked out again.
func (s *Session) IsValid() bool {
	s.wrapped = false // or what wraps it tells it all the same
	s.unbind()
	s.checkout, s.lost, s.untold = nil, nil, false
	return !s.closed
}

// Close implements driver.Conn: it is a check-in, and the session's end.
func (s *Session) Close() error {
	s.closed = true
	s.unbind()
	s.checkout = nil
	return nil
}

// Conn returns the pgx connection, for use inside (*sql.Conn).Raw:
//
//	err := conn.Raw(func(driverConn any) error {
//		pg := driverConn.(interface{ Conn() *pgx.Conn }).Conn()
//		...
//	})
//
// It binds a connection, for the class and the rest that the context has with which the *sql.Conn was taken. It returns nil if that fails, or if the
// inner driver is not pgx/stdlib; PgxConn tells why. The connection must not be used after Raw's function has returned.
func (s *Session) Conn() *pgx.Conn {
	pg, _ := s.PgxConn()
	return pg
}

// PgxConn is Conn with the reason why there is none.
func (s *Session) PgxConn() (*pgx.Conn, error) {
	ctx := context.Background()
	if s.checkout != nil { // whose end is no concern of the *sql.Conn once that was taken
		ctx = context.WithoutCancel(s.checkout)
	}
	if err := s.bind(ctx, priority.Peek(ctx), Call{Kind: OpDo, Text: "raw"}); err != nil {
		return nil, err
	}
	s.begin() // what is done with it is an operation, for all that can be known
	c := s.conn
	if c.pg == nil {
		return nil, fmt.Errorf("poolsql: the inner connection is a %T and not pgx's", c.inner)
	}
	if c.unsettled() {
		if err := c.settle(ctx); err != nil {
			return nil, &LostError{Conn: s.h.ID(), PID: c.pid, Err: err}
		}
	}
	if o := priority.Peek(ctx); c.opts.Carried != nil || o != nil && o.Settings != nil {
		if err := s.carry(ctx, o, Call{Kind: OpDo}); err != nil {
			return nil, err
		}
	}
	c.lendRaw()
	return c.pg, nil
}

// Do lends the pgx connection to f as one operation under ctx, and returns f's error as it is.
func (s *Session) Do(ctx context.Context, f func(*pgx.Conn) error) error {
	s.verbatim = true
	return s.operation(ctx, Call{Kind: OpDo, Text: "do"}, func(_ context.Context, c *Conn) (bool, error) {
		if c.pg == nil {
			return false, fmt.Errorf("poolsql: the inner connection is a %T and not pgx's", c.inner)
		}
		c.lendRaw()
		return false, f(c.pg)
	})
}

// Source returns where the session gets its connections.
func (s *Session) Source() Source { return s.home }
