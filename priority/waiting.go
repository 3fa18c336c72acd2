package priority

// Waiters calls visit for those who wait, in the order in which they came, until it returns false. It is for snapshots:
// its cost grows with their number, and the owner's lock is held.
func (s *Scheduler) Waiters(visit func(*Waiter) bool) {
	for w := s.oldest; w != nil && visit(w); {
		w = w.newer
	}
}
