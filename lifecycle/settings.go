package lifecycle

import (
	"fmt"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// Settings are what of a [Config] can change while the pool is in use. Each field means what the one of its name means
// there, and zero is its default. Two of them are compared by [reflect.DeepEqual].
type Settings struct {
	Min, Max, MaxCreating           int
	AcquireTimeout, CreateTimeout   time.Duration
	IdleTimeout, KeepInterval       time.Duration
	MaxLifetime, LifetimeJitter     time.Duration
	LeakThreshold                   time.Duration
	Reserve, AgingShare, MaxWaiting int
	Rules
	Adaptive Adaptive
}

func (c *Config[T]) settings() Settings {
	return Settings{
		Min: c.Min, Max: c.Max, MaxCreating: c.MaxCreating,
		AcquireTimeout: c.AcquireTimeout, CreateTimeout: c.CreateTimeout,
		IdleTimeout: c.IdleTimeout, KeepInterval: c.KeepInterval,
		MaxLifetime: c.MaxLifetime, LifetimeJitter: c.LifetimeJitter,
		LeakThreshold: c.LeakThreshold,
		Reserve:       c.Reserve, AgingShare: c.AgingShare, MaxWaiting: c.MaxWaiting,
		Rules: c.Rules, Adaptive: c.Adaptive,
	}
}

// Set sets the fields that s has, and no others. In a pool these others are read without the lock.
func (c *Config[T]) Set(s Settings) {
	c.Min, c.Max, c.MaxCreating = s.Min, s.Max, s.MaxCreating
	c.AcquireTimeout, c.CreateTimeout = s.AcquireTimeout, s.CreateTimeout
	c.IdleTimeout, c.KeepInterval = s.IdleTimeout, s.KeepInterval
	c.MaxLifetime, c.LifetimeJitter = s.MaxLifetime, s.LifetimeJitter
	c.LeakThreshold = s.LeakThreshold
	c.Reserve, c.AgingShare, c.MaxWaiting = s.Reserve, s.AgingShare, s.MaxWaiting
	c.Rules, c.Adaptive = s.Rules, s.Adaptive
}

// Settings returns the settings in force, with their defaults.
func (p *Pool[T]) Settings() Settings {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cfg.settings()
}

// Configure puts s in force while the pool is in use, all of it at the same instant. It fails, and changes nothing, if s
// contradicts itself, or, with an error that [priority.ErrClosed] matches, if the pool is shut.
//
// Nobody who waits or holds something loses it: resources above a lowered maximum are destroyed, idle ones at once, held
// ones when they come back; those above a lowered MaxWaiting stay in the queue. Who waits is served by the new reserve at
// once, and a changed AcquireTimeout counts from when he came. What exists gets a new lifetime, reckoned from its
// creation. A creation that is under way keeps its CreateTimeout.
func (p *Pool[T]) Configure(s Settings) error {
	return p.configure(func(cfg *Config[T]) { cfg.Set(s) })
}

// Resize is Configure for the minimum and the maximum alone.
func (p *Pool[T]) Resize(minimum, maximum int) error {
	return p.configure(func(cfg *Config[T]) { cfg.Min, cfg.Max = minimum, maximum })
}

var errShut = fmt.Errorf("lifecycle: the pool is shut: %w", priority.ErrClosed)

func (p *Pool[T]) configure(change func(*Config[T])) error {
	now := mono.Now()
	var b priority.Batch
	var rep report[T]
	p.mu.Lock()
	if p.phase != open {
		p.mu.Unlock()
		return errShut
	}
	cfg := p.cfg
	change(&cfg)
	if err := cfg.validate(); err != nil {
		p.mu.Unlock()
		return fmt.Errorf("lifecycle: %w", err)
	}
	cfg = cfg.withDefaults()
	p.configureLocked(cfg.settings(), now, &b, &rep)
	p.mu.Unlock()
	b.Wake()
	p.carryOut(&rep)
	return nil
}

func (p *Pool[T]) configureLocked(s Settings, now mono.Time, b *priority.Batch, rep *report[T]) {
	old := p.cfg.settings()
	p.cfg.Set(s)
	if s.Min != old.Min || s.Max != old.Max {
		p.note(rep, Event{Kind: KindResize, Count: s.Max})
	}
	p.sched.SetLimits(p.cfg.limits(p.sched.Limits().Permits))
	p.adaptAnewLocked(now, rep)
	p.allowance = min(p.allowance, s.MaxCreating)
	if s.MaxLifetime != old.MaxLifetime || s.LifetimeJitter != old.LifetimeJitter {
		for _, r := range p.all {
			r.expires = p.expiry(r)
		}
	}
	if p.phase == open {
		p.evictLocked(now, rep) // what is above the maximum too
		p.dispatchLocked(now, b)
	}
	p.breakDeadlockLocked(b)
	p.turnsLocked(rep)
	if s.KeepInterval != old.KeepInterval {
		p.alarmAt = 0 // the next round is reckoned anew
	}
	p.planLocked(rep)
	if s.LeakThreshold != old.LeakThreshold && s.LeakThreshold > 0 && p.live > 0 && p.phase == open {
		p.watchInLocked(leakPause) // some may be over it already
	}
	p.changedLocked()
}
