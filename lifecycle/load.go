package lifecycle

import "time"

// Load returns how many want or have a resource, and how many may have one at most: what it takes to choose the less loaded
// of two pools.
func (p *Pool[T]) Load() (busy, limit int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	limit = p.cfg.Max
	if p.adapt != nil {
		limit = p.adapt.Limit()
	}
	return p.sched.Out() + p.sched.Waiting(), limit
}

// Turnover returns how many lendings have ended, and how long they lasted together.
func (p *Pool[T]) Turnover() (released uint64, used time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.counts.released, p.counts.useTime
}
