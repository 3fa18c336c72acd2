package priority

import "github.com/poolsql/poolsql/internal/mono"

// A classQueue is the waiters of one class, in two lanes. It holds no lock.
type classQueue struct {
	quick, slow lane
	newestFirst bool // in each line who came last is the first to go; the front is as ever

	waiting int // in both
	held    int
	passed  int // grants to higher classes since this one last had one, while it waited

	granted uint64
	waits   uint64 // of the granted, how many had to wait
	waited  int64  // how long these waited together, in ns
	refused [numReasons]uint64
}

func (c *classQueue) init(rank int) {
	c.quick.class, c.slow.class = c, c
	c.quick.rank, c.slow.rank = rank, rank
	c.slow.slow = true
}

// able returns the lane of this rank from which somebody may go, nil if there is none. The class must have waiters. Of two lanes the one whose next has waited
// longer.
func (s *Scheduler) able(rank int, now mono.Time) *lane {
	c := &s.classes[rank]
	if !s.room(rank) {
		return nil
	}
	if c.slow.ready() && s.slowRoom(now) {
		if !c.quick.ready() || c.slow.first().since < c.quick.first().since {
			return &c.slow
		}
	}
	if c.quick.ready() {
		return &c.quick
	}
	return nil
}

// evictionLooks is how many lines of a lane are looked at for somebody to evict: to find the longest of all would cost
// either a walk along them under the lock or an order to keep at each arrival.
const evictionLooks = 8

// victim returns the waiter of c that makes room when the queue is full: of the lines whose turn is far away the longest, so
// that not he pays who has just come but he who filled the queue; in it the one that has waited longest. The class must have
// waiters.
func (s *Scheduler) victim(c *classQueue) *Waiter {
	var longest *line
	look := func(l *line) {
		if longest == nil || l.waiting > longest.waiting || l.waiting == longest.waiting && longest.before(l) {
			longest = l
		}
	}
	for _, q := range []*lane{&c.quick, &c.slow} {
		for _, l := range q.heap[max(0, len(q.heap)-evictionLooks):] {
			look(l)
		}
	}
	if longest != nil {
		return longest.head
	}
	for _, q := range []*lane{&c.slow, &c.quick} {
		if q.front.tail != nil {
			return q.front.tail
		}
	}
	for _, t := range s.flows.named { // all of them are of tenants who hold as much as they may
		for _, i := range []int{2 * c.quick.rank, 2*c.quick.rank + 1} {
			if l := &t.lines[i]; l.waiting > 0 {
				look(l)
			}
		}
	}
	if longest == nil {
		for i := range s.flows.shards {
			for _, j := range []int{2 * c.quick.rank, 2*c.quick.rank + 1} {
				if l := &s.flows.shards[i].lines[j]; l.waiting > 0 {
					look(l)
				}
			}
		}
	}
	return longest.head
}
