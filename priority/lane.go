package priority

import "github.com/poolsql/poolsql/internal/mono"

// A lane is a queue in which tenants share by the time that they use: start-time fair queuing (Goyal, Vin and Cheng, 1996).
//
// Each line has a tag, the time that its tenant has had, divided by its weight. The line with the lowest goes next, and its
// tag grows by what the call is expected to take; when the permit is back, it is corrected by what it did take. The clock is
// the highest tag with which a line was served. A tenant who comes back after a while begins there, and half a call later: it has
// no claim to what it did not use, and tenants who come for the first time, one after the other, cannot keep those waiting
// who are there. The clock does not go by what calls take, or are expected to: whoever waits all the time would be behind it
// after each one that took longer, and go before all who come, for as long. It holds no lock.
type lane struct {
	class *classQueue
	rank  int
	slow  bool

	front  line    // of those who go before all others, whoever's turn it is; not in the heap
	heap   []*line // those with waiters who may go, the next to be served first
	clock  float64 // no tag of a line that enters is lower; it never goes back
	step   float64 // half of what a call typically takes, in ns
	most   float64 // no tag is higher
	moved  mono.Time
	enters uint64
}

const (
	// guessUnknown stands for the time of a call of which nothing is known, in ns.
	guessUnknown = 1e6
	// debtMost is how far a tenant's tag may be ahead of the clock, times its weight, in ns: what it has used beyond that is
	// forgotten, so that nobody is shut out for hours.
	debtMost = 10e9
	// debtKept is for how long debts are kept after the last grant to somebody who waited: a tenant owes nothing for what
	// nobody else wanted.
	debtKept = 1e9
)

// ready reports whether somebody in the lane may go.
func (q *lane) ready() bool { return q.front.head != nil || len(q.heap) > 0 }

// first returns the waiter whose turn it is. The lane must be ready.
func (q *lane) first() *Waiter {
	if q.front.head != nil {
		return q.front.head
	}
	if q.class.newestFirst {
		return q.heap[0].tail
	}
	return q.heap[0].head
}

// enter puts l, which has waiters now, among those who may go.
func (q *lane) enter(l *line) {
	q.enters++
	l.came = q.enters
	l.tag = max(l.tag, q.clock+q.step/max(1, l.flow.weight))
	q.heap = append(q.heap, l)
	l.at = len(q.heap)
	q.up(l)
}

// exit takes l out of the heap.
func (q *lane) exit(l *line) {
	last := len(q.heap) - 1
	moved := q.heap[last]
	q.heap[last] = nil
	q.heap = q.heap[:last]
	if moved != l {
		q.heap[l.at-1] = moved
		moved.at = l.at
		q.fix(moved)
	}
	l.at = 0
}

// fix moves l to its place.
func (q *lane) fix(l *line) {
	if at := l.at; q.up(l) == at {
		q.down(l)
	}
}

func (q *lane) up(l *line) int {
	i := l.at - 1
	for i > 0 {
		parent := (i - 1) / 2
		if !l.before(q.heap[parent]) {
			break
		}
		q.heap[i] = q.heap[parent]
		q.heap[i].at = i + 1
		i = parent
	}
	q.heap[i] = l
	l.at = i + 1
	return l.at
}

func (q *lane) down(l *line) {
	i, n := l.at-1, len(q.heap)
	for {
		child := 2*i + 1
		if child >= n {
			break
		}
		if child+1 < n && q.heap[child+1].before(q.heap[child]) {
			child++
		}
		if !q.heap[child].before(l) {
			break
		}
		q.heap[i] = q.heap[child]
		q.heap[i].at = i + 1
		i = child
	}
	q.heap[i] = l
	l.at = i + 1
}

// charge books guess, in ns, for a grant to l, which is in the heap, still, and returns how much of it was, at least 1: what is
// not booked, since l owes as much as it may, must not be given back either.
func (q *lane) charge(l *line, guess float64) float32 {
	q.clock = max(q.clock, l.tag)
	before := l.tag
	q.owe(l, guess)
	return float32(max(1, (l.tag-before)*l.flow.weight))
}

// owe adds ns to what l has had.
func (q *lane) owe(l *line, ns float64) {
	l.tag = min(l.tag+ns/l.flow.weight, q.clock+debtMost/l.flow.weight)
	q.most = max(q.most, l.tag)
	if l.at > 0 {
		q.fix(l)
	}
}

// rescale multiplies by how much l is ahead of the clock.
func (q *lane) rescale(l *line, factor float64) {
	l.tag = q.clock + (l.tag-q.clock)*factor
	q.most = max(q.most, l.tag)
	if l.at > 0 {
		q.fix(l)
	}
}

// wake is told that somebody comes after nobody waited. After a while in which nobody did, nobody owes anything.
func (q *lane) wake(now mono.Time) {
	if q.moved != 0 && now.Sub(q.moved) > debtKept {
		q.clock = max(q.clock, q.most)
	}
}
