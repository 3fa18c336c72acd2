package rules

import (
	"fmt"
	"time"
)

// A Scale makes all times of the rules shorter: 1 is what is checked in, 60 makes minutes seconds.
type Scale int

// of returns d as Prometheus writes it, in the largest unit that it is a multiple of.
func (s Scale) of(d time.Duration) string {
	d /= time.Duration(s)
	for _, unit := range []struct {
		name string
		is   time.Duration
	}{{"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}} {
		if d >= unit.is && d%unit.is == 0 {
			return fmt.Sprintf("%d%s", d/unit.is, unit.name)
		}
	}
	return fmt.Sprintf("%dms", d/time.Millisecond)
}
