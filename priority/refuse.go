package priority

// Leave takes w off the queue because its context has ended, for reason. It returns false if w had been granted or
// refused before: then the wake-up has been sent or is about to be, and the caller receives it with Settle.
func (s *Scheduler) Leave(w *Waiter, reason Reason) bool {
	if w.state != queued {
		return false
	}
	c := w.line.lane.class
	s.part(w)
	w.depth = int32(s.waiting)
	s.depart(w)
	w.state, w.reason = left, reason
	c.refused[reason]++
	return true
}

// Settle waits for the wake-up of a waiter that Leave found decided already. It does not wait long: whoever decided is
// past its unlock, or about to unlock. It must not be called with the owner's lock held.
func (w *Waiter) Settle() { <-w.wake }

// refuse turns away w, which is queued, and adds it to b.
func (s *Scheduler) refuse(w *Waiter, reason Reason, cause error, b *Batch) {
	c := w.line.lane.class
	s.part(w)
	w.depth = int32(s.waiting)
	s.depart(w)
	w.state, w.reason, w.value = refused, reason, nil
	if cause != nil {
		w.value = cause
	}
	if reason == Shed || reason == TooLate || reason == Evicted {
		w.retry = s.comeBack()
	}
	c.refused[reason]++
	b.Add(w)
}

// Refuse turns away w, into b, and reports whether it did: not if w was granted, refused or gone before.
func (s *Scheduler) Refuse(w *Waiter, reason Reason, cause error, b *Batch) bool {
	if w.state != queued {
		return false
	}
	s.refuse(w, reason, cause, b)
	return true
}

// RefuseAll turns away everybody who waits, or, if sparePatient is set, those who did not ask to be tried again.
func (s *Scheduler) RefuseAll(reason Reason, cause error, sparePatient bool, b *Batch) {
	for w := s.oldest; w != nil; {
		newer := w.newer
		if !sparePatient || w.traits&patient == 0 {
			s.refuse(w, reason, cause, b)
		}
		w = newer
	}
}
