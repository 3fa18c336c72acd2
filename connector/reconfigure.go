package connector

import (
	"crypto/tls"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Reconfigure puts cfg in force while the pool is in use, all of it together, and loses no caller. cfg is meant to be a
// [Connector.Config] with some fields changed:
//
//	cfg := pool.Config()
//	cfg.MaxConns, cfg.StatementTimeout = 40, 5*time.Second
//	err := pool.Reconfigure(cfg)
//
// What the pool goes by holds at once, for those too who wait: MinConns, MaxConns, MaxDials, HighReserve, AgingShare,
// MaxWaiting, Shedding, the tenants' and the slow calls' shares, CostByStatement, CostFromPlan, AdaptiveLimit and
// AdaptiveLimitMin, the Coalesce fields, ClassifyReads, ReplicasOnly, MaxReplicaLag, ReplicaCheckInterval, AcquireTimeout (reckoned from when they
// came), ConnectTimeout, the lifetimes, HealthCheckPeriod and LeakThreshold. Connections above a lowered MaxConns are closed,
// those in use when they come back; callers above a lowered MaxWaiting stay in the queue.
//
// What a connection goes by it has from its start: StatementTimeout, TransactionTimeout, IdleInTransactionTimeout,
// EndTimeout, CancelTimeout, MaxCancels, StatementCacheCapacity, Prewarm, PrewarmStatements, ResetQuery,
// SessionSettings, LeakStacks. If one of these changes, every connection is
// replaced as by [Connector.Reset], those in use when they come back, and their holders go on as they began.
//
// What the pool is cannot change: Name, DSN, ConnConfig, Connector, the PgBouncer fields, Routes, hooks, the Tracer and the Observer. An attempt
// is an error, as is whatever [Config.Validate] finds, and changes nothing. After Close and Drain it fails with [priority.ErrClosed]. Of two closures of one function, and of two values
// that cannot be compared, it is not seen that they are two: the old one stays. A password that changes is the affair of
// BeforeConnect.
//
// Safe for concurrent use; of two at the same time the last one's cfg is in force, as a whole.
func (c *Connector) Reconfigure(cfg Config) error {
	return c.reconfigure(func(next *Config) []error {
		var errs []error
		if fixed := next.fixed(&cfg); len(fixed) > 0 {
			errs = append(errs, fmt.Errorf("%s cannot change while the pool is in use: open another one", strings.Join(fixed, ", ")))
		}
		before := *next
		*next = cfg
		next.keepFixed(&before)
		if jitter := before.MaxConnLifetime / 10; before.MaxConnLifetimeJitter == jitter && cfg.MaxConnLifetimeJitter == jitter {
			next.MaxConnLifetimeJitter = 0 // which Config made explicit: it is the default, and that of the new lifetime now
		}
		next.TenantWeights = maps.Clone(cfg.TenantWeights)
		next.Prewarm, next.PgBouncerParams = slices.Clone(cfg.Prewarm), slices.Clone(cfg.PgBouncerParams)
		next.PrewarmStatements = slices.Clone(cfg.PrewarmStatements)
		next.SessionSettings = slices.Clone(cfg.SessionSettings)
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
		if errs := cfg.checkRoutes(); len(errs) > 0 {
			return fmt.Errorf("poolsql: pool %q: bad configuration, nothing is changed: %w", old.cfg.Name, errors.Join(errs...))
		}
		next = newEdition(&cfg, old, &c.bouncer)
	}
	// Of two callers at once either may come last here: the pool gets what is in force then, from whoever it came.
	for in := (*edition)(nil); in != c.current.Load(); {
		in = c.current.Load()
		if err := c.pool.Configure(in.cfg.poolSettings()); err != nil {
			return fmt.Errorf("poolsql: pool %q: %w", in.cfg.Name, err)
		}
	}
	if old.cfg.startsOtherwise(next.cfg) {
		c.pool.Reset()
		if old.limited() { // those in use keep their limits
			c.watch.start()
		}
	}
	return c.reconfigureRoutes()
}

// fixed returns the names of the fields that cannot change and are other ones in b.
func (cfg *Config) fixed(b *Config) []string {
	var names []string
	for i := range fields {
		if f := &fields[i]; f.change == never && !f.equal(cfg, b) {
			names = append(names, f.goName)
		}
	}
	if !sameSource(cfg.ConnConfig, b.ConnConfig) {
		names = append(names, "ConnConfig")
	}
	other := func(name string, same bool) {
		if !same {
			names = append(names, name)
		}
	}
	other("Connector", sameValue(cfg.Connector, b.Connector))
	other("BeforeConnect", sameFunction(cfg.BeforeConnect, b.BeforeConnect))
	other("AfterConnect", sameFunction(cfg.AfterConnect, b.AfterConnect))
	other("ResetSession", sameFunction(cfg.ResetSession, b.ResetSession))
	other("ShouldPing", sameFunction(cfg.ShouldPing, b.ShouldPing))
	other("Tracer", sameValue(cfg.Tracer, b.Tracer))
	other("Comment", sameFunction(cfg.Comment, b.Comment))
	other("Routes", sameRoutes(cfg.Routes, b.Routes))
	other("Observer", sameValue(cfg.Observer, b.Observer))
	return names
}

// keepFixed sets what cannot change, and has no text form, as it is in before.
func (cfg *Config) keepFixed(before *Config) {
	cfg.ConnConfig, cfg.Connector, cfg.Observer = before.ConnConfig, before.Connector, before.Observer
	cfg.BeforeConnect, cfg.AfterConnect = before.BeforeConnect, before.AfterConnect
	cfg.Tracer, cfg.Comment = before.Tracer, before.Comment
	cfg.ResetSession, cfg.ShouldPing = before.ResetSession, before.ShouldPing
	cfg.Routes = before.Routes
}

// sameSource reports whether two configurations of pgx lead to the same, as far as that can be compared.
func sameSource(a, b *pgx.ConnConfig) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Host == b.Host && a.Port == b.Port && a.User == b.User && a.Password == b.Password && a.Database == b.Database &&
		a.ConnectTimeout == b.ConnectTimeout && a.DefaultQueryExecMode == b.DefaultQueryExecMode &&
		a.StatementCacheCapacity == b.StatementCacheCapacity && a.DescriptionCacheCapacity == b.DescriptionCacheCapacity &&
		maps.Equal(a.RuntimeParams, b.RuntimeParams) && sameTLS(a.TLSConfig, b.TLSConfig) &&
		slices.EqualFunc(a.Fallbacks, b.Fallbacks, func(a, b *pgconn.FallbackConfig) bool {
			return a.Host == b.Host && a.Port == b.Port && sameTLS(a.TLSConfig, b.TLSConfig)
		})
}

func sameTLS(a, b *tls.Config) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.ServerName == b.ServerName && a.InsecureSkipVerify == b.InsecureSkipVerify && a.RootCAs.Equal(b.RootCAs) &&
		len(a.Certificates) == len(b.Certificates)
}

// sameFunction reports whether two functions are one in the program's text.
func sameFunction(a, b any) bool { return reflect.ValueOf(a).Pointer() == reflect.ValueOf(b).Pointer() }

// sameValue reports whether two values of an interface are one, as far as they can be compared.
func sameValue(a, b any) bool {
	if reflect.TypeOf(a) != reflect.TypeOf(b) {
		return false
	}
	return a == nil || !reflect.ValueOf(a).Comparable() || !reflect.ValueOf(b).Comparable() || a == b
}

// startsOtherwise reports whether connections are other ones from their start by b.
func (cfg *Config) startsOtherwise(b *Config) bool {
	return slices.ContainsFunc(fields, func(f field) bool { return f.change == anew && !f.equal(cfg, b) })
}

func (f *field) equal(a, b *Config) bool { return reflect.DeepEqual(f.at(a), f.at(b)) }
