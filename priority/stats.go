package priority

import "time"

// ClassStats are the numbers of one class. Counters count from the start.
type ClassStats struct {
	Class Class
	// Waiting is how many callers wait now.
	Waiting int
	// Held is how many permits are out now.
	Held int
	// Granted is how many permits were given, and Waits how many of them not at once. One that was granted in the instant
	// in which its caller's context ended, and so went to the next, is among them, and its caller among the refused.
	Granted, Waits uint64
	// WaitTime is how long those who had to wait, and were granted a permit, waited together.
	WaitTime time.Duration
	// Refused is how many callers were turned away, by reason; reasons that did not occur are absent.
	Refused map[Reason]uint64
	// Overloaded says that more comes than goes: see [Limits.Shedding].
	Overloaded bool
	// OverloadedSince is when that began, zero if it is not so.
	OverloadedSince time.Time
	// WouldRefuse is how many ShedDryRun let wait that ShedOn would have turned away, by reason, since Shedding was last
	// ShedOff.
	// It is a little different from what ShedOn does, as whoever it would turn away is in the way of others here.
	WouldRefuse map[Reason]uint64
}

// RefusedTotal returns how many callers were turned away, for whatever reason.
func (s ClassStats) RefusedTotal() uint64 {
	var n uint64
	for _, v := range s.Refused {
		n += v
	}
	return n
}

// Stats are the numbers of a semaphore or scheduler at one instant.
type Stats struct {
	// Limit is how many permits there are, InUse how many of them are out.
	Limit, InUse int
	// Waiting is how many callers wait, of all classes.
	Waiting int
	// SlowHeld is how many permits calls with slow labels hold, SlowShare how many of the permits are theirs. What they hold beyond
	// that they have borrowed. Both are 0 without [Limits.SlowAfter].
	SlowHeld, SlowShare int
	// HeldBack is how many of those who wait do so because their tenant holds as many permits as it may.
	HeldBack int
	// Classes are the numbers of each class, High first.
	Classes [NumClasses]ClassStats
}

// Class returns the numbers of class c.
func (s Stats) Class(c Class) ClassStats { return s.Classes[c.rank()] }

// Stats returns the numbers of the instant.
func (s *Scheduler) Stats() Stats {
	stats := Stats{Limit: s.limit, InUse: s.out, Waiting: s.waiting, HeldBack: s.flows.full}
	if s.limits.SlowAfter > 0 {
		stats.SlowHeld, stats.SlowShare = s.slowHeld, s.slowMost()
	}
	for rank, class := range Classes() {
		c := &s.classes[rank]
		cs := ClassStats{
			Class: class, Waiting: c.waiting, Held: c.held,
			Granted: c.granted, Waits: c.waits, WaitTime: time.Duration(c.waited),
		}
		cs.Refused = byReason(&c.refused)
		if s.shed != nil {
			v := &s.shed.vigils[rank]
			cs.Overloaded, cs.WouldRefuse = v.overloaded, byReason(&v.would)
			if v.overloaded {
				cs.OverloadedSince = v.since.Wall()
			}
		}
		stats.Classes[rank] = cs
	}
	return stats
}

// byReason returns the counters that are not zero, nil if there is none.
func byReason(counts *[numReasons]uint64) map[Reason]uint64 {
	var by map[Reason]uint64
	for reason, n := range counts {
		if n == 0 {
			continue
		}
		if by == nil {
			by = make(map[Reason]uint64, len(counts))
		}
		by[Reason(reason)] = n
	}
	return by
}

// CountRefusal counts a caller of class c that its owner turned away without queuing it.
func (s *Scheduler) CountRefusal(c Class, reason Reason) { s.classes[c.rank()].refused[reason]++ }
