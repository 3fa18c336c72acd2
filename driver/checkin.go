package pooldriver

import (
	"runtime"
	"strings"
	"sync/atomic"

	"github.com/poolsql/poolsql/lifecycle"
)

// Checkins is what one source knows of how its sessions are told of their check-ins. The zero value is ready. Safe for
// concurrent use.
type Checkins struct {
	seen atomic.Bool // some session was told of its check-in
	told atomic.Bool // the observer has heard that some are not
}

// unsure reports whether it is not known yet that sessions are told of their check-ins.
func (c *Checkins) unsure() bool { return !c.seen.Load() }

func (c *Checkins) see() { c.seen.Store(true) }

// report tells the observer, once, that a session had to find out about its check-in by itself.
func (c *Checkins) report(o *Options) {
	if c.told.CompareAndSwap(false, true) && o.Observer != nil {
		o.Observer.Observe(lifecycle.Event{Kind: lifecycle.KindRebound, Pool: o.Pool})
	}
}

// calledThroughWrapper reports whether something stands between database/sql and the connector that is making a
// session, by looking at who called the connector. It costs a microsecond a session until the first check-in was seen.
func calledThroughWrapper() bool {
	var pcs [8]uintptr
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs[:])])
	for {
		f, more := frames.Next()
		ours := strings.Contains(f.Function, "poolsql/driver.") || strings.Contains(f.Function, "poolsql/connector.")
		if !ours {
			return !strings.HasPrefix(f.Function, "database/sql.")
		}
		if !more {
			return true
		}
	}
}
