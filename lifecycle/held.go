package lifecycle

import "github.com/poolsql/poolsql/internal/mono"

// Held calls visit for each resource that is in use: its id, the resource, the number of the lending, and since when it
// is held. What it tells was so at one instant; the resource may be back, and in other hands, when visit is called, so
// that visit may only use what is safe for concurrent use in it. No lock is held meanwhile, and the order is none.
func (p *Pool[T]) Held(visit func(id uint64, value T, epoch uint64, since mono.Time)) {
	type lending struct {
		id    uint64
		value T
		epoch uint64
		since mono.Time
	}
	p.mu.Lock()
	lendings := make([]lending, 0, p.sched.Out())
	for _, r := range p.all {
		if r.state == InUse {
			lendings = append(lendings, lending{r.id, r.value, r.epoch, r.since})
		}
	}
	p.mu.Unlock()
	for _, l := range lendings {
		visit(l.id, l.value, l.epoch, l.since)
	}
}
