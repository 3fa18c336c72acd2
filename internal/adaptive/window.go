package adaptive

import (
	"math"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

const (
	// A window is as long as it takes to say something: minCalls calls and minWindow, and some times what a call takes, as
	// calls that began before it end in it.
	minCalls   = 50
	minWindow  = 300 * time.Millisecond
	windowUses = 4
	// maxWindow ends a window that has too few calls.
	maxWindow = 10 * time.Second
	// After a change the next window begins when the limit is reached, which may need connections that have to be opened, or
	// after reachTime.
	minSettle = 20 * time.Millisecond
	reachTime = 3 * time.Second
	// A window counts if somebody waited at so large a share of the moments at which a call came back, and of the time, and so much of
	// the limit was used.
	fullWaits = 0.9
	fullUse   = 0.9
)

// A sample is what was seen during a window, or during several with the same limit.
type sample struct {
	calls  float64
	waited float64       // of these, how many came back while somebody waited
	failed float64       // of these, for want of time
	outs   float64       // the sum of how many were out when each came back
	held   float64       // ns
	idle   time.Duration // in which something was free and nobody wanted it
	ratio  float64       // the sum of how often its own time each took, and of the squares
	ratio2 float64
	span   time.Duration
	visits float64
	full   bool
	by     [maxClasses]float32 // calls by class
	tail   histogram
}

func (s *sample) add(t *sample) {
	s.calls += t.calls
	s.waited += t.waited
	s.failed += t.failed
	s.outs += t.outs
	s.held += t.held
	s.idle += t.idle
	s.ratio += t.ratio
	s.ratio2 += t.ratio2
	s.span += t.span
	s.visits += t.visits
	s.full = t.full
	for i, n := range t.by {
		s.by[i] += n
	}
	s.tail.add(&t.tail)
}

// out returns how many were out on average.
func (s *sample) out() float64 { return s.outs / max(1, s.calls) }

// spread returns the squared coefficient of variation of how often its own time a call took.
func (s *sample) spread() float64 {
	if s.calls < 2 || s.ratio == 0 {
		return 1
	}
	mean := s.ratio / s.calls
	return min(max(s.ratio2/s.calls/(mean*mean)-1, 0.02), 4)
}

// begin starts the next window, or the wait for it if the limit was changed.
func (c *Controller) begin(now mono.Time, changed bool) {
	c.win = sample{}
	use := min(time.Duration(c.use), maxWindow/2)
	if changed {
		c.from = 0
		c.settled = now.Add(max(minSettle, use+use/2))
		c.reach = c.settled.Add(reachTime)
		return
	}
	c.open(now)
}

func (c *Controller) open(now mono.Time) {
	use := min(time.Duration(c.use), maxWindow/2)
	c.from = now
	c.ends = now.Add(max(minWindow, windowUses*use))
	c.latest = c.ends.Add(maxWindow)
}

// reached reports whether the limit is in force now that so many are out.
func (c *Controller) reached(now mono.Time, out int) bool {
	if now < c.settled {
		return false
	}
	return now >= c.reach || out <= c.limit && out >= c.usable()
}

// usable is how many all but High may have.
func (c *Controller) usable() int { return max(1, c.limit-c.bounds.Reserve) }

// Done tells c that a call came back while so many were out, itself included, and whether anybody waited then. It reports whether the
// window is over: then Step is to be called.
func (c *Controller) Done(now mono.Time, label string, held time.Duration, out int, waiting bool) bool {
	// What comes back is handed on while anybody waits. So whoever began after the last came back, and has come back before any other,
	// found something free.
	idle := now.Sub(c.last) - held
	c.last = now
	took := float64(max(held, 1))
	if c.use == 0 {
		c.use = took
	}
	c.use += (took - c.use) / 32
	if c.from == 0 {
		if c.reached(now, out) {
			c.open(now)
		}
		return false
	}
	i := c.classOf(label)
	k := &c.classes[i]
	k.calls++
	k.held += took
	r := 1.0
	if k.base > 0 {
		r = took / k.base
	}
	w := &c.win
	w.calls++
	w.by[i]++
	w.outs += float64(out)
	w.idle += max(idle, 0)
	w.held += min(took, float64(c.ends.Sub(c.from))) // of a longer one, what was in this window
	if waiting {
		w.waited++
	}
	w.ratio += r
	w.ratio2 += r * r
	w.tail.note(r)
	return now >= c.ends && (w.calls >= minCalls || now >= c.latest)
}

// close ends the window and returns it.
func (c *Controller) close(now mono.Time) sample {
	w := c.win
	w.span, w.visits = max(now.Sub(c.from), 1), 1
	w.failed = min(float64(c.faults), w.calls)
	c.faults = 0
	w.full = w.calls > 0 && w.waited >= fullWaits*w.calls && w.out() >= fullUse*float64(c.usable()) && float64(w.idle) <= (1-fullWaits)*float64(w.span)
	c.learn()
	return w
}

// work returns what the calls of s would have taken by themselves, in ns; of one that takes longer than a window, no more than that.
func (c *Controller) work(s *sample) float64 {
	longest, work := float64(s.span)/max(1, s.visits), 0.0
	for i, n := range s.by {
		work += float64(n) * min(c.classes[i].base, longest)
	}
	return work
}

// rate returns how much got done, as the number of connections that it would have kept busy with nothing else on the server.
func (c *Controller) rate(s *sample) float64 {
	work := c.work(s)
	if s.calls > 0 {
		work *= 1 - s.failed/s.calls
	}
	return work / float64(max(s.span, 1))
}

// queued returns how many of those who were out waited in the server, as far as is known what calls take by themselves.
func (c *Controller) queued(s *sample) float64 {
	return s.out() * (1 - min(1, c.work(s)/max(s.held, 1)))
}

// elasticity returns by how many percent throughput is more in b for each percent more that was out than in a, and the standard
// error of that. ok is false if about as many were out.
func (c *Controller) elasticity(a, b *sample) (e, off float64, ok bool) {
	more := math.Log(b.out() / a.out())
	xa, xb := c.rate(a), c.rate(b)
	if math.Abs(more) < 0.04 || xa <= 0 || a.calls == 0 || b.calls == 0 {
		return 0, 0, false
	}
	if xb <= 0 {
		xb = xa / 1000
	}
	spread := (a.spread() + b.spread()) / 2
	variance := spread*(1/a.calls+1/b.calls) + c.noise*c.noise*(1/a.visits+1/b.visits)
	return math.Log(xb/xa) / more, math.Sqrt(variance) / math.Abs(more), true
}

const (
	// firstNoise is by how much the throughput of a window is taken to differ from that of others, as a logarithm, where nothing else
	// does: for other programs, checkpoints. What it is, is learned, within bounds.
	firstNoise = 0.03
	leastNoise = 0.02
	mostNoise  = 0.2
	// noisy is from which on trials take twice the step: half as much again, or two fifths less.
	noisy = 0.06
)
