package health

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
)

// facts are what a score is made of.
type facts struct {
	window     Window
	maxConns   int
	waitTarget time.Duration
	// probes is how many probes in a row have failed.
	probes int
	// pgbouncerWait is for how long the oldest of PgBouncer's clients has waited for a server's connection.
	pgbouncerWait time.Duration
	// pgbouncerWaiting is how many of them wait.
	pgbouncerWaiting int64
}

// A factor takes points from the score in proportion to how far its measure is on the way from good to bad.
type factor struct {
	name      string
	good, bad float64
	weight    float64
	measure   func(*facts) float64
	words     func(*facts) string
}

// Shares are taken of at least so many, so that the first caller of the night who is turned away is no catastrophe: of one
// caller, one refused is a share of a twentieth.
const (
	leastCallers  = 20
	leastConnects = 4
)

// A wait is bad when it is this many times the target.
const badWaits = 20

// factors are in the table of the package's documentation, which a test holds against this one. The weights are chosen so that
//   - a database that does not answer is unhealthy by itself, at the second probe that finds it so;
//   - load (refused, wait and utilization) takes 60 at most, which is degraded: to take a process out of service that is merely
//     busy sends its work to those who are as busy;
//   - a pool that turns away most of its callers is unhealthy nevertheless, since it is of little use where it stands;
//   - what is only a hint (a full pool, a leak, connects that fail while others succeed) does not degrade by itself.
var factors = []factor{
	{
		name: "database", good: 0, bad: 2, weight: 100,
		measure: func(f *facts) float64 { return float64(f.probes) },
		words:   func(f *facts) string { return times(f.probes, "probe") + " of the database failed in a row" },
	},
	{
		name: "refused", good: 0, bad: 0.25, weight: 30,
		measure: refusedShare,
		words:   refusedWords,
	},
	{
		name: "starved", good: 0.50, bad: 1, weight: 40,
		measure: refusedShare,
		words:   func(*facts) string { return "most callers get nothing" },
	},
	{
		name: "failures", good: 0, bad: 0.10, weight: 40,
		measure: func(f *facts) float64 { return share(f.window.Failures, f.window.Queries, leastCallers) },
		words: func(f *facts) string {
			return fmt.Sprintf("%s failed for want of server or connection, %.1f %%",
				times(int(f.window.Failures), "operation"), f.window.FailurePercent)
		},
	},
	{
		name: "wait", good: 1, bad: badWaits, weight: 25,
		measure: func(f *facts) float64 { ms, _ := longestWait(f); return ms / millis(f.waitTarget) },
		words: func(f *facts) string {
			ms, what := longestWait(f)
			return fmt.Sprintf("%s %s over %s target", what, length(ms), length(millis(f.waitTarget)))
		},
	},
	{
		name: "connecting", good: 0, bad: 0.50, weight: 20,
		measure: func(f *facts) float64 {
			return share(f.window.ConnectErrors, f.window.Connects+f.window.ConnectErrors, leastConnects)
		},
		words: func(f *facts) string {
			return fmt.Sprintf("%d of %s to connect failed", f.window.ConnectErrors,
				times(int(f.window.Connects+f.window.ConnectErrors), "attempt"))
		},
	},
	{
		name: "leaks", good: 0, bad: 0.50, weight: 20,
		measure: func(f *facts) float64 { return share(uint64(f.window.Leaked), uint64(f.maxConns), 1) },
		words: func(f *facts) string {
			return fmt.Sprintf("%s held past the leak threshold, of %d", times(f.window.Leaked, "connection"), f.maxConns)
		},
	},
	{
		name: "utilization", good: 80, bad: 100, weight: 5,
		measure: func(f *facts) float64 { return f.window.UtilizationPercent },
		words: func(f *facts) string {
			return fmt.Sprintf("%.0f %% of %s in use", f.window.UtilizationPercent, times(f.maxConns, "connection"))
		},
	},
}

// deduct returns what the factor takes from the score.
func (c *factor) deduct(f *facts) float64 {
	return c.weight * min(1, max(0, (c.measure(f)-c.good)/(c.bad-c.good)))
}

// score returns 100 less what the factors take, and what that was, the heaviest first.
func score(f *facts) (int, []Reason) {
	total, reasons := 0.0, []Reason{}
	for i := range factors {
		c := &factors[i]
		d := c.deduct(f)
		if d <= 0 {
			continue
		}
		total += d
		if d = math.Round(d*10) / 10; d == 0 {
			continue // not worth a word
		}
		text := fmt.Sprintf("%s: -%s", c.words(f), strings.TrimSuffix(fmt.Sprintf("%.1f", d), ".0"))
		reasons = append(reasons, Reason{Factor: c.name, Deducted: d, Text: text})
	}
	slices.SortStableFunc(reasons, func(a, b Reason) int { return cmp.Compare(b.Deducted, a.Deducted) })
	return int(math.Round(max(0, 100-total))), reasons
}

// share is n of total, or of least if that is more.
func share(n, total, least uint64) float64 { return ratio(float64(n), float64(max(total, least))) }

// refusedShare is the part of the callers who got nothing: who were turned away, or got a connection too late.
func refusedShare(f *facts) float64 {
	return min(1, share(f.window.Refused+f.window.OutOfTime, f.window.Acquired+f.window.Refused, leastCallers))
}

// refusedWords says who got nothing.
func refusedWords(f *facts) string {
	w := &f.window
	part := min(100, percent(float64(w.Refused+w.OutOfTime), float64(w.Acquired+w.Refused)))
	if w.OutOfTime == 0 {
		return fmt.Sprintf("%s turned away, %.1f %%", times(int(w.Refused), "caller"), part)
	}
	return fmt.Sprintf("%s turned away and %s out of time, %.1f %%", times(int(w.Refused), "caller"), times(int(w.OutOfTime), "operation"), part)
}

// longestWait is the wait that counts, in milliseconds, and whose it is. Those who wait still are in no quantile, and may be all
// there are. Who waits at PgBouncer has a connection of the pool's meanwhile, and waits all the same.
func longestWait(f *facts) (ms float64, whose string) {
	ms, whose = f.window.WaitP99Ms, "queue wait p99"
	if f.window.OldestWaitMs > ms {
		ms, whose = f.window.OldestWaitMs, "longest wait under way"
	}
	if at := millis(f.pgbouncerWait); at > ms {
		ms, whose = at, "longest wait of "+times(int(f.pgbouncerWaiting), "client")+" at PgBouncer"
	}
	return ms, whose
}

// times is a number of things in words.
func times(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// length is a time in milliseconds in words that are short enough to read.
func length(ms float64) string {
	d := time.Duration(ms * float64(time.Millisecond))
	switch {
	case d < time.Millisecond:
		return d.Round(time.Microsecond).String()
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	default:
		return d.Round(time.Second).String()
	}
}
