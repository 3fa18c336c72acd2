package pooldriver

import (
	"context"
	"errors"
	"time"
)

// closeGrace is how long the end of a connection may take that is polite to the server: a goodbye that it reads, or pgx's
// own cleaning up. After that the socket is closed, and the connection counts no more.
const closeGrace = time.Second

// errClosing is why a socket was closed whose connection took too long to end.
var errClosing = errors.New("the connection took too long to close")

// closeGuarded ends a connection that has a guard. The goodbye, or what pgx does on its own to end a connection that
// failed, has closeGrace; then the socket is closed. The connection counts against the maximum until this returns, so it
// must not wait for a network that swallows everything: where the server has been silent for as long as it may already, and
// pgx would ask for nothing, there is no grace.
func (c *Conn) closeGuarded() error {
	pg := c.pg.PgConn()
	if !pg.IsClosed() {
		// A deadline of the socket would not do: not every socket has them, and TLS sets its own for its goodbye.
		defer time.AfterFunc(closeGrace, func() { c.guard.kill(errClosing) }).Stop()
		// pgx would watch a context that can end, and our handler ask the server to cancel. With context.Background() it
		// would go on watching that of a statement which a panic has left open.
		_ = c.pg.Close(context.WithoutCancel(context.Background()))
	}
	if !c.guard.silent.Load() {
		grace := time.NewTimer(closeGrace)
		defer grace.Stop()
		select {
		case <-pg.CleanupDone():
		case <-grace.C:
		}
	}
	c.guard.kill(errClosing) // what is left of requests to cancel; they must not outlive the connection
	select {
	case <-pg.CleanupDone():
	case <-time.After(closeGrace): // pgx never tells of a connection that its holder has hijacked
	}
	if k := c.guard.canceler; k != nil {
		k.end()
	}
	return nil
}
