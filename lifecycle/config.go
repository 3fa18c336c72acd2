package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// The defaults of [Config].
const (
	DefaultCreateTimeout  = 10 * time.Second
	DefaultDestroyTimeout = 5 * time.Second
	DefaultKeepInterval   = time.Minute
	DefaultMaxCreating    = 8
	DefaultInterruptGrace = 2 * time.Second
)

// Config configures a [Pool]. Create, Destroy and Max must be set. NewPool copies it.
type Config[T any] struct {
	// Name names the pool in errors and events.
	Name string

	// Create makes a resource. It runs on a goroutine of the pool, under CreateTimeout, never under a caller's context:
	// a caller that leaves does not waste what was begun. It must return when its context ends: until it does, it takes
	// a place. A panic in it counts as a failure. What its error says reaches callers and observers, so it must hold no
	// secret.
	Create func(ctx context.Context) (T, error)
	// Destroy ends a resource. It runs on a goroutine of the pool, under DestroyTimeout; until it returns, the resource
	// counts against Max.
	Destroy func(ctx context.Context, value T) error
	// Validate, if set, says whether a resource that has been idle for so long may be lent. It runs on the caller's
	// goroutine and under its context, before each lending. If it fails, the resource is destroyed and the caller gets
	// another; if it fails at the first lending, that counts as a failed creation. suspect is set if somebody called
	// Suspect since the resource was last found good: then nothing but a proof will do.
	Validate func(ctx context.Context, value T, idle time.Duration, suspect bool) error
	// Interrupt, if set, is told to hurry the holder of a resource that a Drain waits for in vain: it is called once for
	// each that is held when the drain's context has ended, on the drain's goroutine, while the holder may be using it.
	Interrupt func(value T)

	// Min is how many resources are kept open from the first use on. Defaults to 0.
	Min int
	// Max is how many there may be, those being created and destroyed included.
	Max int
	// MaxCreating is how many may be under creation at once when callers keep waiting. It starts at 2 and doubles each
	// time that one was created and somebody who came before it was begun still waits. Defaults to DefaultMaxCreating.
	MaxCreating int

	// AcquireTimeout is how long a caller may wait. Zero is no limit but its context.
	AcquireTimeout time.Duration
	// CreateTimeout and DestroyTimeout bound Create and Destroy. They default to DefaultCreateTimeout and
	// DefaultDestroyTimeout.
	CreateTimeout, DestroyTimeout time.Duration
	// IdleTimeout is how long a resource above Min may be idle before it is destroyed. Zero is for ever.
	IdleTimeout time.Duration
	// MaxLifetime is how old a resource may become. Zero is no limit. It is never destroyed while it is held.
	MaxLifetime time.Duration
	// LifetimeJitter shortens each resource's lifetime by a random part of this, so that they do not all end at once.
	// Defaults to a tenth of MaxLifetime; negative is none.
	LifetimeJitter time.Duration
	// KeepInterval is how often idle resources are looked over. Defaults to DefaultKeepInterval, or less where
	// IdleTimeout or MaxLifetime are short.
	KeepInterval time.Duration
	// LeakThreshold is for how long a resource may be held before the observer is told, once a lending, that it may have
	// been forgotten. Zero is never. Requests that are Exempt are left out.
	LeakThreshold time.Duration
	// InterruptGrace is how long a Drain waits for those whom it interrupted. Defaults to DefaultInterruptGrace.
	InterruptGrace time.Duration

	// Reserve, AgingShare and MaxWaiting are those of [priority.Limits].
	Reserve, AgingShare, MaxWaiting int
	// Rules are further ones for who goes next.
	Rules
	// Adaptive, if it is on, has how much is lent at once follow what proves to be best. See [Adaptive].
	Adaptive Adaptive

	// Observer, if set, is told what happens. With an [*Observers], others can be added at any time.
	Observer Observer
}

// Rules are the rules of [priority.Limits] that say who goes next beyond classes, arrival and turns. The zero value has none.
type Rules struct {
	Shedding      priority.Shedding
	TenantWeights priority.Weights
	// TenantMax is TenantPermits there: how many resources one tenant may hold.
	TenantMax     int
	TenantWaiting int
	SlowAfter     time.Duration
	SlowShare     int
}

// validate reports everything that is wrong with c.
func (c *Config[T]) validate() error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if c.Create == nil {
		bad("Create is nil")
	}
	if c.Destroy == nil {
		bad("Destroy is nil")
	}
	if c.Max < 1 {
		bad("Max is %d: must be at least 1", c.Max)
	}
	if c.Min < 0 || c.Min > c.Max {
		bad("Min is %d: must be between 0 and Max, which is %d", c.Min, c.Max)
	}
	if c.MaxCreating < 0 {
		bad("MaxCreating is %d: must not be negative", c.MaxCreating)
	}
	for _, f := range []struct {
		name string
		d    time.Duration
	}{
		{"AcquireTimeout", c.AcquireTimeout}, {"CreateTimeout", c.CreateTimeout}, {"DestroyTimeout", c.DestroyTimeout},
		{"IdleTimeout", c.IdleTimeout}, {"MaxLifetime", c.MaxLifetime}, {"KeepInterval", c.KeepInterval},
		{"LeakThreshold", c.LeakThreshold}, {"InterruptGrace", c.InterruptGrace},
	} {
		if f.d < 0 {
			bad("%s is %s: must not be negative", f.name, f.d)
		}
	}
	if c.MaxLifetime > 0 && c.LifetimeJitter >= c.MaxLifetime {
		bad("LifetimeJitter is %s: must be less than MaxLifetime, which is %s", c.LifetimeJitter, c.MaxLifetime)
	}
	if c.Adaptive.Min < 0 || c.Adaptive.Min > c.Max {
		bad("Adaptive.Min is %d: must be between 0 and Max, which is %d", c.Adaptive.Min, c.Max)
	}
	limits := c.limits(max(c.Max, 0))
	limits.MaxWait = 0 // which is AcquireTimeout here
	if err := limits.Validate(); err != nil {
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// limits returns the scheduler's numbers with that many permits.
func (c *Config[T]) limits(permits int) priority.Limits {
	return priority.Limits{
		Permits: permits, Reserve: c.Reserve, AgingShare: c.AgingShare,
		MaxWaiting: c.MaxWaiting, MaxWait: c.AcquireTimeout,
		Shedding: c.Shedding, TenantWeights: c.TenantWeights, TenantPermits: c.TenantMax, TenantWaiting: c.TenantWaiting,
		SlowAfter: c.SlowAfter, SlowShare: c.SlowShare,
	}
}

// withDefaults returns c with what is unset set.
func (c Config[T]) withDefaults() Config[T] {
	set := func(d *time.Duration, value time.Duration) {
		if *d == 0 {
			*d = value
		}
	}
	set(&c.CreateTimeout, DefaultCreateTimeout)
	set(&c.DestroyTimeout, DefaultDestroyTimeout)
	set(&c.InterruptGrace, DefaultInterruptGrace)
	set(&c.LifetimeJitter, c.MaxLifetime/10)
	if c.KeepInterval == 0 {
		c.KeepInterval = DefaultKeepInterval
		for _, d := range []time.Duration{c.IdleTimeout, c.MaxLifetime} {
			if d > 0 {
				c.KeepInterval = min(c.KeepInterval, max(d/2, 10*time.Millisecond))
			}
		}
	}
	if c.MaxCreating == 0 {
		c.MaxCreating = DefaultMaxCreating
	}
	return c
}
