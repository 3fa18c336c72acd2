package priority

// Enqueue puts w, just made, into the queue, and reports whether it did; if not, its caller is to be told w's refusal. If
// the queue is full, somebody of a lower class is turned away, into b; if there is none, w is not queued.
func (s *Scheduler) Enqueue(w *Waiter, b *Batch) bool {
	rank := w.class.rank()
	if s.shed != nil {
		s.observe(rank, w.since)
		s.shed.vigils[rank].came++
		s.sweep(w.since, b)
		if s.tooLate(w, w.since) {
			return s.reject(w, TooLate)
		}
	}
	if most := s.limits.TenantWaiting; most > 0 && w.tenant != "" && s.tenantWaiting(w.tenant) >= most {
		return s.reject(w, TenantFull)
	}
	if s.limits.MaxWaiting > 0 && s.waiting >= s.limits.MaxWaiting && !s.evictBelow(rank, b) {
		return s.reject(w, QueueFull)
	}
	s.classify(w)
	s.join(w)
	s.arrive(w)
	return true
}

// classify notes whether w is slow.
func (s *Scheduler) classify(w *Waiter) {
	if s.isSlow(w.kind) {
		w.traits |= slowly
	}
}

// tenantWaiting returns how many of tenant's calls wait.
func (s *Scheduler) tenantWaiting(tenant string) int {
	t := s.flowOf(tenant)
	n := t.waiting
	if !t.listed {
		s.idle(t)
	}
	return n
}

// reject turns away w, which is not queued.
func (s *Scheduler) reject(w *Waiter, reason Reason) bool {
	w.state, w.reason, w.value, w.depth, w.retry = refused, reason, nil, int32(s.waiting), s.comeBack()
	s.classes[w.class.rank()].refused[reason]++
	return false
}

// EnqueueFront puts w before everybody of its class, however full the queue: for a caller who had a permit already and
// lost what it stood for.
func (s *Scheduler) EnqueueFront(w *Waiter) {
	s.classify(w)
	s.joinFront(w)
	s.arrive(w)
}

// evictBelow turns away one waiter of the lowest class that waits, if that is below rank, or else the oldest of this rank if
// the newest goes first there.
func (s *Scheduler) evictBelow(rank int, b *Batch) bool {
	for low := NumClasses - 1; low > rank; low-- {
		if c := &s.classes[low]; c.waiting > 0 {
			s.refuse(s.victim(c), Evicted, nil, b)
			return true
		}
	}
	if s.classes[rank].newestFirst && s.shed.vigils[rank].oldest != nil {
		s.refuse(s.shed.vigils[rank].oldest, Evicted, nil, b)
		return true
	}
	return false
}
