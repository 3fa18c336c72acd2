package pooldriver

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/mono"
)

// SQLSTATEs that decide something here.
const (
	codeQueryCanceled        = "57014"
	codeAdminShutdown        = "57P01"
	codeCrashShutdown        = "57P02"
	codeCannotConnectNow     = "57P03"
	codeIdleInTransaction    = "25P03"
	codeTransactionTimeout   = "25P04"
	codeReadOnly             = "25006"
	codeTooManyConnections   = "53300"
	codeSerializationFailure = "40001"
	codeDeadlockDetected     = "40P01"
	codeProtocolViolation    = "08P01"
	classConnection          = "08"
	classResources           = "53"  // of which there are too few
	classIntervention        = "57P" // of those that operate the server
)

// sqlState returns the SQLSTATE of err, "" if no server said it.
func sqlState(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}

// outcome makes err what the caller shall see of an operation that ran under limited, which ctx bounds, and began then.
//
// Whether a time ran out, and which, is told by our own state, never by a text. driver.ErrBadConn is never what the caller
// sees: database/sql would try again on another session, and queue again for each try, though nothing says that the next
// would fare better.
func (s *Session) outcome(ctx, limited context.Context, began mono.Time, err error) error {
	if s.verbatim {
		return err
	}
	if s.conn.pg == nil {
		return s.outcomeOfForeign(limited, err)
	}
	if unknown := (*CommitError)(nil); errors.As(err, &unknown) {
		return s.outcomeOfCommit(unknown, began)
	}
	if why := s.conn.guard.killed(); why != nil && (s.conn.closed() || sqlState(err) == codeQueryCanceled) {
		if ended := s.outcomeOfKill(why, began, err); ended != nil {
			return ended
		}
	}
	code := sqlState(err)
	if limited.Err() != nil && (code == codeQueryCanceled || code == "" || neverRan(err)) {
		return s.outcomeOfContext(ctx, limited, began, err)
	}
	switch limit := time.Duration(s.conn.limit.Load()); {
	case code == codeQueryCanceled && limit > 0 && mono.Since(began) >= limit:
		return s.timeout(LimitStatement, limit, began, err)
	case code == codeIdleInTransaction || s.idledTooLong(err):
		return s.timeout(LimitIdleInTransaction, s.conn.opts.IdleInTransactionTimeout, began.Add(-s.idled), err)
	case code == codeTransactionTimeout:
		return s.timeout(LimitTransaction, 0, began, err)
	case !neverRan(err) && code == "" && pgconn.Timeout(err) && s.conn.closed():
		return s.timeout(LimitEnd, s.conn.opts.EndTimeout, began, err) // nothing else limits what no context ended
	case !neverRan(err) && code == "" && s.conn.closed():
		return &UnknownError{Conn: s.h.ID(), PID: s.conn.pid, Ran: mono.Since(began), Err: err}
	case !neverRan(err):
		return err
	case s.conn.busy():
		return errBusy
	case errors.Is(err, driver.ErrBadConn) || s.conn.closed() || s.conn.broken:
		return &LostError{Conn: s.h.ID(), PID: s.conn.pid, Err: cause(err)}
	default:
		return err
	}
}

// idledTooLong reports whether the connection was lost while its transaction idled for longer than the server allows. What
// the server said when it ended the session need not have arrived: a write to a closed socket may fail before it is read.
func (s *Session) idledTooLong(err error) bool {
	return s.txIdle > 0 && s.idled > 0 && s.idled+idleSlack >= s.txIdle && s.conn.closed() && neverRan(err)
}

// idleSlack is how much sooner than this side the server may begin to count: it does when it has sent its answer.
const idleSlack = 50 * time.Millisecond

// outcomeOfForeign is outcome for inner drivers other than pgx, of which little is known.
func (s *Session) outcomeOfForeign(limited context.Context, err error) error {
	if !neverRan(err) {
		return err
	}
	bad := errors.Is(err, driver.ErrBadConn)
	if bad {
		s.conn.broken = true // what the inner driver says of its connection when it says that
	}
	switch {
	case limited.Err() != nil:
		return limited.Err()
	case bad:
		return &LostError{Conn: s.h.ID()}
	default:
		return err
	}
}

// outcomeOfContext says which context ended, and where the time went.
func (s *Session) outcomeOfContext(ctx, limited context.Context, began mono.Time, err error) error {
	if errors.Is(limited.Err(), context.Canceled) {
		return &CanceledError{Interruption: s.interruption(began, err), Cause: causeOf(ctx)}
	}
	switch context.Cause(limited) { //nolint:errorlint // the very same, if it was our timer
	case errTxOutOfTime:
		return s.timeout(s.txLimit, s.txAfter, s.txBegan, err)
	case errOutOfTime:
		return s.timeout(LimitStatement, s.timerOf(limited), began, err)
	}
	t := s.timeout(LimitContext, 0, began, err)
	t.Cause = causeOf(ctx)
	return t
}

// causeOf returns the cause that somebody gave for the end of ctx.
func causeOf(ctx context.Context) error {
	if cause := context.Cause(ctx); cause != ctx.Err() { //nolint:errorlint // the very same, if nobody gave one
		return cause
	}
	return nil
}

func (s *Session) timeout(limit Limit, after time.Duration, began mono.Time, err error) *TimeoutError {
	return &TimeoutError{Limit: limit, After: after, Interruption: s.interruption(began, err)}
}

func (s *Session) interruption(began mono.Time, err error) Interruption {
	i := Interruption{
		Label: s.req.Label, Conn: s.h.ID(), PID: s.conn.pid, Waited: s.h.Waited(), Ran: mono.Since(began),
		Closed: s.conn.closed() || s.conn.guard.killed() != nil, Unsent: neverRan(err),
	}
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		i.Err = pgErr
	}
	return i
}

// A killed says why somebody other than its holder closed a connection's socket.
type killed struct {
	limit Limit         // what ran out; 0 if it was the pool that could not wait any more
	after time.Duration // how long that was
	cause error
}

func (k *killed) Error() string {
	if k.limit != 0 {
		return fmt.Sprintf("%s of %s ran out", k.limit, round(k.after))
	}
	return k.cause.Error()
}

// Unwrap returns what errors.Is shall find.
func (k *killed) Unwrap() error {
	if k.limit != 0 {
		return limitErrors[k.limit]
	}
	return k.cause
}

// outcomeOfKill says why the socket was closed, nil if that is no more than what is said otherwise.
func (s *Session) outcomeOfKill(why error, began mono.Time, err error) error {
	k, ok := why.(*killed) //nolint:errorlint // never wrapped
	switch {
	case !ok:
		return nil
	case k.limit == LimitTransaction:
		return s.timeout(k.limit, k.after, s.txBegan, err)
	case k.limit != 0:
		return s.timeout(k.limit, k.after, began, err)
	default:
		return fmt.Errorf("poolsql: %s was closed under the operation: %w", connection(s.h.ID(), s.conn.pid), k.cause)
	}
}

// outcomeOfCommit says why the answer to a COMMIT is missing, if that was our doing. It is unknown all the same, but for
// one case: a session that idled in its transaction for too long was ended before it was sent a COMMIT.
func (s *Session) outcomeOfCommit(unknown *CommitError, began mono.Time) error {
	why := s.conn.guard.killed()
	switch {
	case sqlState(unknown) == codeIdleInTransaction:
		return s.timeout(LimitIdleInTransaction, s.conn.opts.IdleInTransactionTimeout, began, unknown.Err)
	case why != nil:
		unknown.Err = fmt.Errorf("%w: %w", why, unknown.Err)
	case pgconn.Timeout(unknown.Err):
		unknown.Err = fmt.Errorf("%w: %w", ErrEndTimeout, unknown.Err)
	}
	return unknown
}

// consequences draws from the error of an operation what it says about other connections, and about this one's future.
//
// Only a session that has ended says that sessions end. With the connection alive, a SQLSTATE of class 08 or 57P comes from a
// function of the user's, or is about some other server, to which a foreign data wrapper could not connect.
func (s *Session) consequences(err error) {
	c := s.conn
	if c.opts.Strained != nil {
		if strain, ok := StrainOf(err); ok {
			c.opts.Strained(strain)
		}
	}
	if c.pg == nil {
		return
	}
	switch code := sqlState(err); {
	case code == codeCrashShutdown && c.closed(): // every session of the server has ended with this one
		c.broken = true
		s.src.Retire(s.h.Generation())
	case code == codeReadOnly && c.onStandby():
		if c.opts.Replica { // as it should be
			return
		}
		c.broken = true
		s.src.Retire(s.h.Generation())
	case c.endedBy(code) || (code == "" && c.closed()):
		s.src.Suspect() // the server went down, or this one session was ended: the others are asked before they serve
	}
}

// endedBy reports whether the server, or a proxy before it, has ended the connection with this SQLSTATE for a reason that
// was not in what it was asked.
func (c *Conn) endedBy(code string) bool {
	return c.closed() && (strings.HasPrefix(code, classIntervention) || strings.HasPrefix(code, classConnection))
}

// onStandby reports whether the server has told that it is in recovery: what it refuses to write it refuses because it is
// not, or not any more, the primary, and not because the transaction is read-only. PostgreSQL 14 and later tell.
func (c *Conn) onStandby() bool {
	return c.pg.PgConn().ParameterStatus("in_hot_standby") == "on"
}

// GoesDown reports whether err, of a connection that could not be opened, says that the server is on its way down or up: what
// is open to it is about to end, or has.
func GoesDown(err error) bool {
	switch sqlState(err) {
	case codeAdminShutdown, codeCrashShutdown, codeCannotConnectNow:
		return true
	default:
		return false
	}
}
