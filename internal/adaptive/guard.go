package adaptive

import (
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// A Fault is something that says by itself that the server is given too much.
type Fault uint8

// The faults.
const (
	TimedOut Fault = iota // a call ran out of time on the server
	NoRoom                // the server has no room for one more
	NotReady              // the server is starting, or going down
)

const (
	relief = 0.9
	// Timeouts count if there are so many in a window, and so large a share of its calls.
	minFaults  = 5
	faultShare = 0.1
	// reliefPause is between two changes for what the server said.
	reliefPause = time.Second
	// ceilingTime is how long a server that had no room for more is taken to have none.
	ceilingTime = 30 * time.Second
	// stallTime is how long nothing must have come back, and stallUses how many times what a call takes, for one more to be let in.
	stallTime = time.Second
	stallUses = 4
)

// Note tells c of a fault, while so many are live. It reports whether the limit was changed.
func (c *Controller) Note(f Fault, live int, now mono.Time) bool {
	if f == TimedOut {
		c.faults++
		return false
	}
	why := Starting
	if f == NoRoom {
		why = Refused
		c.ceiling, c.ceilEnds = max(live, 1), now.Add(ceilingTime)
	}
	if c.refused != 0 && now.Sub(c.refused) < reliefPause {
		return false
	}
	c.refused = now
	limit := min(int(relief*float64(c.limit)), c.limit-1)
	if f == NoRoom && live > 0 {
		limit = min(limit, live)
	}
	c.pause = firstPause
	c.rest(now, firstPause)
	return c.move(limit, why, now)
}

// relieve lowers the limit if too many calls of the window ran out of time, and reports whether it did. It halves it at most: what
// is no better then has another cause, and is decided by what throughput says.
func (c *Controller) relieve(w *sample, now mono.Time) bool {
	if w.failed < minFaults || w.failed < faultShare*w.calls {
		if w.failed == 0 {
			c.relieved = 0
		}
		return false
	}
	if c.relieved == 0 {
		c.relieved = c.limit
	}
	if !w.full || c.limit <= max(c.relieved/2, c.bounds.within(0)) {
		return false
	}
	c.pause = firstPause
	c.rest(now, firstPause)
	c.set(min(int(relief*float64(c.limit)), c.limit-1), Timeouts)
	return true
}

// StallsAt returns when the limit would be raised for somebody who waits since then, if nothing comes back before.
func (c *Controller) StallsAt(since mono.Time) mono.Time {
	return max(c.last, since).Add(max(stallTime, stallUses*time.Duration(c.use)))
}

// Stalled raises the limit by one if nothing has come back for long while somebody waits since then, and reports whether it did: what
// holds the others up may itself wait for one more, or take for ever.
func (c *Controller) Stalled(now, since mono.Time) bool {
	if now < c.StallsAt(since) {
		return false
	}
	c.last = now
	c.rest(now, firstPause)
	return c.move(c.limit+1, Stalled, now)
}
