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
