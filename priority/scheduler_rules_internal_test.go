package priority

import (
	"errors"
	"fmt"
	"math"

	"github.com/poolsql/poolsql/internal/mono"
)

// watch checks the promises of the package comment against what was granted, by bookkeeping of its own. Of the model it
// asks only who waits and what is held.
type watch struct {
	model *model
	now   mono.Time
	// As it was before the grant: how many of each class waited who could use a permit, and whether there was one.
	live [NumClasses]int
	room [NumClasses]bool

	people [NumClasses]int
	over   [NumClasses]int // grants to higher classes in a row that passed the class over
	bound  [NumClasses]int // how many of them there may be: the largest that was in force meanwhile
}

func (v *watch) came(p *person) {
	v.people[p.class.rank()]++
}

func (v *watch) left(p *person) {
	rank := p.class.rank()
	v.people[rank]--
	if v.people[rank] == 0 {
		v.over[rank], v.bound[rank] = 0, 0
	}
}

// before notes how things stand before a call of Next.
func (v *watch) before(now mono.Time) {
	v.now = now
	for rank := range NumClasses {
		v.live[rank], v.room[rank] = 0, v.model.room(rank)
	}
	for _, p := range v.model.arrival {
		if p.gone(now) == None {
			v.live[p.class.rank()]++
		}
	}
}

// granted checks the grant that p has just had, and returns what is wrong with it.
func (v *watch) granted(p *person) string {
	rank := p.class.rank()
	if why := p.gone(v.now); why != None {
		return fmt.Sprintf("%v was granted a permit although its context had ended: %v", p, why)
	}
	if !v.room[rank] {
		return fmt.Sprintf("%v was granted a permit that was not there for it", p)
	}
	for _, other := range v.model.arrival {
		if other.class != p.class || p.front {
			continue
		}
		if other.front {
			return fmt.Sprintf("%v was granted a permit before %v, who stands in front", p, other)
		}
		if other.tenant == p.tenant && other.id < p.id {
			return fmt.Sprintf("%v was granted a permit before %v of the same tenant", p, other)
		}
	}
	return v.classes(p, rank)
}

// classes checks the order of the classes and the bound on starvation.
func (v *watch) classes(p *person, rank int) string {
	share := v.model.share()
	for high := range rank {
		if v.live[high] > 0 && v.room[high] && (share < 0 || v.over[rank] < share-1) {
			return fmt.Sprintf("%v was granted a permit before %v after being passed over %d times", p, Classes()[high], v.over[rank])
		}
	}
	v.over[rank], v.bound[rank] = 0, 0
	for low := rank + 1; low < NumClasses; low++ {
		if v.people[low] == 0 || !v.room[low] {
			continue
		}
		v.over[low]++
		if share < 0 {
			share = math.MaxInt
		}
		v.bound[low] = max(v.bound[low], share-1)
		if v.over[low] > v.bound[low] {
			return fmt.Sprintf("%v was passed over %d times in a row", Classes()[low], v.over[low])
		}
	}
	return ""
}

// check reports what is wrong with the scheduler's lists.
func (s *Scheduler) check() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	n := 0
	for w, older := s.oldest, (*Waiter)(nil); w != nil; w, older = w.newer, w {
		n++
		if w.state != queued || w.older != older || w.line == nil {
			bad("waiter %d in the order of arrival has state %d, line %p, and is linked back wrongly: %t", n, w.state, w.line, w.older != older)
		}
		if older != nil && older.since > w.since {
			bad("waiter %d came before the one before it", n)
		}
		if w.newer == nil && w != s.newest {
			bad("the newest is not the last")
		}
	}
	if n != s.waiting {
		bad("%d in the order of arrival, %d are said to wait", n, s.waiting)
	}
	out, waiting := 0, 0
	for rank := range s.classes {
		c := &s.classes[rank]
		out += c.held
		waiting += c.waiting
		if err := c.check(); err != nil {
			bad("%v: %w", Classes()[rank], err)
		}
	}
	if out != s.out || s.lower != out-s.classes[0].held {
		bad("%d out, %d of them lower classes', but the classes hold %d", s.out, s.lower, out)
	}
	if waiting != s.waiting {
		bad("%d wait in the classes, %d are said to", waiting, s.waiting)
	}
	if err := s.checkFlows(); err != nil {
		bad("%w", err)
	}
	return errors.Join(errs...)
}

func (c *classQueue) check() error {
	if c.waiting == 0 && c.passed != 0 {
		return fmt.Errorf("nobody waits, but was passed over %d times", c.passed)
	}
	n := 0
	for _, q := range []*lane{&c.quick, &c.slow} {
		if err := q.check(); err != nil {
			return err
		}
		n += q.front.waiting
		for _, l := range q.heap {
			n += l.waiting
		}
	}
	if n > c.waiting {
		return fmt.Errorf("%d waiters may go, but %d are said to wait", n, c.waiting)
	}
	return nil
}

func (q *lane) check() error {
	if err := q.front.check(); err != nil {
		return fmt.Errorf("the front: %w", err)
	}
	for i, l := range q.heap {
		if l.at != i+1 || l.lane != q || l.waiting == 0 || l.flow.full {
			return fmt.Errorf("the line of %q, with %d waiters, does not belong into the heap, or not to this place", l.flow.name, l.waiting)
		}
		if i > 0 && l.before(q.heap[(i-1)/2]) {
			return fmt.Errorf("the line of %q is behind one that it is before", l.flow.name)
		}
	}
	return nil
}

// check reports what is wrong with what is known of the tenants.
func (s *Scheduler) checkFlows() error {
	waiting, full, listed := 0, 0, 0
	look := func(t *flow) error {
		n := 0
		for i := range t.lines {
			l := &t.lines[i]
			if err := l.check(); err != nil {
				return fmt.Errorf("the line of %q: %w", t.name, err)
			}
			if (l.waiting > 0 && !t.full) != (l.at > 0) {
				return fmt.Errorf("the line of %q has %d waiters, and its place in the heap is %d", t.name, l.waiting, l.at)
			}
			n += l.waiting
		}
		if n != t.waiting {
			return fmt.Errorf("%d of %q wait, and %d are said to", n, t.name, t.waiting)
		}
		waiting += n
		if t.full {
			full += n
		}
		return nil
	}
	if err := look(&s.flows.plain); err != nil {
		return err
	}
	for name, t := range s.flows.named {
		if err := look(t); err != nil {
			return err
		}
		if t.name != name || t.listed != (t.waiting == 0 && t.uses == 0) {
			return fmt.Errorf("%q, with %d waiting and %d held, is kept as %q, as one with nothing but debts: %t", name, t.waiting, t.uses, t.name, t.listed)
		}
		if t.listed {
			listed++
		}
	}
	if s.flows.shards != nil {
		for i := range s.flows.shards {
			if err := look(&s.flows.shards[i]); err != nil {
				return err
			}
		}
	}
	for t := s.flows.debtors.next; t != &s.flows.debtors; t = t.next {
		listed--
	}
	if listed != 0 || full != s.flows.full {
		return fmt.Errorf("%d debtors too many, %d wait of full tenants and %d are said to", listed, full, s.flows.full)
	}
	for rank := range s.classes {
		waiting += s.classes[rank].quick.front.waiting + s.classes[rank].slow.front.waiting
	}
	if waiting != s.waiting {
		return fmt.Errorf("%d wait in lines, %d are said to", waiting, s.waiting)
	}
	return nil
}

func (l *line) check() error {
	n := 0
	var prev *Waiter
	for w := l.head; w != nil; w = w.next {
		n++
		if w.line != l || w.prev != prev {
			return fmt.Errorf("waiter %d is linked wrongly", n)
		}
		prev = w
	}
	if n != l.waiting || l.tail != prev {
		return fmt.Errorf("it has %d waiters and says %d", n, l.waiting)
	}
	return nil
}
