package priority

import (
	"cmp"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// DefaultSlowShare is the default of [Limits.SlowShare].
const DefaultSlowShare = 25

// isSlow reports whether calls of this label are slow. One without a label, or with one that is not known, is not.
func (s *Scheduler) isSlow(label string) bool {
	if s.limits.SlowAfter <= 0 || label == "" {
		return false
	}
	c := s.costs.of(label)
	if c == nil {
		return false
	}
	limit := float64(s.limits.SlowAfter)
	if c.uses < costSlow {
		return c.guessed && c.mean > guessDoubt*limit
	}
	return c.mean > limit
}

// slowRoom reports whether one more slow call may have a permit. Beyond their share they may only have what nobody else
// wants: nobody waits, and nobody who is not slow has come for as long as a slow call takes. Were it enough that nobody waits
// at the instant, the next to come would wait for one of them.
func (s *Scheduler) slowRoom(now mono.Time) bool {
	if s.limits.SlowAfter <= 0 || s.slowHeld < s.slowMost() {
		return true
	}
	for rank := range s.classes {
		if c := &s.classes[rank]; c.quick.ready() && s.room(rank) {
			return false
		}
	}
	return s.quickAt == 0 || now >= s.slowAt()
}

func (s *Scheduler) slowMost() int {
	share, permits := cmp.Or(s.limits.SlowShare, DefaultSlowShare), s.limit
	return max(1, permits/100*share+permits%100*share/100)
}

// slowAt is when slow calls may have more than their share, if nobody else comes.
func (s *Scheduler) slowAt() mono.Time { return s.quickAt.Add(s.slowPause()) }

// slowWaits reports whether a slow call waits that could go.
func (s *Scheduler) slowWaits() bool {
	for rank := range s.classes {
		if s.classes[rank].slow.ready() {
			return true
		}
	}
	return false
}

// slowPause is what a slow call takes, roughly.
func (s *Scheduler) slowPause() time.Duration {
	return max(s.limits.SlowAfter, min(time.Duration(s.costs.slow), time.Minute))
}
