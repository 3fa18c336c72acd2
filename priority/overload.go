package priority

import (
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// A Turn says that a class became overloaded, or ceased to be: that the detector of [Limits.Shedding] changed its mind.
type Turn struct {
	Class Class
	// Overloaded says which of the two.
	Overloaded bool
	// DryRun says that nobody is turned away for it.
	DryRun bool
	// Lasted is for how long it was overloaded, and Refused how many were turned away meanwhile, or would have been, by [Shed].
	// They are 0 at the begin.
	Lasted  time.Duration
	Refused uint64
}

// Turns returns what has changed since it was called last, one turn for each class at most, nil most of the time.
func (s *Scheduler) Turns() []Turn {
	turns := s.turns
	s.turns = nil
	return turns
}

// turn notes that the detector has changed its mind of a class.
func (s *Scheduler) turn(rank int, now mono.Time) {
	v := &s.shed.vigils[rank]
	t := Turn{Class: Classes()[rank], Overloaded: v.overloaded, DryRun: !s.shed.on}
	turnedAway := s.classes[rank].refused[Shed]
	if t.DryRun {
		turnedAway = v.would[Shed]
	}
	if v.overloaded {
		v.since, v.before = now, turnedAway
	} else {
		t.Lasted = now.Sub(v.since)
		if turnedAway > v.before { // not if the mode has changed meanwhile
			t.Refused = turnedAway - v.before
		}
		v.since = 0
	}
	for i := range s.turns {
		if s.turns[i].Class == t.Class { // nobody was told of that one
			s.turns[i] = t
			return
		}
	}
	s.turns = append(s.turns, t)
}

// relieve ends the overload of a class that is not watched any more.
func (s *Scheduler) relieve(rank int) {
	if s.shed != nil && s.shed.vigils[rank].overloaded {
		s.shed.vigils[rank].overloaded = false
		s.turn(rank, mono.Now())
	}
}

// calmAt is when a class whose queue is empty is known to be overloaded no more, though nobody has come since whom it could be
// seen by; 0 if there is none.
func (s *Scheduler) calmAt() mono.Time {
	if s.shed == nil {
		return 0
	}
	var at mono.Time
	for rank := range s.shed.vigils {
		if v := &s.shed.vigils[rank]; v.overloaded && v.oldest == nil {
			if due := v.ends.Add(s.shedInterval() + 1); at == 0 || due < at {
				at = due
			}
		}
	}
	return at
}

// calm looks at the classes for which that time has come. Each look begins another interval, so it is not due again at once.
func (s *Scheduler) calm(now mono.Time) {
	if s.shed == nil {
		return
	}
	for rank := range s.shed.vigils {
		if v := &s.shed.vigils[rank]; v.overloaded && v.oldest == nil && now.Sub(v.ends) > s.shedInterval() {
			s.observe(rank, now)
		}
	}
}
