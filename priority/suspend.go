package priority

// Suspend makes s grant nothing until Resume. Permits that are out stay out and come back as ever; whoever comes waits,
// and expires, leaves or is turned away as ever.
func (s *Scheduler) Suspend() {
	s.paused = true
	s.arrange()
}

// Resume makes s grant again. The owner calls Next afterwards.
func (s *Scheduler) Resume() {
	s.paused = false
	s.arrange()
	s.restart()
}

// Suspended reports whether s grants nothing.
func (s *Scheduler) Suspended() bool { return s.paused }

// arrange sets how many permits may be out at present. That a suspended scheduler has none is all that suspending it
// takes: every way to a permit leads through the comparison with that number, and none becomes any longer.
func (s *Scheduler) arrange() {
	s.limit = s.limits.Permits
	if s.most > 0 {
		s.limit = min(s.limit, s.most)
	}
	s.permits = s.limit
	if s.paused {
		s.permits = 0
	}
}

// Stuck reports whether w waits, and nothing but a permit can end that now: it has not been granted or turned away, its
// context has not ended, and it has not waited for MaxWait.
func (s *Scheduler) Stuck(w *Waiter, now Time) bool {
	if w.state != queued || s.limits.MaxWait > 0 && now.Sub(w.since) >= s.limits.MaxWait {
		return false
	}
	_, gone := w.gone(now)
	return !gone
}
