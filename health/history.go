package health

import "time"

// A Point is what happened in one second or so.
type Point struct {
	At time.Time `json:"at"`
	// Rates are per second.
	AcquiredPerSecond float64 `json:"acquiredPerSecond"`
	RefusedPerSecond  float64 `json:"refusedPerSecond"`
	QueriesPerSecond  float64 `json:"queriesPerSecond"`
	ErrorsPerSecond   float64 `json:"errorsPerSecond"`
	AvgWaitMs         float64 `json:"avgWaitMs"`
	WaitP50Ms         float64 `json:"waitP50Ms"`
	WaitP99Ms         float64 `json:"waitP99Ms"`
	AvgUseMs          float64 `json:"avgUseMs"`
	AvgQueryMs        float64 `json:"avgQueryMs"`
	// UtilizationPercent is of the maximum, over the time since the point before.
	UtilizationPercent float64 `json:"utilizationPercent"`
	// LongestHeldMs, InUse, Waiting and Score are of the instant.
	LongestHeldMs float64 `json:"longestHeldMs"`
	InUse         int     `json:"inUse"`
	Waiting       int     `json:"waiting"`
	Score         int     `json:"score"`
}

// historyLength is how many points are kept.
const historyLength = int(maxWindow / sampleEvery)

// A history is the last points. It grows as they come, so that a monitor that never looks has none.
type history struct {
	ring []Point
	next int // where the next goes once the ring is full
}

func (h *history) add(score int, before, now *sample) {
	w := between(before, now)
	p := Point{
		At:                now.at,
		AcquiredPerSecond: w.AcquiredPerSecond, RefusedPerSecond: ratio(float64(w.Refused), w.Seconds),
		QueriesPerSecond: w.QueriesPerSecond, ErrorsPerSecond: ratio(float64(w.Errors), w.Seconds),
		AvgWaitMs: w.AvgWaitMs, WaitP50Ms: w.WaitP50Ms, WaitP99Ms: w.WaitP99Ms, AvgUseMs: w.AvgUseMs, AvgQueryMs: w.AvgQueryMs,
		UtilizationPercent: w.UtilizationPercent, LongestHeldMs: w.LongestHeldMs, InUse: now.inUse, Waiting: now.waiting, Score: score,
	}
	if len(h.ring) < historyLength {
		h.ring = append(h.ring, p)
		return
	}
	h.ring[h.next] = p
	h.next = (h.next + 1) % historyLength
}

// History returns what happened in the last five minutes, the oldest point first, one for each second since Start. Without
// a Start there is one for each Report.
func (m *Monitor) History() []Point {
	m.mu.Lock()
	defer m.mu.Unlock()
	points := make([]Point, 0, len(m.history.ring))
	points = append(points, m.history.ring[m.history.next:]...)
	return append(points, m.history.ring[:m.history.next]...)
}
