package health

import "math"

// A hello is what a stream begins with.
type hello struct {
	Build  string  `json:"build"`
	Points []point `json:"points"`
	Tick   *tick   `json:"tick"`
}

// A point is one second of the past, as charts.js has it: the time in milliseconds since 1970, and then how many callers were
// lent a connection, how many were turned away, and how many operations failed, each a second; the 50th and the 99th
// percentile of the waits; how long connections that came back had been held on average, and for how long who had held one
// for the longest had held it, all in milliseconds; how many were in use; and how many callers waited. What nothing was
// measured of is nil.
type point [10]*float64

// pointsTold is how many points are in each tick, for those who missed one or two.
const pointsTold = 5

// leastBetween is how long the second of a point is at least: what happened in a moment makes a rate that never was.
const leastBetween = sampleEvery / 3

func pointsOf(past []Point) []point {
	points := make([]point, 0, len(past))
	values := make([]float64, 0, len(past)*len(point{})) // in one piece; it never grows, so that pointers to them last
	for i := range past {
		p := &past[i]
		if i > 0 && p.At.Sub(past[i-1].At) < leastBetween {
			continue
		}
		var to point
		at := 0
		add := func(v float64, measured bool) {
			if measured {
				values = append(values, math.Round(v*1000)/1000)
				to[at] = &values[len(values)-1]
			}
			at++
		}
		waited := p.AcquiredPerSecond > 0 || p.WaitP99Ms > 0
		add(float64(p.At.UnixMilli()), true)
		add(p.AcquiredPerSecond, true)
		add(p.RefusedPerSecond, true)
		add(p.ErrorsPerSecond, true)
		add(p.WaitP50Ms, waited)
		add(p.WaitP99Ms, waited)
		add(p.AvgUseMs, p.AvgUseMs > 0)
		add(p.LongestHeldMs, p.InUse > 0)
		add(float64(p.InUse), true)
		add(float64(p.Waiting), true)
		points = append(points, to)
	}
	return points
}
