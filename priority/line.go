package priority

// A line is the waiters of one tenant inside one class, in the order they came. Lines with waiters form a ring, in
// which the turn goes round. It holds no lock: the Scheduler's owner does.
type line struct {
	tenant     string
	head, tail *Waiter
	waiting    int
	next, prev *line // in the ring; nil outside
	class      *classQueue
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

// A classQueue is the waiters of one class: a ring of lines, one a tenant. It holds no lock.
type classQueue struct {
	plain   line             // of callers that name no tenant: most, so that they cost no map
	tenants map[string]*line // those with waiters
	spare   *line            // the last line that became empty, to be used again
	front   line             // of those who go before all others, whoever's turn it is; not in the ring

	newestFirst bool // in each line who came last is the first to go; the front is as ever

	turn    *line // whose turn it is; nil when nobody waits but in front
	waiting int
	held    int
	passed  int // grants to higher classes since this one last had one, while it waited

	granted uint64
	waits   uint64 // of the granted, how many had to wait
	waited  int64  // how long these waited together, in ns
	refused [numReasons]uint64
}

// lineOf returns tenant's line, made if need be.
func (c *classQueue) lineOf(tenant string) *line {
	if tenant == "" {
		c.plain.class = c
		return &c.plain
	}
	if l := c.tenants[tenant]; l != nil {
		return l
	}
	if c.tenants == nil {
		c.tenants = make(map[string]*line)
	}
	l := c.spare
	if l == nil {
		l = &line{}
	}
	c.spare = nil
	l.tenant, l.class = tenant, c
	c.tenants[tenant] = l
	return l
}

// join puts w at the end of its tenant's line. A line that had been empty has its turn after all others.
func (c *classQueue) join(w *Waiter) {
	l := c.lineOf(w.tenant)
	if l.waiting == 0 {
		c.enter(l)
	}
	l.pushBack(w)
	c.waiting++
}

// joinFront puts w before everybody of its class. It costs its tenant no turn: w had one before.
func (c *classQueue) joinFront(w *Waiter) {
	c.front.class = c
	c.front.pushFront(w)
	c.waiting++
}

// leave takes w off its line.
func (c *classQueue) leave(w *Waiter) {
	l := w.line
	l.remove(w)
	c.waiting--
	if l.waiting == 0 && l != &c.front {
		c.exit(l)
	}
	if c.waiting == 0 {
		c.passed = 0 // who waits next has not been passed over yet
	}
}

// first returns the waiter whose turn it is. The class must have waiters.
func (c *classQueue) first() *Waiter {
	if c.front.head != nil {
		return c.front.head
	}
	if c.newestFirst {
		return c.turn.tail
	}
	return c.turn.head
}

// pop takes off the first waiter, and passes the turn on. The class must have waiters.
func (c *classQueue) pop() {
	w := c.first()
	if w.line == c.turn {
		c.turn = c.turn.next
	}
	c.leave(w)
}

// evictionLooks is how many lines are looked at for somebody to evict: to find the longest of all would cost either a
// walk along them under the lock or an order to keep at each arrival.
const evictionLooks = 8

// victim returns the waiter that makes room when the queue is full: of the lines whose turn is farthest away the longest,
// so that not he pays who has just come but he who filled the queue; in it the one that has waited longest. The class
// must have waiters.
func (c *classQueue) victim() *Waiter {
	if c.turn == nil {
		return c.front.tail
	}
	longest := c.turn.prev
	for l, n := longest.prev, 1; n < evictionLooks && l != c.turn.prev; l, n = l.prev, n+1 {
		if l.waiting > longest.waiting {
			longest = l
		}
	}
	return longest.head
}

func (c *classQueue) enter(l *line) {
	if c.turn == nil {
		l.next, l.prev = l, l
		c.turn = l
		return
	}
	l.next, l.prev = c.turn, c.turn.prev
	l.prev.next, l.next.prev = l, l
}

func (c *classQueue) exit(l *line) {
	if l.next == l {
		c.turn = nil
	} else {
		l.prev.next, l.next.prev = l.next, l.prev
		if c.turn == l {
			c.turn = l.next
		}
	}
	l.next, l.prev = nil, nil
	if l != &c.plain {
		delete(c.tenants, l.tenant)
		l.tenant = ""
		c.spare = l
	}
}
