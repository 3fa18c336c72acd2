package connector

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// Reconfigure puts cfg in force while the pool is in use, all of it together, and loses no caller. cfg is meant to be a
// [Connector.Config] with some fields changed:
//
//	cfg := pool.Config()
//	cfg.MaxConns, cfg.StatementTimeout = 40, 5*time.Second
//	err := pool.Reconfigure(cfg)
//
// What the pool goes by holds at once, for those too who wait: MinConns, MaxConns, MaxDials, HighReserve, AgingShare,
// MaxWaiting, AcquireTimeout (reckoned from when they came), ConnectTimeout, the lifetimes, HealthCheckPeriod and
// LeakThreshold. Connections above a lowered MaxConns are closed, those in use when they come back; callers above a lowered
// MaxWaiting stay in the queue.
//
// What a connection goes by it has from its start: StatementTimeout, TransactionTimeout, IdleInTransactionTimeout,
// EndTimeout, CancelTimeout, MaxCancels, Prewarm, ResetQuery, LeakStacks. If one of these changes, every connection is
// replaced as by [Connector.Reset], those in use when they come back, and their holders go on as they began.
//
// What the pool is cannot change: Name, DSN, ConnConfig, Connector, the PgBouncer fields, hooks and the Observer. An attempt
// is an error, as is whatever [Config.Validate] finds, and changes nothing. Of a hook it is only seen that it was set or
// taken away. A password that changes is the affair of BeforeConnect.
//
// Safe for concurrent use; of two at the same time the last one's cfg is in force, as a whole.
func (c *Connector) Reconfigure(cfg Config) error {
	return c.reconfigure(func(next *Config) []error {
		var errs []error
		if fixed := next.fixed(&cfg); len(fixed) > 0 {
			errs = append(errs, fmt.Errorf("%s cannot change while the pool is in use: open another one", strings.Join(fixed, ", ")))
		}
		source := next.ConnConfig
		*next = cfg
		next.ConnConfig = source
		next.Prewarm = slices.Clone(cfg.Prewarm)
		return errs
	})
}

// Resize is Reconfigure for MinConns and MaxConns alone.
func (c *Connector) Resize(minConns, maxConns int) error {
	return c.reconfigure(func(next *Config) []error {
		if maxConns < 1 { // 0 is no default here
			return []error{fmt.Errorf("MaxConns is %d: must be at least 1", maxConns)}
		}
		next.MinConns, next.MaxConns = minConns, maxConns
		return nil
	})
}

// reconfigure changes a copy of what is in force, checks it, and puts it in force.
func (c *Connector) reconfigure(change func(*Config) []error) error {
	if err := c.Err(); err != nil {
		return err
	}
	var old, next *edition
	for next == nil || !c.current.CompareAndSwap(old, next) {
		old = c.current.Load()
		cfg := *old.cfg
		cfg.restoreNone()
		errs := change(&cfg)
		errs = append(errs, cfg.check()...)
		errs = append(errs, cfg.checkPgBouncer()...)
		if len(errs) > 0 {
			return fmt.Errorf("poolsql: pool %q: bad configuration, nothing is changed: %w", old.cfg.Name, errors.Join(errs...))
		}
		cfg.setDefaults()
		if err := cfg.limits().Validate(); err != nil {
			return fmt.Errorf("poolsql: pool %q: bad configuration, nothing is changed: %w", old.cfg.Name, err)
		}
		next = newEdition(&cfg, old, &c.bouncer)
	}
	// Of two callers at once either may come last here: the pool gets what is in force then, from whoever it came.
	for in := (*edition)(nil); in != c.current.Load(); {
		in = c.current.Load()
		if err := c.pool.Configure(in.cfg.poolSettings()); err != nil {
			return err
		}
	}
	if old.cfg.startsOtherwise(next.cfg) {
		c.pool.Reset()
	}
	return nil
}

// fixed returns the names of the fields that cannot change and are other ones in b.
func (cfg *Config) fixed(b *Config) []string {
	var names []string
	for i := range fields {
		if f := &fields[i]; f.change == never && !f.equal(cfg, b) {
			names = append(names, f.goName)
		}
	}
	for _, o := range others {
		if o.show(cfg) != o.show(b) {
			names = append(names, o.goName)
		}
	}
	if cfg.Connector != nil && b.Connector != nil && reflect.TypeOf(b.Connector).Comparable() && cfg.Connector != b.Connector {
		names = append(names, "Connector")
	}
	return names
}

// startsOtherwise reports whether connections are other ones from their start by b.
func (cfg *Config) startsOtherwise(b *Config) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return f.change == anew && !f.equal(cfg, b) })
}

func (f *field) equal(a, b *Config) bool { return reflect.DeepEqual(f.at(a), f.at(b)) }
