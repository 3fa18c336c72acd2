package adaptive

import "math"

// maxClasses is how many labels are told apart. Those beyond are taken for one, as are calls without a label.
const maxClasses = 64

// A class is what is known of the calls of one label.
type class struct {
	base  float64 // what a call takes when there are few, in ns; 0 is not known
	known bool    // by enough calls
	calls float64 // since base was last moved
	held  float64
}

const (
	// baseCalls is how many calls of a label it takes to say what they take: in one window, or in several.
	baseCalls = 30
	// What calls take with few others follows a faster window soon and a slower one late: some minutes of a full server make it
	// what is usual.
	baseDown = 1.0 / 4
	baseUp   = 1.0 / 128
)

func (c *Controller) classOf(label string) int {
	if label == "" {
		return 0
	}
	if label == c.lastLabel {
		return c.lastClass
	}
	i, ok := c.labels[label]
	if !ok && len(c.labels) < maxClasses-1 {
		if c.labels == nil {
			c.labels = make(map[string]int)
		}
		i = len(c.labels) + 1
		c.labels[label] = i
	}
	c.lastLabel, c.lastClass = label, i
	return i
}

// learn takes what calls took in the window that ends into account.
func (c *Controller) learn() {
	for i := range c.classes {
		k := &c.classes[i]
		if k.calls == 0 {
			continue
		}
		mean := k.held / k.calls
		switch enough := k.calls >= baseCalls; {
		case !k.known:
			k.base, k.known = mean, enough
		case !enough:
			continue
		case mean < k.base:
			k.base += (mean - k.base) * baseDown
		default:
			k.base += (mean - k.base) * baseUp
		}
		if k.known {
			k.calls, k.held = 0, 0
		}
	}
}

// relearn makes what calls take by themselves so much more that, in s, no more than so many queue: throughput has shown that they
// do not.
func (c *Controller) relearn(s *sample, queued float64) {
	now := c.queued(s)
	if now <= queued || s.out() <= queued {
		return
	}
	scale := (s.out() - queued) / max(s.out()-now, 0.01*s.out())
	for i := range c.classes {
		c.classes[i].base *= scale
	}
}

// A histogram counts how often its own time a call took, four buckets to each power of two.
type histogram [40]float32

const histogramLow = -8 // the bucket of a quarter

func (h *histogram) note(ratio float64) {
	i := int(math.Floor(4*math.Log2(ratio))) - histogramLow
	h[min(max(i, 0), len(h)-1)]++
}

func (h *histogram) add(o *histogram) {
	for i, n := range o {
		h[i] += n
	}
}

// quantile returns what this share of the calls stays below, about.
func (h *histogram) quantile(share float64) float64 {
	total := float32(0)
	for _, n := range h {
		total += n
	}
	rank, seen := share*float64(total), 0.0
	for i, n := range h {
		if seen += float64(n); seen >= rank && n > 0 {
			return math.Exp2((float64(i+histogramLow) + 0.5) / 4)
		}
	}
	return 0
}
