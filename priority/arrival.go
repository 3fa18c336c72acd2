package priority

import "github.com/poolsql/poolsql/internal/mono"

// arrive enters w in the order of arrival. It is the newest, but for one that waits a second time and keeps its first
// time.
func (s *Scheduler) arrive(w *Waiter) {
	w.state = queued
	s.waiting++
	after := s.cameBefore(w.since)
	if after == nil {
		w.newer, s.oldest = s.oldest, w
	} else {
		w.newer, after.newer = after.newer, w
	}
	w.older = after
	if w.newer == nil {
		s.newest = w
	} else {
		w.newer.older = w
	}
	if s.shed != nil {
		s.shed.vigils[w.class.rank()].arrive(w)
	}
	s.arm(w.since)
}

// cameBefore returns the last waiter that came no later than since, nil if there is none. It looks from both ends: a
// newcomer belongs at the one, and who waits a second time, having been granted a permit before, near the other.
func (s *Scheduler) cameBefore(since mono.Time) *Waiter {
	late, early := s.newest, s.oldest
	for late != nil && late.since > since {
		if early.since > since {
			return early.older
		}
		late, early = late.older, early.newer
	}
	return late
}

// depart takes w, which is off its line, out of the order of arrival.
func (s *Scheduler) depart(w *Waiter) {
	if w.older == nil {
		s.oldest = w.newer
	} else {
		w.older.newer = w.newer
	}
	if w.newer == nil {
		s.newest = w.older
	} else {
		w.newer.older = w.older
	}
	w.older, w.newer = nil, nil
	s.waiting--
	if s.shed != nil {
		v := &s.shed.vigils[w.class.rank()]
		v.depart(w)
		if v.overloaded && v.oldest == nil {
			s.arm(mono.Now()) // for the end of it, if nobody comes any more
		}
	}
}
