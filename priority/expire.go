package priority

import (
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// Expire turns away everybody who has waited for MaxWait, and sets the alarm for the next.
func (s *Scheduler) Expire(now Time, b *Batch) {
	s.alarmAt = 0
	if s.limits.MaxWait > 0 {
		for w := s.oldest; w != nil && now.Sub(w.since) >= s.limits.MaxWait; w = s.oldest {
			s.refuse(w, Timeout, nil, b)
		}
	}
	s.arm()
}

// arm sees to it that the alarm rings no later than the oldest waiter expires. One timer serves them all: a timer a
// waiter would double what a waiter costs, and they expire in the order they came. It may ring early, for one that has
// left since; then it is set anew, which is cheaper than setting it whenever the queue's head changes.
func (s *Scheduler) arm() {
	at := s.alarmDue()
	if at == 0 || s.alarmAt != 0 && s.alarmAt <= at {
		return
	}
	s.alarmAt = at
	wait := max(0, at.Sub(mono.Now()))
	if s.alarm == nil {
		s.alarm = time.AfterFunc(wait, s.ring)
		return
	}
	s.alarm.Reset(wait)
}

// alarmDue returns when the alarm is to ring: when the oldest waiter expires, or when slow calls may have more than their
// share, if that is earlier; 0 is never.
func (s *Scheduler) alarmDue() mono.Time {
	var at mono.Time
	if s.oldest == nil {
		return 0
	}
	if s.limits.MaxWait > 0 {
		at = s.oldest.since.Add(s.limits.MaxWait)
	}
	if s.limits.SlowAfter > 0 && s.quickAt != 0 && s.slowWaits() {
		if due := s.slowAt(); (at == 0 || due < at) && due > mono.Now() {
			at = due
		}
	}
	return at
}

// Stop ends the alarm. Waiters that are left do not expire any more.
func (s *Scheduler) Stop() {
	if s.alarm != nil {
		s.alarm.Stop()
	}
}
