package health

import (
	"fmt"
	"strconv"
	"time"
)

// A Status is what a score comes down to.
type Status uint8

// The statuses. Unknown is one that was not judged yet.
const (
	Unknown Status = iota
	Healthy
	Degraded
	Unhealthy
)

var statusNames = [...]string{"unknown", "healthy", "degraded", "unhealthy"}

// String returns the status's name.
func (s Status) String() string {
	if int(s) < len(statusNames) {
		return statusNames[s]
	}
	return "Status(" + strconv.Itoa(int(s)) + ")"
}

// MarshalText implements [encoding.TextMarshaler] by String.
func (s Status) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText implements [encoding.TextUnmarshaler]: it takes what String returns.
func (s *Status) UnmarshalText(text []byte) error {
	for i, name := range statusNames {
		if string(text) == name {
			*s = Status(i)
			return nil
		}
	}
	return fmt.Errorf("health: %q is no status: want healthy, degraded, unhealthy or unknown", text)
}

// Where one status ends and the next begins. A score must rise well above the line that it fell below to be judged better
// again, so that one that hovers about a line does not make the status flap.
const (
	healthyBelow   = 80 // is degraded
	healthyFrom    = 90 // is healthy again
	unhealthyBelow = 40 // is unhealthy
	unhealthyUntil = 50 // from here on it is degraded again
)

// A standing is the status in force, and since when.
type standing struct {
	status Status
	since  time.Time
}

// next returns the standing after a score was judged. A worse status is taken at once, a better one when the score is well
// above the line and the present status has lasted for dwell.
func (s standing) next(score int, now time.Time, dwell time.Duration) standing {
	fallen, risen := bounds(score)
	switch {
	case s.status == Unknown, fallen > s.status:
		return standing{fallen, now}
	case risen < s.status && now.Sub(s.since) >= dwell:
		return standing{risen, now}
	default:
		return s
	}
}

// bounds returns what score is, going down, and what it is, coming up.
func bounds(score int) (fallen, risen Status) {
	fallen, risen = Healthy, Healthy
	switch {
	case score < unhealthyBelow:
		fallen = Unhealthy
	case score < healthyBelow:
		fallen = Degraded
	}
	switch {
	case score < unhealthyUntil:
		risen = Unhealthy
	case score < healthyFrom:
		risen = Degraded
	}
	return fallen, risen
}
