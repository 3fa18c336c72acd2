package adaptive_test

import (
	"container/heap"
	"math"
	"math/rand/v2"
	"time"

	"github.com/poolsql/poolsql/internal/adaptive"
	"github.com/poolsql/poolsql/internal/mono"
)

// A law is what a call takes in a database that works on n at once.
type law func(n int) time.Duration

// cpuBound has so many cores: beyond them throughput is flat, and each takes longer.
func cpuBound(cores int, work time.Duration) law {
	return func(n int) time.Duration { return time.Duration(float64(work) * max(1, float64(n)/float64(cores))) }
}

// lockBound is best with so many at once: beyond them throughput falls.
func lockBound(knee int, work time.Duration) law {
	return func(n int) time.Duration {
		if n <= knee {
			return work
		}
		over := float64(n - knee)
		return time.Duration(float64(work) * float64(n) / float64(knee) * (1 + 0.05*over))
	}
}

// latencyBound has room for all.
func latencyBound(work time.Duration) law { return func(int) time.Duration { return work } }

// contended is what servers do: calls wait for each other a little, and the more of them, the more. Throughput is as
// n / (1 + s(n-1) + kn(n-1)), the universal scalability law of N. Gunther.
func contended(s, k float64, work time.Duration) law {
	return func(n int) time.Duration {
		m := float64(n)
		return time.Duration(float64(work) * (1 + s*(m-1) + k*m*(m-1)))
	}
}

// A world is a database behind a limit, and callers who never stop, or come at random.
type world struct {
	law    law
	rng    *rand.Rand
	spread float64                            // 0: all calls are alike; 1: exponential
	label  func(*rand.Rand) (string, float64) // a call's label, and how much longer than the law it takes; nil is none
	rate   float64                            // arrivals a second; 0 is callers enough to fill any limit

	now     mono.Time
	running calls
	waiting int
	arrives mono.Time
	done    int
	limits  []int // at each step
	reasons []adaptive.Reason
	weather float64 // by how much everything takes more or less for some tenths of a second, as a logarithm
	sky     float64
	skyAt   mono.Time
	failing float64 // the share of calls that run out of time
	work    float64
}

type call struct {
	ends, began mono.Time
	label       string
	size        float64
}

type calls []call

func (c calls) Len() int           { return len(c) }
func (c calls) Less(i, j int) bool { return c[i].ends < c[j].ends }
func (c calls) Swap(i, j int)      { c[i], c[j] = c[j], c[i] }
func (c *calls) Push(x any)        { *c = append(*c, x.(call)) }
func (c *calls) Pop() any {
	last := (*c)[len(*c)-1]
	*c = (*c)[:len(*c)-1]
	return last
}

func newWorld(l law, seed uint64) *world {
	return &world{law: l, rng: rand.New(rand.NewPCG(seed, 1)), now: 1}
}

func (w *world) start() {
	c := call{began: w.now, size: 1}
	if w.label != nil {
		c.label, c.size = w.label(w.rng)
	}
	for w.weather > 0 && w.skyAt < w.now {
		w.sky = 0.8*w.sky + 0.6*w.rng.NormFloat64()
		w.skyAt = w.skyAt.Add(100 * time.Millisecond)
	}
	took := math.Exp(w.weather*w.sky) * float64(w.law(len(w.running)+1)) * c.size * (1 - w.spread + w.spread*w.rng.ExpFloat64())
	c.ends = w.now.Add(max(1, time.Duration(took)))
	heap.Push(&w.running, c)
}

// run lets time pass, and returns how much got done a second.
func (w *world) run(l *adaptive.Controller, d time.Duration) float64 {
	until := w.now.Add(d)
	w.done, w.work, w.limits, w.reasons = 0, 0, nil, nil
	for {
		w.fill(l)
		next := until
		if len(w.running) > 0 {
			next = w.running[0].ends
		}
		if w.rate > 0 && w.arrives < next {
			w.now = max(w.now, w.arrives)
			if w.now >= until {
				break
			}
			w.arrives = w.now.Add(time.Duration(w.rng.ExpFloat64() / w.rate * float64(time.Second)))
			if len(w.running) < l.Limit() && w.waiting == 0 {
				w.start()
			} else {
				w.waiting++
			}
			continue
		}
		if next >= until {
			break
		}
		w.now = next
		out := len(w.running)
		c := heap.Pop(&w.running).(call)
		w.done++
		w.work += c.size
		if w.failing > 0 && w.rng.Float64() < w.failing {
			l.Note(adaptive.TimedOut, out, w.now)
		}
		if l.Done(w.now, c.label, w.now.Sub(c.began), out, w.rate == 0 || w.waiting > 0) {
			l.Step(w.now)
			w.reasons = append(w.reasons, l.Reason())
			w.limits = append(w.limits, l.Limit())
		}
	}
	w.now = until
	return w.work / d.Seconds()
}

// pause has what runs end, and nobody come, for a while.
func (w *world) pause(l *adaptive.Controller, d time.Duration) {
	until := w.now.Add(d)
	for len(w.running) > 0 {
		c := heap.Pop(&w.running).(call)
		w.now = max(w.now, c.ends)
		if l.Done(w.now, c.label, w.now.Sub(c.began), len(w.running)+1, false) {
			l.Step(w.now)
		}
	}
	w.now = max(w.now, until)
}

func (w *world) fill(l *adaptive.Controller) {
	for len(w.running) < l.Limit() && (w.rate == 0 || w.waiting > 0) {
		if w.rate > 0 {
			w.waiting--
		}
		w.start()
	}
}

// best returns the throughput of the best fixed limit up to most, and that limit.
func best(l law, most int) (rate float64, limit int) {
	for n := 1; n <= most; n++ {
		if got := float64(n) / l(n).Seconds(); got > rate*1.001 {
			rate, limit = got, n
		}
	}
	return rate, limit
}
