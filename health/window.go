package health

import "time"

// A Window is what happened in the time that Config.Window says, or since the monitor began to look, or since the database
// came back after it was down, whichever is shortest. Percentages are from 0 to 100.
//
// It is a window and no moving average: it has forgotten all of what is older, and its numbers can be reckoned from two
// readings of the pool's counters, so that whoever doubts one can do so. Probes of the monitor itself are left out.
type Window struct {
	// Seconds is how long it is.
	Seconds float64 `json:"seconds"`

	// Acquired are callers who got a connection, Refused those who got none. Who left of his own accord, and who was sent
	// away by Clear, Close or Drain, is in neither. Timeouts are those of the refused for whom time ran out.
	Acquired          uint64  `json:"acquired"`
	Refused           uint64  `json:"refused"`
	Timeouts          uint64  `json:"timeouts"`
	AcquiredPerSecond float64 `json:"acquiredPerSecond"`
	RefusedPercent    float64 `json:"refusedPercent"`

	// Queries are operations, Errors those that failed, Failures those of them that failed for want of the server or of
	// the connection, and OutOfTime those for which a limit or their caller's deadline ran out.
	Queries          uint64  `json:"queries"`
	Errors           uint64  `json:"errors"`
	Failures         uint64  `json:"failures"`
	OutOfTime        uint64  `json:"outOfTime"`
	QueriesPerSecond float64 `json:"queriesPerSecond"`
	ErrorRatePercent float64 `json:"errorRatePercent"`
	FailurePercent   float64 `json:"failurePercent"`

	// Waits are for a connection. Who got one at once has waited for no time. The average is of those who got one; the
	// quantiles are of those too who were refused. They are off by an eighth at most, and coarser in the second in which the
	// first wait comes after a time without any.
	AvgWaitMs float64 `json:"avgWaitMs"`
	WaitP50Ms float64 `json:"waitP50Ms"`
	WaitP99Ms float64 `json:"waitP99Ms"`
	// AvgUseMs is for how long a connection was held, AvgQueryMs how long an operation took.
	AvgUseMs   float64 `json:"avgUseMs"`
	AvgQueryMs float64 `json:"avgQueryMs"`

	// UtilizationPercent is how much of the maximum of connections was in use, over time.
	UtilizationPercent float64 `json:"utilizationPercent"`
	// Connects are connections opened, ConnectErrors attempts that failed.
	Connects      uint64 `json:"connects"`
	ConnectErrors uint64 `json:"connectErrors"`

	// What follows is of the instant: how many callers wait, for how long the first of them has, for how long a connection
	// has been held that was taken first, and how many are held for longer than the pool's leak threshold.
	Waiting       int     `json:"waiting"`
	OldestWaitMs  float64 `json:"oldestWaitMs"`
	LongestHeldMs float64 `json:"longestHeldMs"`
	Leaked        int     `json:"leaked"`
}

// between returns what happened from a to b.
func between(a, b *sample) Window {
	passed := b.at.Sub(a.at)
	seconds := passed.Seconds()
	w := Window{
		Seconds:  seconds,
		Acquired: grown(a.acquired, b.acquired), Refused: grown(a.refused, b.refused), Timeouts: grown(a.timeouts, b.timeouts),
		Queries: grown(a.queries, b.queries), Errors: grown(a.errors, b.errors), Failures: b.failed - a.failed,
		OutOfTime: b.ranOut - a.ranOut,
		Connects:  b.connects - a.connects, ConnectErrors: b.connectErrors - a.connectErrors,
		Waiting: b.waiting, OldestWaitMs: millis(b.oldest), LongestHeldMs: millis(b.longest), Leaked: b.leaked,
	}
	w.AcquiredPerSecond, w.QueriesPerSecond = ratio(float64(w.Acquired), seconds), ratio(float64(w.Queries), seconds)
	w.RefusedPercent = percent(float64(w.Refused), float64(w.Acquired+w.Refused))
	w.ErrorRatePercent = percent(float64(w.Errors), float64(max(w.Queries, w.Errors)))
	w.FailurePercent = percent(float64(w.Failures), float64(max(w.Queries, w.Failures)))
	waits := b.waitCounts.since(&a.waitCounts)
	callers := w.Acquired + w.Refused
	w.WaitP50Ms, w.WaitP99Ms = millis(waits.quantile(0.50, callers)), millis(waits.quantile(0.99, callers))
	w.AvgWaitMs = ratio(millis(b.waitTime-a.waitTime), float64(w.Acquired))
	w.AvgUseMs = ratio(millis(b.useTime-a.useTime), float64(grown(a.released, b.released)))
	w.AvgQueryMs = ratio(millis(max(0, b.queryTime-a.queryTime)), float64(w.Queries))
	w.UtilizationPercent = min(100, percent(float64(b.busy-a.busy), float64(b.capacity-a.capacity)))
	if passed <= 0 && b.max > 0 { // the first look: there is no time yet to look back on
		w.UtilizationPercent = min(100, percent(float64(b.inUse), float64(b.max)))
	}
	return w
}

// ratio is a/b, and 0 where there is nothing to divide by.
func ratio(a, b float64) float64 {
	if b <= 0 {
		return 0
	}
	return a / b
}

func percent(a, b float64) float64 { return 100 * ratio(a, b) }

func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
