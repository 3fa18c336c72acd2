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
	grants int
	lines  [NumClasses]map[string]*record
}

// record is the history of one tenant in one class.
type record struct {
	people  int
	since   int // the number of grants when it began to wait without a pause
	granted int // the number of its last grant
}

func (v *watch) record(p *person) *record {
	lines := &v.lines[p.class.rank()]
	if *lines == nil {
		*lines = make(map[string]*record)
	}
	r := (*lines)[p.tenant]
	if r == nil {
		r = &record{}
		(*lines)[p.tenant] = r
	}
	return r
}

func (v *watch) came(p *person) {
	v.people[p.class.rank()]++
	if p.front {
		return
	}
	r := v.record(p)
	if r.people == 0 {
		r.since = v.grants
	}
	r.people++
}

func (v *watch) left(p *person) {
	if !p.front {
		v.record(p).people--
	}
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
	if s := v.classes(p, rank); s != "" {
		return s
	}
	return v.turns(p)
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

// turns checks that no tenant had two turns while another of its class waited for one.
func (v *watch) turns(p *person) string {
	if p.front {
		return ""
	}
	v.grants++
	r := v.record(p)
	last := r.granted
	r.granted = v.grants
	if last == 0 {
		return ""
	}
	for tenant, other := range v.lines[p.class.rank()] {
		if other != r && other.people > 0 && other.since < last && other.granted < last {
			return fmt.Sprintf("%v had its second turn while tenant %q waited", p, tenant)
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
	return errors.Join(errs...)
}

func (c *classQueue) check() error {
	if c.waiting == 0 && c.passed != 0 {
		return fmt.Errorf("nobody waits, but was passed over %d times", c.passed)
	}
	if err := c.front.check(); err != nil {
		return fmt.Errorf("the front: %w", err)
	}
	named, n := 0, c.front.waiting
	for l := c.turn; l != nil; l = l.next {
		if l.next.prev != l || l.class != c || l.waiting == 0 {
			return fmt.Errorf("the line of %q, with %d waiters, is linked wrongly", l.tenant, l.waiting)
		}
		if err := l.check(); err != nil {
			return fmt.Errorf("the line of %q: %w", l.tenant, err)
		}
		if l != &c.plain {
			named++
			if c.tenants[l.tenant] != l {
				return fmt.Errorf("the line of %q is not found by its name", l.tenant)
			}
		}
		n += l.waiting
		if l.next == c.turn {
			break
		}
	}
	if n != c.waiting || named != len(c.tenants) {
		return fmt.Errorf("%d waiters of %d tenants, but %d and %d are said to be", n, named, c.waiting, len(c.tenants))
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
