package connector

import (
	"context"
	"database/sql/driver"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// An edition is one configuration that is or was in force, with what is made of it. It does not change:
// [Connector.Reconfigure] puts another in its place. A connection keeps the one that it was opened with.
type edition struct {
	cfg  *Config // resolved
	opts pooldriver.Options
	dial func(context.Context) (driver.Conn, error)
}

// newEdition makes an edition of cfg, which is resolved. before is the one that it follows, nil if it is the first.
func newEdition(cfg *Config, before *edition, b *bouncer) *edition {
	e := &edition{cfg: cfg}
	started := *cfg // as connections are started: with what goes into their start-up parameters
	if cfg.ConnConfig != nil {
		started.ConnConfig = cfg.ConnConfig.Copy()
		started.setServerTimeout("statement_timeout", cfg.StatementTimeout)
		started.setServerTimeout("idle_in_transaction_session_timeout", cfg.IdleInTransactionTimeout)
	}
	e.opts = pooldriver.Options{
		AfterConnect: cfg.AfterConnect, Prewarm: cfg.Prewarm,
		ResetSession: cfg.ResetSession, ResetQuery: cfg.ResetQuery, ShouldPing: cfg.ShouldPing,
		StatementTimeout:         started.serverTimeout("statement_timeout"),
		IdleInTransactionTimeout: started.serverTimeout("idle_in_transaction_session_timeout"),
		TransactionTimeout:       cfg.TransactionTimeout,
		EndTimeout:               cfg.EndTimeout, CancelTimeout: cfg.CancelTimeout,
		StatementCacheCapacity: cfg.statementsCached(), Stacks: cfg.LeakStacks,
		PrewarmStatements: cfg.PrewarmStatements,
		Observers:         b.observers, Pool: cfg.Name, Tracer: cfg.Tracer, Comment: cfg.Comment,
		Replica: before != nil && before.opts.Replica,
		Pooler:  pooldriver.Pooler(cfg.PgBouncer), Tracked: cfg.PgBouncerParams,
	}
	e.opts.Coalescing = priority.Coalescing{
		MaxAge: cfg.CoalesceMaxAge, MaxWaiters: cfg.CoalesceMaxWaiters, MaxBytes: cfg.CoalesceMaxBytes, AtCap: cfg.CoalesceAtCap,
	}
	if before == nil {
		e.opts.Retries = new(pooldriver.Budget)
		e.opts.Retries.Init()
		e.opts.Coalescer = pooldriver.NewCoalescer()
	} else {
		e.opts.Retries, e.opts.Coalescer = before.opts.Retries, before.opts.Coalescer
		e.opts.Strained = before.opts.Strained
	}
	if before != nil && before.cfg.MaxCancels == cfg.MaxCancels {
		e.opts.Cancels = before.opts.Cancels // the same places
	} else {
		e.opts.Cancels.Init(cfg.MaxCancels)
	}
	e.opts.Carried = started.carried()
	e.opts.Settings = started.takeSettings() // which are no start-up parameters then
	e.dial = dial(started.inner(&e.opts, b))
	return e
}

// statementsCached returns how many statements each connection keeps prepared.
func (cfg *Config) statementsCached() int {
	switch {
	case cfg.StatementCacheCapacity > 0:
		return cfg.StatementCacheCapacity
	case cfg.ConnConfig != nil && cfg.ConnConfig.StatementCacheCapacity > 0:
		return cfg.ConnConfig.StatementCacheCapacity
	default:
		return DefaultStatementsCached
	}
}

// limited reports whether connections have a limit that the watchdog looks at.
func (e *edition) limited() bool { return e.cfg.ConnConfig != nil && e.opts.Limited() }

// poolSettings returns what the pool is to go by.
func (cfg *Config) poolSettings() lifecycle.Settings {
	return lifecycle.Settings{
		Min: cfg.MinConns, Max: cfg.MaxConns, MaxCreating: cfg.MaxDials,
		AcquireTimeout: cfg.AcquireTimeout, CreateTimeout: cfg.ConnectTimeout,
		IdleTimeout: cfg.MaxConnIdleTime, KeepInterval: cfg.HealthCheckPeriod,
		MaxLifetime: cfg.MaxConnLifetime, LifetimeJitter: cfg.MaxConnLifetimeJitter,
		LeakThreshold: cfg.LeakThreshold,
		Reserve:       cfg.HighReserve, AgingShare: cfg.AgingShare, MaxWaiting: cfg.MaxWaiting,
		Rules: lifecycle.Rules{
			Shedding: cfg.Shedding, TenantWeights: cfg.TenantWeights, TenantMax: cfg.TenantMaxConns,
			TenantWaiting: cfg.TenantMaxWaiting, SlowAfter: cfg.SlowThreshold, SlowShare: cfg.SlowShare,
		},
		Adaptive: lifecycle.Adaptive{On: cfg.AdaptiveLimit, Min: cfg.AdaptiveLimitMin},
	}
}
