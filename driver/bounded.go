package pooldriver

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// cancelGrace is how long a BEGIN may still take once its caller's context has ended: long enough for an answer that is
// on its way, so that the connection lives, and too short to be felt.
const cancelGrace = 250 * time.Millisecond

// bounded runs a short statement without arguments that must not be cut off by its caller's context, within limit. The
// context's values are kept, for tracers. The limit is a deadline of the socket: where a context would cost a timer and
// half a dozen allocations, this costs none. When it passes, pgx closes the connection.
func (c *Conn) bounded(ctx context.Context, sql string, limit time.Duration) (pgconn.CommandTag, error) {
	socket := c.pg.PgConn().Conn()
	if socket.SetDeadline(time.Now().Add(limit)) != nil { // it is closed
		return pgconn.CommandTag{}, driver.ErrBadConn
	}
	tag, err := c.pg.Exec(context.WithoutCancel(ctx), sql)
	if resetErr := socket.SetDeadline(time.Time{}); resetErr != nil && err == nil {
		c.broken = true // a deadline that cannot be taken back would fail the next holder
	}
	return tag, err
}

// boundedBy is bounded for a statement that may end cancelGrace after its caller's context has ended.
func (c *Conn) boundedBy(ctx context.Context, sql string, limit time.Duration) (pgconn.CommandTag, error) {
	if ctx.Done() == nil {
		return c.bounded(ctx, sql, limit)
	}
	if err := ctx.Err(); err != nil {
		return pgconn.CommandTag{}, err
	}
	socket := c.pg.PgConn().Conn()
	shortened := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(shortened)
		_ = socket.SetDeadline(time.Now().Add(cancelGrace)) // fails on a closed socket only
	})
	tag, err := c.bounded(ctx, sql, limit)
	if !stop() {
		<-shortened
		if socket.SetDeadline(time.Time{}) != nil {
			c.broken = true
		}
		if err != nil {
			return tag, ctx.Err()
		}
	}
	return tag, err
}
