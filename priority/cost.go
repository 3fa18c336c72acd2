package priority

import "time"

const (
	// maxLabels is how many labels a scheduler knows the cost of. Labels come from a program's text, so that there are few;
	// where they do not, those that were not seen for longest make room.
	maxLabels = 512
	// costKnown is how many uses of a label make an estimate. Before that, the estimate is that of all labels.
	costKnown = 8
	// costLooks is how many labels are looked at for one to forget when there are too many.
	costLooks = 8
	// costSlow is how many uses of a label make it slow. It is less than what makes an estimate: until it is known, each may
	// hold up the others.
	costSlow = 3
)

// A cost is what permits of one label took, in ns: a running mean, the mean distance from it, and the typical use, which
// half of them stay below. The typical use follows each observation by a step of a size that does not depend on how far
// off it is: one that took an hour moves it no more than one that took a little longer.
type cost struct {
	mean, off, typical float64
	statement          bool   // it is of a statement, and not of a label
	guessed            bool   // it began with a guess, which counts as one more use
	uses               uint32 // up to a number beyond which it makes no difference
	seen               uint64 // when, by the clock of the table
}

// add takes one more use into account.
func (c *cost) add(used time.Duration) {
	took := float64(used)
	if c.uses < 1<<16 {
		c.uses++
	}
	uses := float64(c.uses)
	switch {
	case c.guessed:
		uses++
	case c.uses == 1:
		c.mean, c.typical, c.off = took, took, took/4
		return
	}
	weight := max(1/uses, 1.0/16)
	away := took - c.mean
	c.mean += weight * away
	c.off += weight * (max(away, -away) - c.off)
	step := 2 * weight * c.off
	switch {
	case took > c.typical:
		c.typical = min(c.typical+step, took)
	case took < c.typical:
		c.typical = max(c.typical-step, took)
	}
}

// known reports whether there were uses enough for an estimate.
func (c *cost) known() bool { return c.uses >= costKnown }

// costs is what a scheduler learned of what permits take: by label, and all together.
type costs struct {
	all    cost
	labels map[string]*cost
	last   *cost  // the label that was looked up last, which is often the next: a comparison instead of a hash
	name   string // its name
	clock  uint64
	slow   float64 // what a slow call took, in the mean of the last, in ns
}

func newCosts() *costs { return &costs{labels: make(map[string]*cost)} }

// learn takes one more use of label, or without one of statement, into account.
func (t *costs) learn(label, statement string, used time.Duration) {
	t.all.add(used)
	kind := kindOf(label, statement)
	if kind == "" {
		return
	}
	c := t.of(kind)
	if c == nil {
		c = t.add(kind)
		c.statement = label == ""
	}
	c.add(used)
	t.clock++
	c.seen = t.clock
}

// add begins to know of a label or statement.
func (t *costs) add(kind string) *cost {
	if len(t.labels) >= maxLabels {
		t.forget()
	}
	c := &cost{seen: t.clock}
	t.labels[kind] = c
	t.last, t.name = c, kind
	return c
}

// of returns what is known of label, nil if that is nothing.
func (t *costs) of(label string) *cost {
	if t.last != nil && t.name == label {
		return t.last
	}
	c := t.labels[label]
	if c != nil {
		t.last, t.name = c, label
	}
	return c
}

// forget drops one of the labels that were not seen for long: of a few, which the map chooses, the one not seen for
// longest.
func (t *costs) forget() {
	var oldest string
	var at *cost
	looked := 0
	for label, c := range t.labels {
		if at == nil || c.seen < at.seen {
			oldest, at = label, c
		}
		if looked++; looked == costLooks {
			break
		}
	}
	delete(t.labels, oldest)
	t.last, t.name = nil, ""
}

// estimate returns the cost of a use of label: the label's own, be it a guess, else that of all; nil if neither is known.
func (t *costs) estimate(label string) *cost {
	if label != "" {
		if c := t.of(label); c != nil && c.guessed {
			return c
		}
	}
	return t.learned(label)
}

// learned is estimate without guesses: who is turned away is so because of what was seen.
func (t *costs) learned(label string) *cost {
	if label != "" {
		if c := t.of(label); c != nil && c.known() {
			return c
		}
	}
	if t.all.known() {
		return &t.all
	}
	return nil
}

// A Cost is what calls of one label, or all of them, take.
type Cost struct {
	// Label, or for calls without one Statement, is what they are told apart by. Both are empty for all calls together.
	Label, Statement string
	// Uses is how many were seen, up to 65,536; 0 if the rest is a guess: see [Scheduler.Guess].
	Uses int
	// Mean is the mean of the last of them, Typical what half of them stay below.
	Mean, Typical time.Duration
	// Slow says that those of this label count as slow: see [Limits.SlowAfter].
	Slow bool
}

// Costs returns what s has learned, the sum of all labels first. It is empty where nothing wants to know.
func (s *Scheduler) Costs() []Cost {
	if s.costs == nil {
		return nil
	}
	list := make([]Cost, 0, 1+len(s.costs.labels))
	list = append(list, s.costs.all.told())
	for kind, c := range s.costs.labels {
		told := c.told()
		if c.statement {
			told.Statement = kind
		} else {
			told.Label = kind
		}
		told.Slow = s.isSlow(kind)
		list = append(list, told)
	}
	return list
}

func (c *cost) told() Cost {
	return Cost{Uses: int(c.uses), Mean: time.Duration(c.mean), Typical: time.Duration(c.typical)}
}
