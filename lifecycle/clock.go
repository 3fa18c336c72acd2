package lifecycle

import (
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// Each lending looks at the clock twice, when it begins and when it ends. That is 20 to 50 ns a look, next to nothing
// beside a round trip to a server, but a third of what a lending costs. So above paceOn lendings a second, which only
// resources in this process allow, the clock is read once a tick and not twice a lending. What is measured then is whole
// ticks: one hold more or less than it was, and the sum of many right, since they begin anywhere between two ticks.
// An observer of these is told the time of each, so with one the clock is always exact.
const (
	paceCheck = 1024                         // lendings between two looks at the pace
	paceOn    = paceCheck * time.Microsecond // what they may take at most for the clock to become coarse
	paceTick  = time.Millisecond
	paceOff   = 250 // lendings a tick below which the clock is exact again
)

// A paceClock is the clock of a pool. Its fields but coarse are guarded by the pool's mu.
type paceClock struct {
	coarse   atomic.Int64 // a mono.Time; 0 while the clock is exact
	ticker   *time.Timer
	checked  mono.Time // when the pace was last looked at
	released uint64    // how many lendings had ended at the last tick
}

// now returns the time: of the last tick while the clock is coarse.
func (p *Pool[T]) now() mono.Time {
	if t := p.clock.coarse.Load(); t != 0 {
		return mono.Time(t)
	}
	return mono.Now()
}

// paceLocked makes the clock coarse if the pace demands it. It is called once every paceCheck lendings.
func (p *Pool[T]) paceLocked(now mono.Time) {
	c := &p.clock
	took := now.Sub(c.checked)
	c.checked = now
	if c.coarse.Load() != 0 || took > paceOn || p.phase != open || p.timed() {
		return
	}
	c.released = p.counts.released
	c.coarse.Store(int64(now))
	if c.ticker == nil {
		c.ticker = time.AfterFunc(paceTick, p.tick)
		return
	}
	c.ticker.Reset(paceTick)
}

// tick moves the coarse clock on, or makes it exact again.
func (p *Pool[T]) tick() {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := &p.clock
	if p.phase != open || p.counts.released-c.released < paceOff || p.timed() {
		c.coarse.Store(0)
		return
	}
	c.released = p.counts.released
	c.coarse.Store(int64(mono.Now()))
	c.ticker.Reset(paceTick)
}

// timed reports whether somebody is told how long each lending, or what happens in it, takes.
func (p *Pool[T]) timed() bool {
	return p.told.Wants(KindRelease) || p.told.Wants(KindAcquire) || p.told.Wants(KindOperation)
}
