package lifecycle

import (
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// A Waiting is a caller who waits for a resource.
type Waiting struct {
	Class         priority.Class
	Label, Tenant string
	// Detail is what it is about to do: Request.Detail.
	Detail string
	// Waited is for how long it has waited.
	Waited time.Duration
}

// Waiters returns who waits at the instant, who has waited longest first, and no more than limit of them. Whoever waits for a turn
// is kept from it meanwhile, so that limit should be what a person reads, and not all there are.
func (p *Pool[T]) Waiters(limit int) []Waiting {
	if limit <= 0 {
		return nil
	}
	p.mu.Lock()
	room := min(limit, p.sched.Waiting())
	p.mu.Unlock()
	if room == 0 {
		return nil
	}
	waiting := make([]Waiting, 0, room) // before the lock, under which nothing is allocated
	now := mono.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sched.Waiters(func(w *priority.Waiter) bool {
		req := w.Value().(*Request) // until the grant; and who waits was not granted anything
		waiting = append(waiting, Waiting{
			Class: w.Class(), Label: req.Label, Tenant: req.Tenant, Detail: req.Detail, Waited: max(0, now.Sub(w.Since())),
		})
		return len(waiting) < room
	})
	return waiting
}
