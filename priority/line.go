package priority

// A line is the waiters of one tenant inside one lane, in the order they came. Lines with waiters that may go are in the
// lane's heap. It holds no lock: the Scheduler's owner does.
type line struct {
	head, tail *Waiter
	waiting    int

	flow *flow
	lane *lane   // nil until somebody joins
	tag  float64 // what the tenant has had here, on the lane's clock; see lane
	came uint64  // orders lines with one tag: who entered first goes first
	at   int     // its place in the heap and one more; 0 is none
}

func (l *line) pushBack(w *Waiter) {
	w.line, w.prev, w.next = l, l.tail, nil
	if l.tail == nil {
		l.head = w
	} else {
		l.tail.next = w
	}
	l.tail = w
	l.waiting++
}

func (l *line) pushFront(w *Waiter) {
	w.line, w.prev, w.next = l, nil, l.head
	if l.head == nil {
		l.tail = w
	} else {
		l.head.prev = w
	}
	l.head = w
	l.waiting++
}

func (l *line) remove(w *Waiter) {
	if w.prev == nil {
		l.head = w.next
	} else {
		w.prev.next = w.next
	}
	if w.next == nil {
		l.tail = w.prev
	} else {
		w.next.prev = w.prev
	}
	w.line, w.prev, w.next = nil, nil, nil
	l.waiting--
}

// before reports whether l is served before o.
func (l *line) before(o *line) bool {
	return l.tag < o.tag || l.tag == o.tag && l.came < o.came
}
