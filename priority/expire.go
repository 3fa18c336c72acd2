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
	s.calm(now)
	s.arm(now)
}

// arm sees to it that the alarm rings no later than the oldest waiter expires. One timer serves them all: a timer a
// waiter would double what a waiter costs, and they expire in the order they came. It may ring early, for one that has
// left since; then it is set anew, which is cheaper than setting it whenever the queue's head changes. judged is when it was last
// looked whether somebody may go, or earlier.
func (s *Scheduler) arm(judged mono.Time) {
	at := s.alarmDue(judged)
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

// alarmDue returns when the alarm is to ring: when the oldest waiter expires, when slow calls may have more than their
// share, or when overload has to be over, whichever is first; 0 is never. If that was so already when it was last looked, something else keeps them waiting; if
// it has become so since, the alarm is to ring at once.
func (s *Scheduler) alarmDue(judged mono.Time) mono.Time {
	at := s.calmAt()
	if s.oldest == nil {
		return at
	}
	if s.limits.MaxWait > 0 {
		if due := s.oldest.since.Add(s.limits.MaxWait); at == 0 || due < at {
			at = due
		}
	}
	if s.limits.SlowAfter > 0 && s.quickAt != 0 && s.slowWaits() {
		if due := s.slowAt(); (at == 0 || due < at) && due > judged {
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
