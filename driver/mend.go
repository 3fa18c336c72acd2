package pooldriver

import (
	"context"
	"fmt"
	"regexp"

	"github.com/poolsql/poolsql/lifecycle"
)

// fate says what is to become of the connection at a check-in: EndNone if it may serve on, if need be after it was
// mended. It does no I/O.
func (c *Conn) fate() (end lifecycle.EndReason, mend bool) {
	if c.broken {
		return lifecycle.EndBroken, false
	}
	if c.pg == nil {
		if c.can.validator != nil && !c.can.validator.IsValid() {
			return lifecycle.EndBroken, false
		}
		return lifecycle.EndNone, false
	}
	if c.pg.IsClosed() || c.guard.killed() != nil {
		return lifecycle.EndBroken, false
	}
	if c.pg.PgConn().IsBusy() {
		return lifecycle.EndBusy, false
	}
	mend = c.pg.PgConn().TxStatus() != 'I' || c.limits.raised() || c.limits.own || c.unset || c.opts.ResetQuery != "" || c.unsettled()
	return lifecycle.EndNone, mend
}

// mend makes a connection fit for its next holder: no cancel may be under way, no transaction open, no setting changed.
func (c *Conn) mend() error {
	if c.unsettled() {
		if err := c.settle(context.Background()); err != nil {
			return err
		}
	}
	if c.pg.PgConn().TxStatus() != 'I' {
		if _, err := c.bounded(context.Background(), "rollback", c.opts.EndTimeout); err != nil {
			return err
		}
		c.txEnded()
	}
	if err := c.restoreLimits(context.Background()); err != nil {
		return err
	}
	if err := c.reset(); err != nil {
		return err
	}
	if c.pg.PgConn().TxStatus() != 'I' {
		return errConnInTx
	}
	return nil
}

// notMended tells the observers why a connection is closed that its holder thought well: nobody else would learn that
// ResetQuery is wrong, say.
func (c *Conn) notMended(id uint64, err error) {
	c.opts.Observers.Observe(lifecycle.Event{
		Kind: lifecycle.KindInvalid, Pool: c.opts.Pool, Resource: id, Reason: lifecycle.EndBroken, Err: err,
	})
}

// forgets matches statements after which the server knows no prepared statement any more.
var forgets = regexp.MustCompile(`(?i)\b(discard\s+all|deallocate)\b`)

// reset runs the user's query between two holders, and puts the settings back that it, or the holder, may have reset to the
// server's own, as DISCARD ALL does.
func (c *Conn) reset() error {
	sql := c.opts.ResetQuery
	if sql != "" {
		if _, err := c.bounded(context.Background(), sql, c.opts.EndTimeout); err != nil {
			return fmt.Errorf("ResetQuery: %w", err)
		}
	}
	if settings := c.opts.Settings; settings != "" && (sql != "" || c.unset) {
		if _, err := c.bounded(context.Background(), settings, c.opts.EndTimeout); err != nil {
			return fmt.Errorf("settings of a connection: %w", err)
		}
		c.unset = false
	}
	if forgets.MatchString(sql) {
		return c.forgetAll()
	}
	return nil
}

// forgetAll drops what was prepared, here and in pgx, which makes a round trip of it.
func (c *Conn) forgetAll() error {
	c.stmts.invalidations.Add(uint64(c.stmts.size.Load()))
	c.stmts.closeAll()
	ctx, cancel := context.WithTimeout(context.Background(), c.opts.EndTimeout)
	defer cancel()
	return c.pg.DeallocateAll(ctx)
}
