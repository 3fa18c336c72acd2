package adaptive

import (
	"math"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// Bounds are what a limit stays within.
type Bounds struct {
	// Min and Max are the least and the most. Reserve is how many of the limit only some callers may use; the limit is always
	// above it.
	Min, Max, Reserve int
}

func (b Bounds) within(limit int) int { return min(max(limit, b.Min, b.Reserve+1), max(b.Max, 1)) }

// firstLimit is where a limit begins, if the bounds allow it: it is left within some windows if it is wrong.
const firstLimit = 4

type mode uint8

const (
	steady  mode = iota // the limit is in force; now and then another is tried
	running             // step by step in one direction, for as long as it pays
	trying              // two limits take turns
)

// A Controller moves a limit. It holds no lock; its owner does, and tells it the time. Its invariants: the limit is within the
// bounds; a change that nothing has proved to be good is undone, or is a trial; and no change is by more than half, but where the
// server or the bounds demand it.
type Controller struct {
	bounds Bounds
	limit  int
	reason Reason

	mode   mode
	up     bool   // the direction of a run or trial
	before sample // running: the window before the last step
	best   float64
	from0  int // running: the limit before the last step
	trial  trial

	probeAt  mono.Time // steady: when the next trial begins
	pause    time.Duration
	rejected [2]bool // which directions were tried in vain since the limit was last moved: down, up
	trend    int     // the direction that was better last, 1 or -1; 0 is none
	fine     int     // how often the size of a trial's step was halved, since neither was better
	usual    sample  // steady: what is seen at this limit; no calls before it was looked at
	noise    float64 // by how much throughput differs from window to window
	odd      int     // how many windows in a row were unlike it

	use     float64 // what a call takes at present, in ns
	classes [maxClasses]class
	labels  map[string]int

	lastLabel string
	lastClass int

	win     sample
	from    mono.Time // 0 while the limit is not in force yet
	ends    mono.Time
	latest  mono.Time
	settled mono.Time
	reach   mono.Time
	last    mono.Time // when a call last came back

	faults   int       // calls that ran out of time, in this window
	relieved int       // where the limit was when they became too many; 0 while they are not
	refused  mono.Time // when the limit was last lowered for what a server said; 0 is never
	ceiling  int       // how many the server was found to have room for; 0 is not known
	ceilEnds mono.Time
}

// New returns a controller.
func New(b Bounds, now mono.Time) *Controller {
	c := &Controller{bounds: b, limit: b.within(firstLimit), reason: Begin, mode: running, up: true, pause: firstPause, last: now, noise: firstNoise}
	c.begin(now, true)
	return c
}

// Limit returns the limit in force.
func (c *Controller) Limit() int { return c.limit }

// Reason returns why it was last changed.
func (c *Controller) Reason() Reason { return c.reason }

// SetBounds puts other bounds in force, and reports whether that changed the limit.
func (c *Controller) SetBounds(b Bounds, now mono.Time) bool {
	if b == c.bounds {
		return false
	}
	c.bounds = b
	c.rest(now, 0)
	c.mode, c.up, c.before = running, true, sample{} // it may be far off now
	return c.move(b.within(c.limit), Configured, now)
}

// Step looks at the window that is over, and reports whether it changed the limit.
func (c *Controller) Step(now mono.Time) bool {
	w := c.close(now)
	old, why := c.limit, c.reason
	if !c.relieve(&w, now) {
		switch {
		case c.mode == trying:
			c.turn(&w, now)
		case c.mode == running:
			c.run(&w, now)
		case w.full && w.calls >= minCalls/5:
			c.watch(&w, now)
		}
	}
	if c.limit == old {
		c.reason = why
	}
	c.begin(now, c.limit != old)
	return c.limit != old
}

// move changes the limit, within the bounds, outside of Step.
func (c *Controller) move(limit int, why Reason, now mono.Time) bool {
	limit = c.bounds.within(limit)
	if limit == c.limit {
		return false
	}
	c.limit, c.reason = limit, why
	c.begin(now, true)
	return true
}

func (c *Controller) set(limit int, why Reason) { c.limit, c.reason = c.bounds.within(limit), why }

// highest returns the highest limit that may be tried.
func (c *Controller) highest(now mono.Time) int {
	most := c.bounds.within(c.bounds.Max)
	if c.ceiling > 0 && now < c.ceilEnds {
		most = min(most, c.bounds.within(c.ceiling))
	}
	return most
}

const (
	// The bars: by how many percent throughput must be more for each percent more that is out, for a higher limit; and by how
	// many it may be less, for a lower one. They move with how many queue in the server: where few do, there is nothing to be
	// had from a lower limit; where many do, hardly anything from a higher one.
	growFew, growSome, growMany = 0.15, 0.25, 0.4
	cutFew, cutSome, cutMany    = -0.1, 0.05, 0.12
	// runBar is what a step up must bring for the next to follow at once.
	runBar = 0.5
	// lost: a run down ends when throughput is below that share of the best that it has seen.
	lost = 0.96

	runUp, runDown = 1.5, 0.7
	// A trial's step, up and down, as a part of the limit, is halved as long as neither direction is better, so often.
	trialUp, trialDown = 0.25, 0.2
	finest             = 2
)

// few and many are how many may queue in the server before that moves the bars, as in Vegas, by the logarithm of the limit.
func few(limit int) float64  { return 3 * math.Log10(float64(limit)+1) }
func many(limit int) float64 { return 6 * math.Log10(float64(limit)+1) }

// bar returns what the elasticity must be at least for a higher limit, or at most for a lower one, where s was seen.
func (c *Controller) bar(up bool, s *sample) float64 {
	q, n := c.queued(s), int(s.out()+0.5)
	switch {
	case up && q < few(n):
		return growFew
	case up && q > many(n):
		return growMany
	case up:
		return growSome
	case q < few(n):
		return cutFew
	case q > many(n):
		return cutMany
	default:
		return cutSome
	}
}

// step returns the limit that is a factor away, and at least one.
func step(limit int, factor float64) int {
	next := int(math.Round(float64(limit) * factor))
	if factor > 1 {
		return max(next, limit+1)
	}
	return min(next, limit-1)
}
