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
	told atomic.Bool // the observer has heard that some are not
}

// report tells the observer, once, that a session had to find out about its check-in by itself.
func (c *Checkins) report(o *Options) {
	if c.told.CompareAndSwap(false, true) {
		o.Observers.Observe(lifecycle.Event{Kind: lifecycle.KindRebound, Pool: o.Pool})
	}
}

// Who calls is in the stack, and nowhere else: database/sql tells a driver neither who it is nor for how long it will keep
// a connection. A look costs a microsecond or two. It is taken once a session, and behind a wrapper once a check-out,
// until that session was told of a check-in.

// calledThroughWrapper reports whether something stands between database/sql and the connector that is making a session.
func calledThroughWrapper() bool {
	wrapped := true
	eachCaller(func(function string) bool {
		if strings.Contains(function, "poolsql/driver.") || strings.Contains(function, "poolsql/connector.") {
			return true
		}
		wrapped = !strings.HasPrefix(function, "database/sql.")
		return false
	})
	return wrapped
}

// calledInPassing reports whether database/sql will put the connection back when the present operation, or the
// transaction that it begins, has ended: it was called for a *sql.DB or a *sql.Stmt, and not for a *sql.Conn or *sql.Tx,
// which keep what they have. Whoever else calls may keep it too.
func calledInPassing() bool {
	fromDB := false
	held := false
	eachCaller(func(function string) bool {
		name, ours := strings.CutPrefix(function, "database/sql.")
		if ours {
			fromDB = fromDB || strings.HasPrefix(name, "(*DB).") || strings.HasPrefix(name, "(*Stmt).")
			held = held || strings.HasPrefix(name, "(*Conn).") || strings.HasPrefix(name, "(*Tx).")
		}
		return !held
	})
	return fromDB && !held
}

// maxDepth is how many callers are looked at. Those of database/sql are a few frames above us, but for what wraps us.
const maxDepth = 48

// eachCaller calls visit with the name of each calling function, the nearest first, until visit returns false.
func eachCaller(visit func(function string) bool) {
	var pcs [maxDepth]uintptr
	n := runtime.Callers(2, pcs[:])
	frames := runtime.CallersFrames(pcs[:n])
	for more := n > 0; more; {
		var f runtime.Frame
		f, more = frames.Next()
		if !visit(f.Function) {
			return
		}
	}
}
