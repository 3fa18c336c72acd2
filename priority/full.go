package priority

// fill takes the lines of t out of the heaps if it holds as much as it may, or puts them back.
func (s *Scheduler) fill(t *flow) {
	most := s.limits.TenantPermits
	full := most > 0 && t.uses >= most && t != &s.flows.plain
	if full == t.full {
		return
	}
	t.full = full
	if full {
		s.flows.full += t.waiting
	} else {
		s.flows.full -= t.waiting
	}
	for i := range t.lines {
		switch l := &t.lines[i]; {
		case full && l.at > 0:
			l.lane.exit(l)
		case !full && l.waiting > 0:
			l.lane.enter(l)
		}
	}
}

// refill looks at all flows anew, since what they may hold, or their weight, has changed.
func (s *Scheduler) refill() {
	look := func(t *flow, weight float64) {
		for i := range t.lines {
			if l := &t.lines[i]; l.at > 0 {
				l.lane.weight += weight - t.weight
			}
		}
		t.weight = weight
		s.fill(t)
	}
	for name, t := range s.flows.named {
		look(t, s.weightOf(name))
	}
	if s.flows.shards != nil {
		for i := range s.flows.shards {
			look(&s.flows.shards[i], 1)
		}
	}
}

// Wanting returns how many of those who wait one more permit may help: not those of tenants who hold as much as they may.
func (s *Scheduler) Wanting() int { return s.waiting - s.flows.full }
