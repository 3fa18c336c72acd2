package priority

import "hash/maphash"

const (
	// maxTenants is how many tenants a scheduler tells apart at a time; those beyond share lines.
	maxTenants = 1024
	// Shuffle sharding, as in the API server of Kubernetes: each tenant is dealt a hand of the lines, by its name, and joins
	// the shortest of them, so that a tenant with many calls fills its own hand, and another has hardly ever the same.
	shards   = 128
	handSize = 8
)

// A flow is what a scheduler knows of one tenant, or of those who share one of the shards. It is kept while somebody of it
// waits or holds a permit that was reckoned with, and as long as it has had more than its share.
type flow struct {
	name    string
	weight  float64
	shard   bool
	uses    int // permits out that are reckoned with
	waiting int
	full    bool // it holds as many permits as it may: its lines are out of the heaps
	lines   [numLanes]line

	listed     bool // in the list of those who have nothing but debts
	next, prev *flow
}

// numLanes is two for each class: lane 2r is of rank r, and 2r+1 that of its slow calls.
const numLanes = 2 * NumClasses

// flows are a scheduler's tenants.
type flows struct {
	plain   flow // calls without a tenant: most, so that they cost no map
	named   map[string]*flow
	debtors flow // a ring of those in named who wait for nothing and hold nothing, who came to that first being next
	spare   *flow
	shards  *[shards]flow
	seed    maphash.Seed
	full    int // waiters of flows that hold as much as they may
}

func (f *flows) init() {
	f.plain.weight = 1
	f.debtors.next, f.debtors.prev = &f.debtors, &f.debtors
}

// flowOf returns tenant's flow, made if need be.
func (s *Scheduler) flowOf(tenant string) *flow {
	f := &s.flows
	if tenant == "" {
		return &f.plain
	}
	if t := f.named[tenant]; t != nil {
		return t
	}
	if f.named == nil {
		f.named = make(map[string]*flow)
		f.seed = maphash.MakeSeed()
		if s.costs == nil {
			s.costs = newCosts()
		}
	}
	s.prune(len(f.named) >= maxTenants)
	if len(f.named) >= maxTenants {
		return f.deal(tenant)
	}
	t := f.spare
	if t == nil {
		t = &flow{}
	}
	f.spare = nil
	t.name, t.weight = tenant, s.weightOf(tenant)
	f.named[tenant] = t
	return t
}

func (s *Scheduler) weightOf(tenant string) float64 {
	if w, ok := s.limits.TenantWeights[tenant]; ok {
		return w
	}
	return 1
}

// deal returns the shortest of the shards that tenant was dealt.
func (f *flows) deal(tenant string) *flow {
	if f.shards == nil {
		f.shards = new([shards]flow)
		for i := range f.shards {
			f.shards[i].weight, f.shards[i].shard = 1, true
		}
	}
	var dealt [handSize]int // in order
	entropy := maphash.String(f.seed, tenant)
	var best *flow
	for n := range handSize {
		card := int(entropy % uint64(shards-n))
		entropy /= uint64(shards - n)
		at := 0
		for at < n && dealt[at] <= card { // what was dealt is skipped by counting
			card++
			at++
		}
		copy(dealt[at+1:n+1], dealt[at:n])
		dealt[at] = card
		if t := &f.shards[card]; best == nil || t.waiting < best.waiting {
			best = t
		}
	}
	return best
}

// idle is told that t may have nobody who waits and nothing that is reckoned with. Then it is forgotten, unless it owes
// something.
func (s *Scheduler) idle(t *flow) {
	if t.waiting > 0 || t.uses > 0 || t.shard || t == &s.flows.plain {
		return
	}
	if s.owes(t) {
		d := &s.flows.debtors
		t.prev, t.next, t.listed = d.prev, d, true
		t.prev.next, d.prev = t, t
		return
	}
	s.forgetFlow(t)
}

func (s *Scheduler) forgetFlow(t *flow) {
	delete(s.flows.named, t.name)
	*t = flow{}
	s.flows.spare = t
}

// busy takes t out of the list of debtors, if it is there.
func (f *flows) busy(t *flow) {
	if t.listed {
		t.prev.next, t.next.prev = t.next, t.prev
		t.next, t.prev, t.listed = nil, nil, false
	}
}

// owes reports whether t has had more than others who wait.
func (s *Scheduler) owes(t *flow) bool {
	for i := range t.lines {
		if l := &t.lines[i]; l.lane != nil && l.tag > l.lane.clock {
			return true
		}
	}
	return false
}

// prune forgets the first debtors who owe nothing any more, a few at a time, so that each that comes makes room for itself;
// of those who do, one, if there are too many.
func (s *Scheduler) prune(must bool) {
	for range 2 {
		t := s.flows.debtors.next
		if t == &s.flows.debtors || !must && s.owes(t) {
			return
		}
		must = false
		s.flows.busy(t)
		s.forgetFlow(t)
	}
}

// lineOf returns the line that w joins in its lane.
func (s *Scheduler) lineOf(w *Waiter) *line {
	q := s.laneOf(w)
	t := &s.flows.plain
	if w.tenant != "" {
		t = s.flowOf(w.tenant)
		s.flows.busy(t)
	}
	l := &t.lines[q.index()]
	if l.lane == nil {
		l.flow, l.lane = t, q
	}
	return l
}

// laneOf returns the lane that w waits in.
func (s *Scheduler) laneOf(w *Waiter) *lane {
	rank := w.class.rank()
	if w.traits&slowly != 0 {
		return &s.classes[rank].slow
	}
	return &s.classes[rank].quick
}

func (q *lane) index() int {
	if q.slow {
		return 2*q.rank + 1
	}
	return 2 * q.rank
}

// join puts w at the end of its line.
func (s *Scheduler) join(w *Waiter) {
	l := s.lineOf(w)
	l.pushBack(w)
	s.joined(l, w)
}

// joinFront puts w before everybody of its lane. It costs its tenant no turn: w had one before. Where tenants may hold only so
// much it stands before the others of its tenant, which may have taken what it lost.
func (s *Scheduler) joinFront(w *Waiter) {
	if s.limits.TenantPermits > 0 && w.tenant != "" {
		l := s.lineOf(w)
		l.pushFront(w)
		s.joined(l, w)
		return
	}
	q := s.laneOf(w)
	q.front.lane = q
	q.front.pushFront(w)
	q.class.waiting++
}

func (s *Scheduler) joined(l *line, w *Waiter) {
	l.lane.class.waiting++
	l.flow.waiting++
	switch {
	case l.flow.full:
		s.flows.full++
	case l.at == 0:
		if len(l.lane.heap) == 0 {
			l.lane.wake(w.since)
		}
		l.lane.enter(l)
	}
}

// part takes w off its line.
func (s *Scheduler) part(w *Waiter) {
	l := w.line
	q := l.lane
	l.remove(w)
	c := q.class
	c.waiting--
	if c.waiting == 0 {
		c.passed = 0 // who waits next has not been passed over yet
	}
	t := l.flow
	if t == nil { // the front
		return
	}
	t.waiting--
	if t.full {
		s.flows.full--
	}
	if l.waiting == 0 && l.at > 0 {
		q.exit(l)
	}
	if t.waiting == 0 && t != &s.flows.plain {
		s.idle(t)
	}
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
		if c := s.costs.estimate(w.label); c != nil {
			guess = max(c.mean, 1)
		}
		u.guess = float32(guess)
		q.charge(w.line, float64(u.guess))
	}
	s.fill(t)
}

// fill takes the lines of t out of the heaps if it holds as much as it may, or puts them back.
func (s *Scheduler) fill(t *flow) {
	most := s.limits.TenantPermits
	full := most > 0 && t.uses >= most && t != &s.flows.plain
	if full == t.full {
		return
	}
	t.full = full
	if full {
		s.flows.full += t.waiting
	} else {
		s.flows.full -= t.waiting
	}
	for i := range t.lines {
		switch l := &t.lines[i]; {
		case full && l.at > 0:
			l.lane.exit(l)
		case !full && l.waiting > 0:
			l.lane.enter(l)
		}
	}
}

// refill looks at all flows anew, since what they may hold, or their weight, has changed.
func (s *Scheduler) refill() {
	look := func(t *flow, weight float64) {
		for i := range t.lines {
			if l := &t.lines[i]; l.at > 0 {
				l.lane.weight += weight - t.weight
			}
		}
		t.weight = weight
		s.fill(t)
	}
	for name, t := range s.flows.named {
		look(t, s.weightOf(name))
	}
	if s.flows.shards != nil {
		for i := range s.flows.shards {
			look(&s.flows.shards[i], 1)
		}
	}
}

// Wanting returns how many of those who wait one more permit may help: not those of tenants who hold as much as they may.
func (s *Scheduler) Wanting() int { return s.waiting - s.flows.full }
