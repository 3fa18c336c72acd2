package pooldriver

import (
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// Checkins is what one source knows of how its sessions are told of their check-ins. The zero value is ready. Safe for
// concurrent use.
type Checkins struct {
	seen atomic.Bool // some session was told of its check-in
	told atomic.Bool // the observer has heard that some are not

	mu sync.Mutex
	// mu guards parked, and the sessions in it. A Validator of an inner driver is called with it held, as database/sql
	// calls it with its own.

	parked []*Session // bound, and between two operations, as far as can be seen; longest parked first
}

// reclaimEvery is how often those who wait look for parked connections. Sessions that are parked while somebody waits
// are taken at once; this is for those parked a moment before.
const reclaimEvery = 2 * time.Millisecond

// park lets others have the connection of s, should they wait for one: whether s was checked in cannot be seen.
func (c *Checkins) park(s *Session) {
	src := s.src
	c.mu.Lock()
	s.parked = true
	c.parked = append(c.parked, s)
	c.mu.Unlock()
	if src.Contended() {
		c.reclaim()
	}
}

// unpark gives s back to whoever is about to use it. Its connection may be gone.
func (c *Checkins) unpark(s *Session) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if s.parked {
		s.parked = false
		i := slices.Index(c.parked, s)
		c.parked = slices.Delete(c.parked, i, i+1)
	}
}

// reclaim takes the connection of the session that was parked first.
func (c *Checkins) reclaim() {
	c.mu.Lock()
	if len(c.parked) == 0 {
		c.mu.Unlock()
		return
	}
	s := c.parked[0]
	c.parked = slices.Delete(c.parked, 0, 1)
	s.parked, s.untold = false, true
	conn, h, end, mend := s.detach()
	c.mu.Unlock()
	giveBack(conn, h, end, mend)
}

// reclaimFor takes parked connections for as long as somebody waits, until stop is called.
func (c *Checkins) reclaimFor(src Source) (stop func()) {
	done := make(chan struct{})
	go func() {
		ticker := time.NewTicker(reclaimEvery)
		defer ticker.Stop()
		for {
			select {
			case <-done:
				return
			case <-ticker.C:
				if src.Contended() {
					c.reclaim()
				}
			}
		}
	}()
	return func() { close(done) }
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
