package pooldriver

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
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
	set     bool          // pool was set on a session whose default is another
	own     bool          // the holder has set something by himself, which nobody here knows
	before  string        // the server's value that was first replaced, as it is to be told again; "" if none was
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
	if status == 'I' && c.limits.local { // a statement of the caller's own ended the transaction
		c.limitsEnded()
	}
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
	c.noteLimit(need)
	return nil
}

// restoreLimits takes back what adjustLimits did, and the holder, outside of a transaction.
func (c *Conn) restoreLimits(ctx context.Context) error {
	c.limits.local = false
	if !c.limits.own {
		return c.adjustLimits(ctx, 0)
	}
	c.limits.before = "" // may be the holder's
	if err := c.tell(ctx, "set statement_timeout", c.limits.pool); err != nil {
		return err
	}
	c.limits.own, c.limits.session = false, c.limits.pool
	c.noteLimit(c.limits.pool)
	return nil
}

// noteLimit notes for the watchdog what the server has for a limit now.
func (c *Conn) noteLimit(limit time.Duration) {
	if c.limits.own && limit == c.limits.pool { // or what the holder has put in its place
		limit = 0
	}
	c.limit.Store(int64(max(0, limit)))
}

// noteOwn sees whether the holder is about to set statement_timeout by himself. The server may then let his statements run
// for longer than the pool's limit, and the watchdog must not take that for a dead network.
func (c *Conn) noteOwn(query string) {
	if c.opts.Settings != "" {
		if first, _ := word(query); is(first, "reset") || is(first, "discard") {
			c.unset = true
		}
	}
	if c.opts.Comment != nil && strings.HasSuffix(query, "*/") { // a label may have that name in it
		query = query[:max(0, strings.LastIndex(query, "/*"))]
	}
	if c.limit.Load() == 0 || !(strings.Contains(query, "statement_timeout") || strings.Contains(query, "STATEMENT_TIMEOUT")) {
		return
	}
	c.limits.own = !c.opts.Pooler.shared() // there it ends with the transaction
	c.limit.Store(0)
}

// txEnded notes that the transaction is over, and with it what holds for it.
func (c *Conn) txEnded() {
	if c.carried.inTx {
		c.carried.forget()
	}
	c.limitsEnded()
	c.inTx.Store(false)
	if c.opts.TransactionTimeout > 0 {
		c.txEnds.Store(0)
	}
}

// limitsEnded notes that what was told for the transaction holds no more.
func (c *Conn) limitsEnded() {
	c.limits.local = false
	if c.opts.Pooler.shared() {
		c.limits.init(0)
	}
	c.noteLimit(c.limits.session)
}

// tell sets statement_timeout to limit, or back to what it was before it was set here.
func (c *Conn) tell(ctx context.Context, set string, limit time.Duration) error {
	var err error
	switch own := limit != c.limits.pool; {
	case own && !c.limits.local && !c.limits.raised():
		err = c.tellFirst(ctx, set+" to "+milliseconds(limit))
	case own:
		_, err = c.boundedBy(ctx, set+" to "+milliseconds(limit), c.opts.EndTimeout)
	default:
		_, err = c.boundedBy(ctx, set+" to "+c.limits.restored(), c.opts.EndTimeout)
	}
	if err != nil {
		return fmt.Errorf("setting statement_timeout: %w", c.harmless(ctx, err))
	}
	return nil
}

// tellFirst is tell for a connection on which nothing was told yet. In the same round trip it asks what holds: a hook, or
// the holder, may have set something else than what the connection began with.
//
// It asks by SHOW: a query would fix the snapshot of a transaction that has none yet.
func (c *Conn) tellFirst(ctx context.Context, sql string) error {
	ctx, cancel := context.WithTimeout(ctx, c.opts.EndTimeout)
	defer cancel()
	results, err := c.pg.PgConn().Exec(ctx, "show statement_timeout; "+sql).ReadAll()
	if err != nil {
		return err
	}
	if c.unsettled() { // the limit ran out in the instant of the answer
		if err := c.settle(context.Background()); err != nil {
			return &unsentError{err}
		}
	}
	c.limits.before = ""
	if len(results) > 0 && len(results[0].Rows) == 1 && len(results[0].Rows[0]) == 1 {
		c.limits.before = string(results[0].Rows[0][0])
	}
	return nil
}

// restored returns the value that statement_timeout gets when a limit is taken back.
func (l *limits) restored() string {
	switch {
	case settingValue.MatchString(l.before):
	case l.set && l.pool > 0:
		return milliseconds(l.pool)
	default:
		return "default"
	}
	return "'" + l.before + "'"
}

// settingValue matches how the server shows a time.
var settingValue = regexp.MustCompile(`^[0-9]+[a-z]*$`)

// milliseconds returns limit as the server reads it.
func milliseconds(limit time.Duration) string {
	return strconv.FormatInt((limit + time.Millisecond - 1).Milliseconds(), 10)
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
	if s.opts.Pooler.shared() {
		return s.limitShared(ctx, timeout)
	}
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
	ends, cause := s.txEnds, errTxOutOfTime
	if timeout > 0 {
		if end := time.Now().Add(timeout); ends.IsZero() || end.Before(ends) {
			ends, cause = end, errOutOfTime
		}
	}
	if own, ok := ctx.Deadline(); ok && !ends.Before(own) {
		return ctx
	}
	ctx, s.cancel = context.WithDeadlineCause(ctx, ends, cause)
	return ctx
}

// The causes of a context's end that withDeadline has set. Which it was must be seen when the transaction is over already:
// rows of a *sql.Conn outlive the transaction in which they were opened.
var (
	errOutOfTime   = errors.New("the limit of the statement ran out")
	errTxOutOfTime = errors.New("the limit of the transaction ran out")
)
