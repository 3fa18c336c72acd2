package priority

import "time"

// A Use is what a [Scheduler] notes of a permit that is out, for its owner to give it back with the permit. The zero value is a
// permit of which there is nothing to note. It belongs to whoever holds the permit.
type Use struct {
	began Time // 0 where nobody wants to know
	flow  *flow
	guess float32 // what flow was charged, in ns
	rank  int8    // of the line that was charged
	slow  bool
}

// Use returns what is noted of the permit that w was granted. It may be asked when Granted is true, and by the owner once
// Next has returned w.
func (w *Waiter) Use() Use { return w.use }

// Admit is TryAdmit for a call with options o. What is noted of the permit goes to u, which must be zero.
func (s *Scheduler) Admit(o *Options, now Time, u *Use) bool {
	if s.strict {
		return s.admitStrictly(o, now, u)
	}
	return s.TryAdmit(o.Class)
}

// admitStrictly is Admit where there are rules beyond the classes.
func (s *Scheduler) admitStrictly(o *Options, now Time, u *Use) bool {
	rank := o.Class.rank()
	if !s.room(rank) {
		return false
	}
	var t *flow
	if s.limits.TenantPermits > 0 && o.Tenant != "" {
		if t = s.flowOf(o.Tenant); t.full {
			s.idle(t)
			return false
		}
	}
	if s.isSlow(o.kind()) {
		if !s.slowRoom(now) {
			if t != nil && !t.listed {
				s.idle(t)
			}
			return false
		}
		u.slow = true
		s.slowHeld++
	} else {
		s.quickAt = now
	}
	if t != nil {
		s.flows.busy(t)
		u.flow, u.rank = t, int8(2*rank)
		t.uses++
		s.fill(t)
	}
	s.admit(rank)
	return true
}

// Reckon tells s for how long a permit was out that u notes and that a call with this label, or without one this statement,
// held. It is called for each, beside Release and before Next. Below 0, it was not used at all.
func (s *Scheduler) Reckon(u Use, label, statement string, used time.Duration) {
	if s.costs != nil || u.slow {
		s.reckon(u, label, statement, used)
	}
}

func (s *Scheduler) reckon(u Use, label, statement string, used time.Duration) {
	if s.costs != nil && used >= 0 {
		s.costs.learn(label, statement, used)
	}
	if u.slow {
		s.slowHeld--
		if used > 0 {
			s.costs.slow += (float64(used) - s.costs.slow) / 4
		}
	}
	t := u.flow
	if t == nil {
		return
	}
	t.uses--
	if l := &t.lines[u.rank]; u.guess > 0 && l.lane != nil {
		more := float64(max(used, 0)) - float64(u.guess)
		if more > 0 && l.lane.weight > 0 {
			l.lane.clock += more / max(l.lane.weight, 1)
		}
		l.lane.owe(l, more)
	}
	s.fill(t)
	s.idle(t)
}

// book notes in w's use what is reckoned with of the permit that w, still in its line, is granted.
func (s *Scheduler) book(w *Waiter, now Time) {
	u := &w.use
	if s.costs != nil {
		u.began = now
	}
	q := w.line.lane
	q.moved = now
	if q.slow {
		u.slow = true
		s.slowHeld++
	} else {
		s.quickAt = now
	}
	t := w.line.flow
	if t == nil && s.limits.TenantPermits > 0 && w.tenant != "" { // in front since before there was a cap
		t = s.flowOf(w.tenant)
		s.flows.busy(t)
	}
	if t == nil || s.flows.named == nil {
		return // nobody to share with
	}
	u.flow, u.rank = t, int8(q.index())
	t.uses++
	if w.line.flow != nil {
		guess := guessUnknown
		if c := s.costs.estimate(w.kind); c != nil {
			guess = max(c.mean, 1)
		}
		u.guess = float32(guess)
		q.charge(w.line, float64(u.guess))
	}
	s.fill(t)
}
