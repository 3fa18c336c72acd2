// Package mono is a monotonic clock in one machine word.
//
// The hot path stamps every operation twice. A time.Time is three words and its wall-clock half costs as much again as
// the monotonic half, which is all that durations need.
package mono

import (
	"math"
	"time"
)

// base is where the clock starts. Only differences of times mean something.
var base = time.Now()

// A Time is the nanoseconds since this process started. The zero value stands for "never" where a type says so.
type Time int64

// Now returns the current time. It is never 0, so that 0 can stand for "never".
func Now() Time { return Time(time.Since(base)) | 1 }

// Since returns how long ago t was.
func Since(t Time) time.Duration { return Now().Sub(t) }

// Add returns the time d later than t, or the last there is where the clock cannot count that far: people write "for
// ever" as the longest Duration.
func (t Time) Add(d time.Duration) Time {
	sum := t + Time(d)
	if d > 0 && sum < t {
		return math.MaxInt64
	}
	return sum
}

// Sub returns the time that passed from u to t.
func (t Time) Sub(u Time) time.Duration { return time.Duration(t - u) }

// Wall returns t on the wall clock, reckoned back from the current time, so that a clock set in between does not
// show in it.
func (t Time) Wall() time.Time { return time.Now().Add(-Since(t)) }
