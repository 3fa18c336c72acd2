package priority

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// person is a waiter as the model sees it.
type person struct {
	id     int
	w      *Waiter
	class  Class
	tenant string
	since  mono.Time
	ends   mono.Time // 0 is never
	end    func()    // ends its context
	ended  bool      // end was called
	front  bool      // came by EnqueueFront
	spared bool      // asked to be tried again
}

func (p *person) String() string {
	return fmt.Sprintf("#%d(%s %q since %d)", p.id, p.class, p.tenant, p.since)
}

// gone is why p could not use a permit any more.
func (p *person) gone(now mono.Time) Reason {
	switch {
	case p.ends != 0 && p.ends <= now:
		return Deadline
	case p.ended:
		return Canceled
	default:
		return None
	}
}

// lateContext has a deadline whose timer never rings: as on a machine too busy to run timers in time.
type lateContext struct {
	context.Context
	deadline time.Time
}

func (c lateContext) Deadline() (time.Time, bool) { return c.deadline, true }

// queueOf is one tenant's line in the model: slices, no links, no shortcuts.
type queueOf struct {
	tenant string
	people []*person
}

// model is a Scheduler written for the reader: what the package comment says, by looking at everybody each time.
type model struct {
	limits  Limits
	paused  bool
	held    [NumClasses]int
	passed  [NumClasses]int
	front   [NumClasses][]*person  // goes before the lines
	lines   [NumClasses][]*queueOf // by turn, the next one first
	arrival []*person              // by the time they came

	granted [NumClasses]uint64
	refused [NumClasses][numReasons]uint64
}

func (m *model) share() int {
	if m.limits.AgingShare == 0 {
		return DefaultAgingShare
	}
	return m.limits.AgingShare
}

func (m *model) waitingOf(rank int) int {
	n := len(m.front[rank])
	for _, l := range m.lines[rank] {
		n += len(l.people)
	}
	return n
}

// room reports whether one more permit may go to this class.
func (m *model) room(rank int) bool {
	lower := m.held[1] + m.held[2]
	if m.paused || m.held[0]+lower >= m.limits.Permits {
		return false
	}
	if rank == 0 || m.limits.Reserve == 0 || lower == 0 {
		return true
	}
	return lower < m.limits.Permits-m.limits.Reserve
}

func (m *model) tryAdmit(c Class) bool {
	rank := c.rank()
	if !m.room(rank) {
		return false
	}
	m.held[rank]++
	m.granted[rank]++
	return true
}

// enqueue returns who was turned away, p himself perhaps.
func (m *model) enqueue(p *person) (who *person, why Reason) {
	rank := p.class.rank()
	if m.limits.MaxWaiting > 0 && len(m.arrival) >= m.limits.MaxWaiting {
		low := NumClasses - 1
		for low > rank && m.waitingOf(low) == 0 {
			low--
		}
		if low == rank {
			m.refused[rank][QueueFull]++
			return p, QueueFull
		}
		who, why = m.lastOf(low), Evicted
		m.remove(who)
		m.refused[low][Evicted]++
	}
	l := m.line(p)
	if l == nil {
		l = &queueOf{tenant: p.tenant}
		m.lines[rank] = append(m.lines[rank], l)
	}
	l.people = append(l.people, p)
	m.arrive(p)
	return who, why
}

func (m *model) enqueueFront(p *person) {
	rank := p.class.rank()
	m.front[rank] = slices.Insert(m.front[rank], 0, p)
	m.arrive(p)
}

// lastOf returns whom the class loses when the queue is full.
func (m *model) lastOf(rank int) *person {
	var longest *queueOf
	for _, l := range slices.Backward(m.lines[rank]) {
		if longest == nil || len(l.people) > len(longest.people) {
			longest = l
		}
	}
	if longest == nil {
		return m.front[rank][len(m.front[rank])-1]
	}
	return longest.people[0]
}

func (m *model) firstOf(rank int) *person {
	if front := m.front[rank]; len(front) > 0 {
		return front[0]
	}
	return m.lines[rank][0].people[0]
}

func (m *model) line(p *person) *queueOf {
	for _, l := range m.lines[p.class.rank()] {
		if l.tenant == p.tenant {
			return l
		}
	}
	return nil
}

func (m *model) arrive(p *person) {
	at := len(m.arrival)
	for at > 0 && m.arrival[at-1].since > p.since {
		at--
	}
	m.arrival = slices.Insert(m.arrival, at, p)
}

func (m *model) remove(p *person) {
	rank := p.class.rank()
	isP := func(x *person) bool { return x == p }
	if p.front {
		m.front[rank] = slices.DeleteFunc(m.front[rank], isP)
	} else {
		l := m.line(p)
		l.people = slices.DeleteFunc(l.people, isP)
		m.lines[rank] = slices.DeleteFunc(m.lines[rank], func(x *queueOf) bool { return len(x.people) == 0 })
	}
	if m.waitingOf(rank) == 0 {
		m.passed[rank] = 0
	}
	m.arrival = slices.DeleteFunc(m.arrival, isP)
}

// next returns who is granted a permit, nil if nobody, and those met on the way who were gone.
func (m *model) next(now mono.Time) (who *person, gone []*person) {
	for {
		rank := m.pick()
		if rank < 0 {
			return nil, gone
		}
		p := m.firstOf(rank)
		if why := p.gone(now); why != None {
			m.refused[rank][why]++
			m.remove(p)
			gone = append(gone, p)
			continue
		}
		if !p.front { // the line has had its turn
			m.lines[rank] = append(m.lines[rank][1:], m.lines[rank][0])
		}
		m.remove(p)
		for low := rank + 1; low < NumClasses; low++ {
			if m.waitingOf(low) > 0 && m.room(low) {
				m.passed[low]++
			}
		}
		m.passed[rank] = 0
		m.held[rank]++
		m.granted[rank]++
		return p, gone
	}
}

// pick returns the class that should be served: of those whose share is due the one passed over most often, the lowest
// of these, and if none is due the highest.
func (m *model) pick() int {
	var able, due []int
	for rank := range NumClasses {
		if m.waitingOf(rank) == 0 || !m.room(rank) {
			continue
		}
		able = append(able, rank)
		if m.share() > 0 && m.passed[rank] >= m.share()-1 {
			due = append(due, rank)
		}
	}
	if len(able) == 0 {
		return -1
	}
	if len(due) == 0 {
		return able[0]
	}
	best := due[0]
	for _, rank := range due {
		if m.passed[rank] >= m.passed[best] {
			best = rank
		}
	}
	return best
}

// leave, refuseAll and expire return who leaves, in order.

func (m *model) leave(p *person, why Reason) {
	m.remove(p)
	m.refused[p.class.rank()][why]++
}

func (m *model) refuseAll(why Reason, sparePatient bool) []*person {
	return m.refuseIf(why, func(p *person) bool { return !sparePatient || !p.spared })
}

func (m *model) expire(now mono.Time) []*person {
	return m.refuseIf(Timeout, func(p *person) bool { return m.overdue(p, now) })
}

func (m *model) overdue(p *person, now mono.Time) bool {
	return m.limits.MaxWait > 0 && now.Sub(p.since) >= m.limits.MaxWait
}

func (m *model) refuseIf(why Reason, pred func(*person) bool) []*person {
	var all []*person
	for _, p := range slices.Clone(m.arrival) {
		if pred(p) {
			m.leave(p, why)
			all = append(all, p)
		}
	}
	return all
}
