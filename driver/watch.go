package pooldriver

import (
	"context"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
)

// A Watched is what a watchdog remembers of one lending of a connection, from one look to the next. The zero value is for
// the first.
type Watched struct {
	Epoch uint64
	turns uint64
	since mono.Time // when turns was first seen
}

const (
	// silence is how much longer than its limit a statement may take before its connection is taken for dead, and for how
	// long the socket must have been silent. The server would have ended the statement.
	silence = 500 * time.Millisecond
	// WatchInterval is how often a connection in use is to be looked at. Together with silence, it stays below the second
	// by which a caller may outlive its limit.
	WatchInterval = 200 * time.Millisecond
)

// Limited reports whether connections have a limit that Watch could find exceeded.
func (o *Options) Limited() bool { return o.StatementTimeout > 0 || o.TransactionTimeout > 0 }

// Limited reports whether the connection has a limit that Watch could find exceeded.
func (c *Conn) Limited() bool { return c.guard != nil && c.opts.Limited() }

// Watch looks at a connection that has been lent since then, and closes its socket if its holder can do nothing else any
// more: a statement has outlived what the server allows it, and the network is silent; or a transaction has outlived its
// limit, and its holder does nothing. It is called by anybody, at any time.
//
// A statement whose rows come slowly, or are read slowly, is not silent.
func (c *Conn) Watch(w *Watched, lent mono.Time) {
	if c.guard == nil || c.guard.dead.Load() {
		return
	}
	now := mono.Now()
	if turns := c.guard.reads(); w.turns != turns || w.since == 0 {
		w.turns, w.since = turns, now
	}
	idle := c.idleIn.Load() == w.Epoch
	if ends := mono.Time(c.txEnds.Load()); ends != 0 && now > ends {
		// A statement under way is being canceled; that takes CancelTimeout at most.
		if idle || now > ends.Add(c.opts.CancelTimeout+silence) {
			c.guard.kill(&killed{limit: LimitTransaction, after: c.opts.TransactionTimeout})
		}
		return
	}
	limit := time.Duration(c.limit.Load())
	if limit == 0 || idle {
		return
	}
	began := mono.Time(c.began.Load())
	if began == 0 {
		began = lent
	}
	waiting := w.turns%2 == 1 && now.Sub(w.since) >= silence
	if waiting && now.Sub(began) >= limit+silence && c.guard.reads() == w.turns {
		c.guard.kill(&killed{limit: LimitStatement, after: limit})
	}
}

// errInterrupted is what the holder of a connection hears that was closed under it.
var errInterrupted = fmt.Errorf("the pool was drained, and would not wait any longer: %w", lifecycle.ErrClosed)

// Interrupt ends what the connection's holder does: the server is asked to cancel, and then the socket is closed. It
// returns at once. It is called by anybody, at any time.
func (c *Conn) Interrupt() {
	if c.guard != nil {
		go c.interrupt()
	}
}

func (c *Conn) interrupt() {
	why := &killed{cause: errInterrupted}
	c.guard.condemn(why) // or the server's answer to the cancel, which may come first, would be all that the holder hears
	defer c.guard.kill(why)
	if c.guard.canceler == nil {
		return // its cancels are the user's affair
	}
	r := &request{last: true}
	ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), cancelKey{}, r), c.opts.CancelTimeout)
	defer cancel()
	if c.opts.Cancels.take(ctx, nil) != nil {
		return
	}
	defer c.opts.Cancels.give()
	_ = c.guard.canceler.pg.CancelRequest(ctx)
}
