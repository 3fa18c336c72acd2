package adaptive

import (
	"math"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

const (
	// The pause between two trials is the first after a change, and twice as long each time that neither direction was better, up
	// to the longest, so that a server that has changed is found out within that. A limit at its upper bound with no queue in the
	// server is tried less often.
	firstPause = time.Second
	maxPause   = 5 * time.Second
	topPause   = 10 * time.Second
	maxVisits  = 8
	// strange is by how much throughput differs from what was usual, as a logarithm, when it is worth a trial at once.
	strange = 0.3
)

// A trial compares the limit in force with another. The two take turns, one two two one, so that what changes
// meanwhile by itself is in both.
type trial struct {
	home, away int
	arms       [2]sample // what was seen at each
	visits     int
}

// arm returns which of the two limits the visit of this number is to: 0 is home.
func arm(visit int) int { return (visit + 1) / 2 % 2 }

// rest ends a run or trial. The next trial begins after a pause.
func (c *Controller) rest(now mono.Time, pause time.Duration) {
	c.mode, c.probeAt = steady, now.Add(pause)
	c.usual, c.odd = sample{}, 0
	c.trial = trial{}
}

// watch is for a window at rest.
func (c *Controller) watch(w *sample, now mono.Time) {
	if c.usual.calls > 0 {
		if c.strange(w, now) {
			return
		}
		c.hear(w)
		if c.usual.visits >= 8 { // and so it follows slowly
			c.usual = sample{}
		}
	}
	c.usual.add(w)
	if now >= c.probeAt {
		c.probe(w, now)
	}
}

// hear learns from two windows at one limit by how much throughput differs where nothing does.
func (c *Controller) hear(w *sample) {
	was, is := c.rate(&c.usual), c.rate(w)
	if c.odd > 0 || was <= 0 || is <= 0 {
		return
	}
	differs := math.Log(is/was) / math.Sqrt(1+1/c.usual.visits)
	c.noise = min(max(math.Sqrt(c.noise*c.noise*7/8+differs*differs/8), leastNoise), mostNoise)
}

// strange looks for a sudden change, and reports whether it changed the limit for it.
func (c *Controller) strange(w *sample, now mono.Time) bool {
	was, is := c.rate(&c.usual), c.rate(w)
	if was <= 0 || is <= 0 {
		return false
	}
	change := math.Log(is / was)
	slower := w.tail.quantile(0.9) / max(c.usual.tail.quantile(0.9), 0.01)
	if math.Abs(change) < strange && slower < 2 {
		c.odd = 0
		return false
	}
	if c.odd++; c.odd < 2 {
		return true // it stays out of what is usual
	}
	c.pause, c.rejected, c.fine = firstPause, [2]bool{}, 0
	c.rest(now, 0)
	if slower >= 2 && change < 0.05 && c.limit > c.bounds.within(0) {
		c.set(min(int(float64(c.limit)*0.9), c.limit-1), Latency)
		return true
	}
	return false
}

// probe begins a trial, if there is another limit to try.
func (c *Controller) probe(w *sample, now mono.Time) {
	up, ok := c.direction(w, now)
	if !ok {
		c.probeAt = now.Add(topPause)
		return
	}
	c.up, c.mode = up, trying
	c.trial = trial{home: c.limit, visits: 1}
	c.trial.arms[0].add(w)
	fine := c.fine
	if c.noise > noisy {
		fine = -1
	}
	c.trial.away = max(step(c.limit, 1-math.Ldexp(trialDown, -fine)), c.bounds.within(0))
	if up {
		c.trial.away = min(step(c.limit, 1+math.Ldexp(trialUp, -fine)), c.highest(now))
	}
	c.set(c.trial.away, Probe)
}

// direction returns what to try next: what the queue in the server suggests, unless that was tried in vain.
func (c *Controller) direction(w *sample, now mono.Time) (up, ok bool) {
	canUp, canDown := c.limit < c.highest(now), c.limit > c.bounds.within(0)
	q := c.queued(w)
	if !canUp && (q < few(c.limit) && c.rejected[0] || !canDown) {
		c.rejected[0] = false
		return false, false
	}
	up = q < (few(c.limit)+many(c.limit))/2
	if c.trend != 0 {
		up = c.trend > 0
	}
	if c.rejected[way(up)] {
		up = !up
	}
	if up && !canUp || !up && !canDown {
		up = !up
	}
	return up, true
}

func way(up bool) int {
	if up {
		return 1
	}
	return 0
}

// turn is for a window of a trial.
func (c *Controller) turn(w *sample, now mono.Time) {
	t := &c.trial
	at := arm(t.visits)
	if !w.full && (at == 0 || !c.up || w.out() < 1.02*t.arms[0].out()) { // it is not the limit that decides
		c.set(t.home, Back)
		c.rest(now, c.pause)
		return
	}
	t.arms[at].add(w)
	t.visits++
	if t.visits%2 == 0 {
		e, off, ok := c.elasticity(&t.arms[0], &t.arms[1])
		switch decided, better := c.decide(e, off, ok); {
		case better:
			c.accept(now)
			return
		case decided:
			c.reject(e, now)
			return
		}
	}
	next := t.home
	if arm(t.visits) == 1 {
		next = t.away
	}
	if next != c.limit {
		c.set(next, Probe)
	}
}

// decide says whether a trial is decided, and whether for the other limit: the longer it lasts the less sure it has to be.
func (c *Controller) decide(e, off float64, ok bool) (decided, better bool) {
	t := &c.trial
	if !ok {
		return true, false
	}
	bar := c.bar(c.up, &t.arms[0])
	better = e >= bar
	if !c.up {
		better = e <= bar
	}
	sure := 2 - 0.5*float64(t.visits/2-1)
	decided = t.visits >= maxVisits || math.Abs(e-bar) > max(sure, 0.5)*off
	return decided, decided && better
}

func (c *Controller) accept(now mono.Time) {
	t := &c.trial
	why := Grow
	if !c.up {
		why = c.lowered(&t.arms[0], &t.arms[1])
	} else if n := int(t.arms[0].out()); c.queued(&t.arms[0]) > many(n) {
		c.relearn(&t.arms[0], few(n))
	}
	c.before, c.from0 = t.arms[1], t.away
	c.rejected, c.pause = [2]bool{}, firstPause
	c.set(t.away, why)
	if c.fine > 0 { // the best is near, or it was: so the next step is larger, and in the same direction
		c.fine--
		c.trend = 2*way(c.up) - 1
		c.rest(now, 0)
		return
	}
	c.startRun(c.up, now)
}

// lowered says why a lower limit was taken, by what was seen at the higher and at the lower.
func (c *Controller) lowered(high, low *sample) Reason {
	if c.rate(low) > 1.05*c.rate(high) {
		return Crowded
	}
	return Flat
}

func (c *Controller) reject(e float64, now mono.Time) {
	t := &c.trial
	c.trend = 0
	if !c.up && e >= 0.5 {
		c.relearn(&t.arms[0], few(int(t.arms[0].out())))
	}
	c.rejected[way(c.up)] = true
	pause := c.pause / 2
	if c.rejected[0] && c.rejected[1] {
		c.rejected = [2]bool{}
		if c.fine++; c.fine > finest {
			c.fine = 0
			c.pause = min(2*c.pause, maxPause)
		}
		pause = c.pause
	}
	c.set(t.home, Back)
	c.rest(now, pause)
}

// startRun goes on in a direction that has proved to be good. What was seen at the present limit is in before.
func (c *Controller) startRun(up bool, now mono.Time) {
	c.mode, c.up, c.trial, c.fine, c.trend = running, up, trial{}, 0, 0
	c.best = c.rate(&c.before)
	next := max(step(c.limit, runDown), c.bounds.within(0))
	if up {
		next = min(step(c.limit, runUp), c.highest(now))
	}
	if next == c.limit {
		c.rest(now, c.pause)
		return
	}
	c.from0 = c.limit
	c.set(next, c.reason)
}

// run is for a window after a step of a run.
func (c *Controller) run(w *sample, now mono.Time) {
	if c.before.calls == 0 { // the first of all
		if !w.full || w.calls < minCalls/5 {
			return
		}
		c.before = *w
		c.reason = Grow
		c.startRun(true, now)
		return
	}
	e, _, ok := c.elasticity(&c.before, w)
	if !ok || !w.full && (!c.up || w.out() < 1.02*c.before.out()) {
		if c.up {
			c.set(c.from0, Back)
		}
		c.rest(now, c.pause)
		return
	}
	bar := c.bar(c.up, &c.before)
	switch rate := c.rate(w); {
	case c.up && e >= runBar && w.full:
		c.before, c.reason = *w, Grow
		c.startRun(true, now)
	case c.up && e >= bar:
		c.rest(now, 0)
	case !c.up && e <= bar && rate >= lost*c.best:
		best := max(c.best, rate)
		why := c.lowered(&c.before, w)
		c.before, c.reason = *w, why
		c.startRun(false, now)
		c.best = best
	default:
		c.set(c.from0, Back)
		c.rest(now, c.pause)
	}
}
