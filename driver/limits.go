package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// limits are what is known of statement_timeout on one connection.
//
// The pool's default was sent when the connection was opened, and costs nothing. A shorter limit of one call is a timer on
// this side, whose end cancels the statement. A longer one, or none, cannot be had from a timer: the server has to be
// told before, and told again afterwards, at the latest when the connection comes back. That costs a round trip each,
// which is little beside a statement that takes longer than all others may.
type limits struct {
	pool    time.Duration // what the server was told at the start; unknown if nothing
	session time.Duration // what holds outside of transactions now
	local   bool          // something else may hold until the end of the transaction
}

// maxServerTimeout is the longest that the server can be told: milliseconds in 32 bits, three weeks and a half.
const maxServerTimeout = (1<<31 - 1) * time.Millisecond

// unknown is the server's own setting, or the role's or the database's.
const unknown time.Duration = -1

func (l *limits) init(pool time.Duration) {
	if pool == 0 {
		pool = unknown
	}
	l.pool, l.session = pool, pool
}

// raised reports whether the session has another setting than at its start.
func (l *limits) raised() bool { return l.session != l.pool }

// needed returns what the server must have for a statement that may take so long: 0 is no limit.
func (l *limits) needed(timeout time.Duration) time.Duration {
	switch {
	case timeout == priority.NoTimeout || timeout > maxServerTimeout:
		return 0
	case timeout > l.pool && l.pool > 0:
		return timeout
	default: // a shorter one is a timer
		return l.pool
	}
}

// adjustLimits sees to it that the server lets a statement take as long as its caller allows.
func (c *Conn) adjustLimits(ctx context.Context, timeout time.Duration) error {
	if c.pg == nil {
		return nil
	}
	need := c.limits.needed(timeout)
	status := c.pg.PgConn().TxStatus()
	switch {
	case status == 'E' || c.busy(): // nothing runs there anyway
		return nil
	case status == 'T':
		if need == c.limits.session && !c.limits.local {
			return nil
		}
		// Told each time: going back to a savepoint takes back what was told after it.
		if err := c.tell(ctx, "set local statement_timeout", need); err != nil {
			return err
		}
		c.limits.local = true
	case need == c.limits.session:
		return nil
	default:
		if err := c.tell(ctx, "set statement_timeout", need); err != nil {
			return err
		}
		c.limits.session = need
	}
	c.limit.Store(int64(max(0, need)))
	return nil
}

// restoreLimits takes back what adjustLimits did, outside of a transaction.
func (c *Conn) restoreLimits(ctx context.Context) error {
	c.limits.local = false
	return c.adjustLimits(ctx, 0)
}

// txEnded notes that what was told for the transaction holds no more.
func (c *Conn) txEnded() {
	c.limits.local = false
	c.inTx.Store(false)
	c.limit.Store(int64(max(0, c.limits.session)))
	if c.opts.TransactionTimeout > 0 {
		c.txEnds.Store(0)
	}
}

func (c *Conn) tell(ctx context.Context, set string, limit time.Duration) error {
	value := "default"
	if limit != unknown && limit != c.limits.pool {
		value = strconv.FormatInt((limit + time.Millisecond - 1).Milliseconds(), 10)
	}
	if _, err := c.boundedBy(ctx, set+" to "+value, c.opts.EndTimeout); err != nil {
		return fmt.Errorf("setting statement_timeout: %w", c.harmless(ctx, err))
	}
	return nil
}

// limit returns ctx with the limits of one statement: the call's own timeout, which does not run while the caller waits
// for its turn, and what is left to the transaction. o is what ctx carries, nil if that is nothing.
func (s *Session) limit(ctx context.Context, o *priority.Options) (context.Context, error) {
	var timeout time.Duration
	if o != nil {
		timeout = o.Timeout
	}
	if timeout < 0 && timeout != priority.NoTimeout {
		return ctx, fmt.Errorf("poolsql: a statement timeout of %s: want more than zero, zero for the pool's default, or NoTimeout", timeout)
	}
	c := s.conn
	if timeout != 0 || c.limits.local || c.limits.raised() {
		if err := c.adjustLimits(ctx, timeout); err != nil {
			return ctx, err
		}
	}
	if timeout <= 0 && s.txEnds.IsZero() {
		return ctx, nil
	}
	return s.withDeadline(ctx, timeout), nil
}

// withDeadline returns ctx with the sooner of the timeout, if there is one, and the transaction's end, unless its own
// deadline is before them.
func (s *Session) withDeadline(ctx context.Context, timeout time.Duration) context.Context {
	ends := s.txEnds
	if timeout > 0 {
		if end := time.Now().Add(timeout); ends.IsZero() || end.Before(ends) {
			ends = end
		}
	}
	if own, ok := ctx.Deadline(); ok && !ends.Before(own) {
		return ctx
	}
	ctx, s.cancel = context.WithDeadlineCause(ctx, ends, errOutOfTime)
	return ctx
}

// errOutOfTime is the cause of a context's end that withDeadline has set.
var errOutOfTime = errors.New("a limit of the statement or its transaction ran out")
