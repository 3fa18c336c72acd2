package pooldriver

import (
	"context"
	"database/sql/driver"
	"net"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// cancelGrace is how long a BEGIN may still take once its caller's context has ended: long enough for an answer that is
// on its way, so that the connection lives, and too short to be felt.
const cancelGrace = 250 * time.Millisecond

// bounded runs a short statement without arguments that must not be cut off by its caller's context, within limit. The
// context's values are kept, for tracers. When the limit passes, pgx closes the connection.
//
// The limit is a deadline of the socket: where a context would cost a timer and half a dozen allocations, this costs
// none. Sockets that have no deadlines, as those through an SSH tunnel, get the context.
func (c *Conn) bounded(ctx context.Context, sql string, limit time.Duration) (pgconn.CommandTag, error) {
	if c.busy() { // the socket's deadline is that of the rows that are open
		return pgconn.CommandTag{}, &unsentError{errBusy}
	}
	socket := c.pg.PgConn().Conn()
	if socket.SetDeadline(time.Now().Add(limit)) != nil {
		return c.boundedByTimer(ctx, sql, limit)
	}
	tag, err := c.pg.Exec(context.WithoutCancel(ctx), sql)
	c.clearDeadline(socket)
	return tag, err
}

// boundedBy is bounded for a statement that may end cancelGrace after its caller's context has ended. It does no work that
// the server would have to be told to stop.
func (c *Conn) boundedBy(ctx context.Context, sql string, limit time.Duration) (pgconn.CommandTag, error) {
	if ctx.Done() == nil {
		return c.bounded(ctx, sql, limit)
	}
	if err := ctx.Err(); err != nil {
		return pgconn.CommandTag{}, err
	}
	if c.busy() { // as above
		return pgconn.CommandTag{}, &unsentError{errBusy}
	}
	socket := c.pg.PgConn().Conn()
	if socket.SetDeadline(time.Now().Add(limit)) != nil {
		tag, err := c.boundedByTimer(ctx, sql, limit)
		if err != nil && ctx.Err() != nil && c.closed() {
			err = ctx.Err()
		}
		return tag, err
	}
	shortened := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { // after the deadline was set, which it must not be overwritten by
		defer close(shortened)
		_ = socket.SetDeadline(time.Now().Add(cancelGrace)) // fails on a closed socket only
	})
	tag, err := c.pg.Exec(context.WithoutCancel(ctx), sql)
	ended := !stop()
	if ended {
		<-shortened
	}
	c.clearDeadline(socket)
	if err != nil && c.closed() {
		c.guard.noteSilent(err)
		if ended {
			err = ctx.Err()
		}
	}
	return tag, err
}

// boundedByTimer is both where the socket has no deadlines. The context of what must not be cut off never ends.
func (c *Conn) boundedByTimer(ctx context.Context, sql string, limit time.Duration) (pgconn.CommandTag, error) {
	if c.closed() {
		return pgconn.CommandTag{}, driver.ErrBadConn
	}
	limited, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	defer context.AfterFunc(ctx, func() {
		select {
		case <-limited.Done():
		case <-time.After(cancelGrace):
			c.cutOff(cancel)
		}
	})()
	return c.pg.Exec(limited, sql)
}

// cutOff ends the wait for an answer. To cancel what is under way would take longer; that is for who cannot close the socket.
func (c *Conn) cutOff(cancel context.CancelFunc) {
	if c.guard == nil {
		cancel()
		return
	}
	c.guard.kill(errNoAnswer)
}

// clearDeadline takes the deadline back. A connection that keeps it would fail its next holder. One that is closed has
// none, and the deadline on its socket is pgx's by now, which bounds what pgx does to end it.
func (c *Conn) clearDeadline(socket net.Conn) {
	if !c.closed() && socket.SetDeadline(time.Time{}) != nil {
		c.broken = true
	}
}

// ping asks the server whether the connection lives, under ctx and within pingLimit, or EndTimeout if that is less. Of
// a suspect less patience is had.
func (c *Conn) ping(ctx context.Context, suspect bool) error {
	socket := c.pg.PgConn().Conn()
	limit := min(pingLimit, c.opts.EndTimeout)
	switch {
	case c.opts.Pooler.shared():
		limit = c.opts.EndTimeout // it stands in the pooler's queue, as every statement does
	case suspect:
		limit = min(limit, suspectLimit)
	}
	limited := socket.SetDeadline(time.Now().Add(limit)) == nil
	if !limited {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	err := c.pg.Ping(ctx)
	if limited {
		c.clearDeadline(socket)
	}
	if err != nil && c.closed() {
		c.guard.noteSilent(err)
	}
	return err
}

// pingLimit is how long a connection that was idle may take to show that it lives. It is what a caller loses to a network
// that swallows everything, for each connection that he finds dead.
const pingLimit = 5 * time.Second

// suspectLimit is the same where there is reason to think that the network swallows: another connection's server has just
// ended it, or has not answered in time. There may be as many suspects as the pool has connections.
const suspectLimit = time.Second
