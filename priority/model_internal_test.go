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
	use    Use       // of its permit
	guess  float64   // what its tenant was charged for its permit; 0 is nothing
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
	tag    float64
	came   int
}

// after reports whether l is served after o, all else being equal.
func (l *queueOf) after(o *queueOf) bool { return l.tag > o.tag || l.tag == o.tag && l.came > o.came }

// model is a Scheduler written for the reader: what the package comment says, by looking at everybody each time.
type model struct {
	limits  Limits
	paused  bool
	held    [NumClasses]int
	passed  [NumClasses]int
	front   [NumClasses][]*person  // goes before the lines
	lines   [NumClasses][]*queueOf // of all tenants who ever came
	clock   [NumClasses]float64
	step    [NumClasses]float64
	most    [NumClasses]float64
	moved   [NumClasses]mono.Time
	enters  int
	tenants bool      // somebody named one
	cost    cost      // what permits took since
	arrival []*person // by the time they came

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
		if low == rank && !m.longer(p) {
			m.refused[rank][QueueFull]++
			return p, QueueFull
		}
		who, why = m.lastOf(low), Evicted
		m.remove(who)
		m.refused[low][Evicted]++
	}
	m.tenants = m.tenants || p.tenant != ""
	l := m.line(p)
	if l == nil {
		l = &queueOf{tenant: p.tenant}
		m.lines[rank] = append(m.lines[rank], l)
	}
	if len(l.people) == 0 {
		if len(m.sharing(rank)) == 0 && m.moved[rank] != 0 && p.since.Sub(m.moved[rank]) > time.Second {
			m.clock[rank] = max(m.clock[rank], m.most[rank])
		}
		m.enters++
		l.came, l.tag = m.enters, max(l.tag, m.clock[rank]+m.step[rank]/max(1, m.weight(l.tenant)))
	}
	l.people = append(l.people, p)
	m.arrive(p)
	return who, why
}

// longer reports whether more of a tenant wait in p's class than would of p's in all.
func (m *model) longer(p *person) bool {
	own, most := 0, 0
	for rank := range NumClasses {
		for _, l := range m.lines[rank] {
			if l.tenant == p.tenant {
				own += len(l.people)
			}
			if rank == p.class.rank() {
				most = max(most, len(l.people))
			}
		}
	}
	return most > own+1
}

// sharing returns the lines with waiters.
func (m *model) sharing(rank int) []*queueOf {
	var all []*queueOf
	for _, l := range m.lines[rank] {
		if len(l.people) > 0 {
			all = append(all, l)
		}
	}
	return all
}

// set changes the limits.
func (m *model) set(l Limits) {
	old := make(map[*queueOf]float64)
	for rank := range NumClasses {
		for _, q := range m.lines[rank] {
			old[q] = m.weight(q.tenant)
		}
	}
	m.limits = l
	for rank := range NumClasses {
		for _, q := range m.lines[rank] {
			if weight := m.weight(q.tenant); weight != old[q] && q.tag > m.clock[rank] {
				q.tag = m.clock[rank] + (q.tag-m.clock[rank])*(old[q]/weight)
				m.most[rank] = max(m.most[rank], q.tag)
			}
		}
	}
}

func (m *model) weight(tenant string) float64 {
	if w, ok := m.limits.TenantWeights[tenant]; ok {
		return w
	}
	return 1
}

// charge books what p is expected to take, before it leaves its line.
func (m *model) charge(p *person) {
	rank, l := p.class.rank(), m.line(p)
	p.guess, m.step[rank] = 1e6, 1e6/2
	if m.cost.uses >= 8 {
		p.guess, m.step[rank] = max(m.cost.mean, 1), m.cost.typical/2
	}
	m.clock[rank] = max(m.clock[rank], l.tag)
	before := l.tag
	m.owe(rank, l, p.guess)
	p.guess = float64(float32(max(1, (l.tag-before)*m.weight(l.tenant))))
}

func (m *model) owe(rank int, l *queueOf, ns float64) {
	w := m.weight(l.tenant)
	l.tag = min(l.tag+ns/w, m.clock[rank]+10e9/w)
	m.most[rank] = max(m.most[rank], l.tag)
}

// next1 returns the line whose turn it is.
func (m *model) next1(lines []*queueOf) *queueOf {
	best := lines[0]
	for _, l := range lines {
		if best.after(l) {
			best = l
		}
	}
	return best
}

// release takes back p's permit, which it used for so long; below 0, not at all.
func (m *model) release(p *person, used time.Duration) {
	rank := p.class.rank()
	m.held[rank]--
	if m.tenants && used >= 0 {
		m.cost.add(used)
	}
	if p.guess == 0 {
		return
	}
	m.owe(rank, m.line(p), float64(max(used, 0))-p.guess)
}

func (m *model) enqueueFront(p *person) {
	rank := p.class.rank()
	m.front[rank] = slices.Insert(m.front[rank], 0, p)
	m.arrive(p)
}

// lastOf returns whom the class loses when the queue is full.
func (m *model) lastOf(rank int) *person {
	var longest *queueOf
	for _, l := range m.sharing(rank) {
		if longest == nil || len(l.people) > len(longest.people) || len(l.people) == len(longest.people) && l.after(longest) {
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
	return m.next1(m.sharing(rank)).people[0]
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
		m.moved[rank] = now
		if !p.front && m.tenants {
			m.charge(p)
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
