package priority

// idle is told that t may have nobody who waits and nothing that is reckoned with. Then it is forgotten, unless it owes
// something.
func (s *Scheduler) idle(t *flow) {
	if t.waiting > 0 || t.uses > 0 || t.shard || t == &s.flows.plain {
		return
	}
	if s.owes(t) {
		d := &s.flows.debtors
		t.prev, t.next, t.listed = d.prev, d, true
		t.prev.next, d.prev = t, t
		return
	}
	s.forgetFlow(t)
}

func (s *Scheduler) forgetFlow(t *flow) {
	delete(s.flows.named, t.name)
	*t = flow{}
	s.flows.spare = t
}

// busy takes t out of the list of debtors, if it is there.
func (f *flows) busy(t *flow) {
	if t.listed {
		t.prev.next, t.next.prev = t.next, t.prev
		t.next, t.prev, t.listed = nil, nil, false
	}
}

// owes reports whether t has had more than others who wait.
func (s *Scheduler) owes(t *flow) bool {
	for i := range t.lines {
		if l := &t.lines[i]; l.lane != nil && l.tag > l.lane.clock {
			return true
		}
	}
	return false
}

// prune forgets the first debtors who owe nothing any more, a few at a time, so that each that comes makes room for itself;
// of those who do, one, if there are too many.
func (s *Scheduler) prune(must bool) {
	for range 2 {
		t := s.flows.debtors.next
		if t == &s.flows.debtors || !must && s.owes(t) {
			return
		}
		must = false
		s.flows.busy(t)
		s.forgetFlow(t)
	}
}
