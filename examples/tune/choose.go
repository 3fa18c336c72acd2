package main

import (
	"fmt"
	"math"
	"time"

	"github.com/poolsql/poolsql/examples/internal/display"
	"github.com/poolsql/poolsql/presets"
)

// choice is the size that a measure leads to, and how it did.
type choice struct {
	index       int // the size whose figures it is made of
	instances   int
	perInstance int
	minConns    int
	missed      bool     // no size keeps the target of p99
	reasons     []string // a sentence each, in the order in which it came about
}

func (c *choice) say(format string, args ...any) {
	c.reasons = append(c.reasons, fmt.Sprintf(format, args...))
}

// choose goes from the knee to what each instance gets.
func choose(rungs []rung, f finding, s settings, srv server) choice {
	c := choice{index: f.knee, instances: s.instances}
	c.keep(rungs, s.p99, s.tolerance)
	c.divide(rungs[c.index].size, s.p99 > 0 && !c.missed)

	others := srv.othersToLeave(s.others)
	if admitted := max(srv.admitted(others, 0)/s.instances, 1); admitted < c.perInstance {
		c.say("lowered from %d to %d: the server lets in %d, less %d reserved and %d for others, for %s.",
			c.perInstance, admitted, srv.maxConnections, srv.reserved, others, count(s.instances, "instance"))
		c.perInstance = admitted
	}
	if left := srv.admitted(others, 0); left < c.perInstance*s.instances {
		c.say("THE SERVER HAS ONLY %d LEFT, which is not one for each of %d: raise max_connections, or put PgBouncer between.",
			max(left, 0), s.instances)
	}
	c.minConns = max(1, c.perInstance/5)
	return c
}

// keep moves to the largest throughput whose p99 is within target: of the sizes that keep it, the smallest within tolerance
// of the best of them.
func (c *choice) keep(rungs []rung, target time.Duration, tolerance float64) {
	if target == 0 {
		return
	}
	at := rungs[c.index]
	if at.p99() <= target {
		c.say("p99 there is %s, within the %s that you ask for.", display.Milliseconds(at.p99()), target)
		return
	}
	best := 0.0
	for _, r := range rungs {
		if r.p99() <= target {
			best = max(best, r.throughput())
		}
	}
	if best == 0 {
		c.missed = true
		c.say("NO SIZE KEEPS p99 WITHIN %s: the least is %s. No pool can make a call faster than it is alone.", target, display.Milliseconds(leastP99(rungs)))
		return
	}
	for i, r := range rungs {
		if r.p99() <= target && r.throughput() >= (1-tolerance)*best {
			c.say("p99 at %d is %s, more than the %s that you ask for. Of the sizes that keep it, %d does best: %s per second at %s.",
				at.size, display.Milliseconds(at.p99()), target, r.size, display.Rate(r.throughput()), display.Milliseconds(r.p99()))
			c.index = i
			return
		}
	}
}

func leastP99(rungs []rung) time.Duration {
	least := rungs[0].p99()
	for _, r := range rungs {
		least = min(least, r.p99())
	}
	return least
}

// divide gives each instance its part of total, rounded up: above the knee a connection costs little, below it is missed.
// If a target of p99 bounds total, the part is rounded down.
func (c *choice) divide(total int, bounded bool) {
	c.perInstance = total
	if c.instances == 1 {
		return
	}
	if bounded {
		c.perInstance = max(1, total/c.instances)
	} else {
		c.perInstance = (total + c.instances - 1) / c.instances
	}
	c.say("divided among %d instances: %d each.", c.instances, c.perInstance)
	if c.instances > total {
		c.say("1 each is already more than that: with PgBouncer between them they would share.")
	}
}

// formula is presets.OptimalSize beside the measure.
type formula struct {
	known bool // the cores are
	cores int
	total int // for the server as a whole
}

func formulaFor(cores int) formula {
	f := formula{cores: cores}
	if cores == 0 {
		return f
	}
	// For one instance and a server without limits: that is what the knee stands beside.
	size, err := presets.OptimalSize(presets.Workload{ServerCores: cores, MaxConnections: mostSize, Reserved: -1, Others: -1})
	if err != nil {
		return f
	}
	f.known, f.total = true, size.MaxConns
	return f
}

// near is the factor by which the knee may differ from the formula and still agree with it: about one step of the ladder.
const near = 1.5

// compare says how the knee stands to the formula, and why that may be, given what the connections were found at, by size:
// where more pay, what those of the knee do explains it; where more do not pay, what too many do.
func (f formula) compare(knee, top int, v verdict, shares func(size int) []share) string {
	if !f.known {
		return "The formula of presets.OptimalSize needs the cores of the server: -cores."
	}
	looked := knee
	if float64(knee) < float64(f.total)/near {
		looked = top
	}
	at := shares(looked)
	text := fmt.Sprintf("The formula of presets.OptimalSize says %d: %d cores x 2.", f.total, f.cores)
	if seen := describe(at); seen != "" {
		text += fmt.Sprintf(" It knows the cores alone. Sampled at %s: %s.", count(looked, "connection"), seen)
	}
	return text + " " + f.why(knee, v, at)
}

func (f formula) why(knee int, v verdict, at []share) string {
	ratio := float64(knee) / float64(f.total)
	switch {
	case v == tooNoisy:
		return "Whether the measure agrees is lost in the noise."
	case ratio <= near && ratio >= 1/near && v == found:
		return "The two agree."
	case ratio < 1/near:
		return below(at)
	case v == rising && ratio <= near:
		return "The measure may well end above it."
	default:
		return above(at)
	}
}

// idle is the share of the connections' time in which no core of the server worked for them.
func idle(at []share) float64 {
	if len(at) == 0 {
		return math.NaN()
	}
	sum := 0.0
	for _, s := range at {
		if s.what != atWork {
			sum += s.of
		}
	}
	return sum
}

func shareOf(at []share, whats ...string) float64 {
	sum := 0.0
	for _, s := range at {
		for _, what := range whats {
			if s.what == what {
				sum += s.of
			}
		}
	}
	return sum
}

func above(at []share) string {
	switch waited := idle(at); {
	case math.IsNaN(waited):
		return "More pay because connections are held while no core works for them: for the network, storage or locks."
	case waited <= 0.25:
		return "More pay although few wait: the server may have more cores than that, or the queue for them is short."
	case shareOf(at, atClient) > waited/2:
		return "More pay because connections are held while the program or the network is at work: others use the cores meanwhile."
	case shareOf(at, "IO", "IPC") > waited/2:
		return "More pay because others use the cores while some wait for storage."
	default:
		return "More pay because others use the cores while some wait."
	}
}

func below(at []share) string {
	switch {
	case shareOf(at, "Lock", "LWLock") > 0.2:
		return "More do not pay because they would wait for each other's locks."
	case shareOf(at, "IO", "IPC") > 0.2:
		return "More do not pay because storage does no more."
	case shareOf(at, atWork) > 0.5:
		return "More do not pay because few of these keep the cores busy: statements that use several each, or a machine that has " +
			"other work, such as this program."
	default:
		return "More do not pay because something other than the cores limits, such as this program's own machine."
	}
}
