package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// A Pooler says what stands between the connections of a pool and the server. Where that lends a session of the server for
// one transaction, or one statement, at a time, whatever is set on a session stays there for somebody else.
type Pooler uint8

// The kinds of poolers.
const (
	NoPooler          Pooler = iota // the connections are to the server itself
	PoolerSession                   // each connection has a session of the server for as long as it lives
	PoolerTransaction               // it has one for a transaction
	PoolerStatement                 // it has one for a statement; there are no transactions of several
)

// String returns the kind's name, such as "transaction".
func (p Pooler) String() string {
	switch p {
	case NoPooler:
		return "none"
	case PoolerSession:
		return "session"
	case PoolerTransaction:
		return "transaction"
	case PoolerStatement:
		return "statement"
	default:
		return fmt.Sprintf("Pooler(%d)", uint8(p))
	}
}

// shared reports whether a session of the server is several connections', one after the other.
func (p Pooler) shared() bool { return p >= PoolerTransaction }

// ErrNeedsSession is matched by a [*SessionError].
var ErrNeedsSession = errors.New("needs a session of the server's own")

// A SessionError says that a statement was refused because what it does stays with a session of the server, and the pooler
// before the server lends those for one transaction, or one statement, at a time. Nothing was sent.
//
// Seen is what such a statement begins with, and no more: what it does in a function, or after another statement in the same
// text, is not.
type SessionError struct {
	// Statement is what was refused, such as LISTEN or a transaction.
	Statement string
	// Pooler is how the pooler lends sessions.
	Pooler Pooler
	// Instead says what to do.
	Instead string
}

// Error says what was refused and what to do instead.
func (e *SessionError) Error() string {
	return fmt.Sprintf("poolsql: %s was not sent: it %v, and the pooler before the server lends one for a %s at a time: %s",
		e.Statement, ErrNeedsSession, e.Pooler, e.Instead)
}

// Unwrap returns ErrNeedsSession.
func (e *SessionError) Unwrap() error { return ErrNeedsSession }

// SafeToRetry reports that nothing was sent, as pgconn has it. To try again is of no use all the same.
func (e *SessionError) SafeToRetry() bool { return true }

// needsSession returns why query is not sent, nil if it is.
func (s *Session) needsSession(query string) error {
	if !s.opts.Pooler.shared() {
		return nil
	}
	inTx := s.inTx || (s.conn != nil && s.conn.pg != nil && s.conn.pg.PgConn().TxStatus() != 'I')
	what, instead := s.opts.leavesBehind(query, inTx)
	if what == "" {
		return nil
	}
	return &SessionError{Statement: what, Pooler: s.opts.Pooler, Instead: instead}
}

// limitShared is limit where the server's sessions are others' too. Inside a transaction the server was told with its BEGIN,
// and may be told otherwise by SET LOCAL. Outside of one nothing may be told, so that a timer here is all there is, whose end
// cancels the statement.
func (s *Session) limitShared(ctx context.Context, timeout time.Duration) (context.Context, error) {
	c := s.conn
	inTx := c.pg.PgConn().TxStatus() != 'I'
	if !inTx {
		c.limitsEnded() // a statement of the caller's own may have ended the transaction
	}
	if inTx && (timeout != 0 || c.limits.local) {
		if err := c.adjustLimits(ctx, timeout); err != nil {
			return ctx, err
		}
	}
	if told := inTx && c.limits.pool > 0; timeout == 0 && !told {
		timeout = s.opts.StatementTimeout
	}
	if timeout <= 0 && s.txEnds.IsZero() {
		return ctx, nil
	}
	return s.withDeadline(ctx, timeout), nil
}

// timerOf returns how long the statement under ctx was given by a timer of ours.
func (s *Session) timerOf(ctx context.Context) time.Duration {
	if o := priority.Peek(ctx); o != nil && o.Timeout > 0 {
		return o.Timeout
	}
	return s.opts.StatementTimeout
}

// toldAtBegin returns what a BEGIN tells the server in the same round trip, for the transaction alone.
func (opts *Options) toldAtBegin(o *priority.Options) (settings string, statement time.Duration) {
	if o != nil && o.Exempt {
		return "; set local idle_in_transaction_session_timeout to 0", 0
	}
	if !opts.Pooler.shared() {
		return "", 0
	}
	if idle := opts.IdleInTransactionTimeout; idle > 0 {
		settings += "; set local idle_in_transaction_session_timeout to " + milliseconds(idle)
	}
	if statement = opts.StatementTimeout; statement > 0 {
		settings += "; set local statement_timeout to " + milliseconds(statement)
	}
	return settings, statement
}

// told notes what statement_timeout is until the end of the transaction, by which limitsEnded takes it back.
func (c *Conn) told(statement time.Duration) {
	if statement > 0 {
		c.limits.init(statement)
		c.limit.Store(int64(statement))
	}
}

// avoid sees to it that query, whose plan the server has refused, is not prepared by name on this connection any more, where a
// pooler does the preparing: it prepares one text once on each session of the server, and would run the same plan again. It
// reports whether the statement may be run again.
func (c *Conn) avoid(ctx context.Context, query string) bool {
	if !c.opts.Pooler.shared() || c.stmts.entries[query] == nil {
		return true
	}
	if c.forget(ctx, query) != nil { // else pgx would run it, as it knows the text
		return false
	}
	if c.avoided == nil || len(c.avoided) >= c.stmts.capacity {
		c.avoided = make(map[string]struct{})
	}
	c.avoided[query] = struct{}{}
	return true
}

// avoids reports whether query is not to be prepared by name.
func (c *Conn) avoids(query string) bool {
	if len(c.avoided) == 0 {
		return false
	}
	_, ok := c.avoided[query]
	return ok
}

// implausiblePID is beyond what Linux, macOS and the BSDs number their processes by.
const implausiblePID = 1 << 22

// Pooled reports whether the connection leads to something that answers for the server, as PgBouncer does: the number of the
// process that it said would serve it is none of a process, but drawn at random. One in a thousand of these is not seen.
func (c *Conn) Pooled() bool {
	return c.pg != nil && c.pg.PgConn().PID() > implausiblePID
}
