package priority

// lineOf returns the line that w joins in its lane.
func (s *Scheduler) lineOf(w *Waiter) *line {
	q := s.laneOf(w)
	t := &s.flows.plain
	if w.tenant != "" {
		t = s.flowOf(w.tenant)
		s.flows.busy(t)
	}
	l := &t.lines[q.index()]
	if l.lane == nil {
		l.flow, l.lane = t, q
	}
	return l
}

// laneOf returns the lane that w waits in.
func (s *Scheduler) laneOf(w *Waiter) *lane {
	rank := w.class.rank()
	if w.traits&slowly != 0 {
		return &s.classes[rank].slow
	}
	return &s.classes[rank].quick
}

func (q *lane) index() int {
	if q.slow {
		return 2*q.rank + 1
	}
	return 2 * q.rank
}

// join puts w at the end of its line.
func (s *Scheduler) join(w *Waiter) {
	l := s.lineOf(w)
	l.pushBack(w)
	s.joined(l, w)
}

// joinFront puts w before everybody of its lane. It costs its tenant no turn: w had one before. Where tenants may hold only so
// much it stands before the others of its tenant, which may have taken what it lost.
func (s *Scheduler) joinFront(w *Waiter) {
	if s.limits.TenantPermits > 0 && w.tenant != "" {
		l := s.lineOf(w)
		l.pushFront(w)
		s.joined(l, w)
		return
	}
	q := s.laneOf(w)
	q.front.lane = q
	q.front.pushFront(w)
	q.class.waiting++
}

func (s *Scheduler) joined(l *line, w *Waiter) {
	l.lane.class.waiting++
	l.flow.waiting++
	switch {
	case l.flow.full:
		s.flows.full++
	case l.at == 0:
		if len(l.lane.heap) == 0 {
			l.lane.wake(w.since)
		}
		l.lane.enter(l)
	}
}

// part takes w off its line.
func (s *Scheduler) part(w *Waiter) {
	l := w.line
	q := l.lane
	l.remove(w)
	c := q.class
	c.waiting--
	if c.waiting == 0 {
		c.passed = 0 // who waits next has not been passed over yet
	}
	t := l.flow
	if t == nil { // the front
		return
	}
	t.waiting--
	if t.full {
		s.flows.full--
	}
	if l.waiting == 0 && l.at > 0 {
		q.exit(l)
	}
	if t.waiting == 0 && t != &s.flows.plain {
		s.idle(t)
	}
}
