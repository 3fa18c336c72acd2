package connector

import (
	"fmt"
	"strings"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// A field is one of a [Config] that has a text form. The table of them is what DSN parameters, JSON, YAML, printing and
// validation go by.
type field struct {
	// name is its name in text. A DSN has pool_ before it.
	name string
	// goName is its name in the struct.
	goName string
	// at returns a pointer to it. The type says how its value is written: string, []string, int, bool, time.Duration, or
	// one with the two methods of encoding.TextMarshaler and encoding.TextUnmarshaler.
	at func(*Config) any
	// zero says what a zero is that stands in text.
	zero zeroMeaning
	// form says how a text is shown.
	form textForm
	// signed: it may be negative.
	signed bool
	// none: None is one of its values.
	none bool
	// commas: where there is but one text for a list, commas separate what is in it.
	commas bool
	// server: the server counts it in milliseconds, in 32 bits.
	server bool
	// pgx: it is for connections of pgx that poolsql opens itself, and cannot stand beside Config.Connector.
	pgx bool
	// change says whether and how it can change while the pool is in use.
	change changeable
	// check, if set, returns what is wrong with its value beyond all that, in words that go on from its name.
	check func(*Config) string
	// want, if set, says what it should be, where its type does not say it all.
	want string
}

type zeroMeaning uint8

const (
	zeroIsZero    zeroMeaning = iota // a value like others
	zeroIsDefault                    // refused: who writes 0 means something else than the default
	zeroIsNone                       // None
)

type changeable uint8

const (
	never changeable = iota
	live             // at once
	anew             // for connections that are opened from then on
)

type textForm uint8

const (
	plain      textForm = iota
	sqlText             // shown without its literals
	connString          // shown without its secrets; not a parameter of a DSN, as it is one
)

// fields are in the order in which they are printed.
var fields = []field{
	{name: "name", goName: "Name", at: func(c *Config) any { return &c.Name }},
	{name: "dsn", goName: "DSN", at: func(c *Config) any { return &c.DSN }, form: connString},
	{name: "max_conns", change: live, goName: "MaxConns", at: func(c *Config) any { return &c.MaxConns }, zero: zeroIsDefault},
	{name: "min_conns", change: live, goName: "MinConns", at: func(c *Config) any { return &c.MinConns }},
	{name: "max_dials", change: live, goName: "MaxDials", at: func(c *Config) any { return &c.MaxDials }, zero: zeroIsDefault},
	{name: "max_conn_lifetime", change: live, goName: "MaxConnLifetime", at: func(c *Config) any { return &c.MaxConnLifetime },
		zero: zeroIsDefault, none: true},
	// 0 is what pgxpool has for no jitter, as a parameter of its DSN.
	{name: "max_conn_lifetime_jitter", change: live, goName: "MaxConnLifetimeJitter",
		at: func(c *Config) any { return &c.MaxConnLifetimeJitter }, zero: zeroIsNone, none: true},
	{name: "max_conn_idle_time", change: live, goName: "MaxConnIdleTime", at: func(c *Config) any { return &c.MaxConnIdleTime },
		zero: zeroIsDefault, none: true},
	{name: "health_check_period", change: live, goName: "HealthCheckPeriod", at: func(c *Config) any { return &c.HealthCheckPeriod },
		zero: zeroIsDefault},
	{name: "acquire_timeout", change: live, goName: "AcquireTimeout", at: func(c *Config) any { return &c.AcquireTimeout },
		zero: zeroIsDefault, none: true},
	{name: "connect_timeout", change: live, goName: "ConnectTimeout", at: func(c *Config) any { return &c.ConnectTimeout },
		zero: zeroIsDefault},
	{name: "statement_timeout", change: anew, goName: "StatementTimeout", at: func(c *Config) any { return &c.StatementTimeout },
		server: true, pgx: true},
	{name: "transaction_timeout", change: anew, goName: "TransactionTimeout", at: func(c *Config) any { return &c.TransactionTimeout },
		server: true, pgx: true},
	{name: "idle_in_transaction_timeout", change: anew, goName: "IdleInTransactionTimeout",
		at: func(c *Config) any { return &c.IdleInTransactionTimeout }, server: true, pgx: true},
	{name: "cancel_timeout", change: anew, goName: "CancelTimeout", at: func(c *Config) any { return &c.CancelTimeout },
		zero: zeroIsDefault, server: true, pgx: true},
	{name: "max_cancels", change: anew, goName: "MaxCancels", at: func(c *Config) any { return &c.MaxCancels }, zero: zeroIsDefault,
		pgx: true, check: checkMaxCancels, want: fmt.Sprintf("want a whole number from 1 to %d", maxMaxCancels)},
	{name: "end_timeout", change: anew, goName: "EndTimeout", at: func(c *Config) any { return &c.EndTimeout }, zero: zeroIsDefault},
	{name: "high_reserve", change: live, goName: "HighReserve", at: func(c *Config) any { return &c.HighReserve }},
	{name: "aging_share", change: live, goName: "AgingShare", at: func(c *Config) any { return &c.AgingShare }, zero: zeroIsDefault,
		signed: true, check: checkAgingShare, want: "want a whole number of 2 or more, or -1 for strict priority"},
	{name: "max_waiting", change: live, goName: "MaxWaiting", at: func(c *Config) any { return &c.MaxWaiting }},
	{name: "shedding", change: live, goName: "Shedding", at: func(c *Config) any { return &c.Shedding }, want: "want off, dry-run or on",
		check: checkShedding},
	{name: "tenant_weights", change: live, goName: "TenantWeights", at: func(c *Config) any { return &c.TenantWeights },
		check: checkTenantWeights, want: "want weights such as gold=4,free=0.5, from 0.001 to 1000"},
	{name: "tenant_max_conns", change: live, goName: "TenantMaxConns", at: func(c *Config) any { return &c.TenantMaxConns }},
	{name: "tenant_max_waiting", change: live, goName: "TenantMaxWaiting", at: func(c *Config) any { return &c.TenantMaxWaiting }},
	{name: "slow_threshold", change: live, goName: "SlowThreshold", at: func(c *Config) any { return &c.SlowThreshold }},
	{name: "slow_share", change: live, goName: "SlowShare", at: func(c *Config) any { return &c.SlowShare }, zero: zeroIsDefault,
		check: checkSlowShare, want: "want a percentage from 1 to 100"},
	{name: "cost_by_statement", change: live, goName: "CostByStatement", at: func(c *Config) any { return &c.CostByStatement }},
	{name: "cost_from_plan", change: live, goName: "CostFromPlan", at: func(c *Config) any { return &c.CostFromPlan }, pgx: true},
	{name: "adaptive_limit", change: live, goName: "AdaptiveLimit", at: func(c *Config) any { return &c.AdaptiveLimit }},
	{name: "adaptive_limit_min", change: live, goName: "AdaptiveLimitMin", at: func(c *Config) any { return &c.AdaptiveLimitMin }},
	{name: "coalesce_max_waiters", change: live, goName: "CoalesceMaxWaiters",
		at: func(c *Config) any { return &c.CoalesceMaxWaiters }, zero: zeroIsDefault, signed: true,
		check: checkCoalesceMaxWaiters, want: "want a whole number of 1 or more, or -1 for none"},
	{name: "coalesce_max_bytes", change: live, goName: "CoalesceMaxBytes",
		at: func(c *Config) any { return &c.CoalesceMaxBytes }, zero: zeroIsDefault},
	{name: "coalesce_max_age", change: live, goName: "CoalesceMaxAge", at: func(c *Config) any { return &c.CoalesceMaxAge }},
	{name: "coalesce_at_cap", change: live, goName: "CoalesceAtCap", at: func(c *Config) any { return &c.CoalesceAtCap },
		check: checkCoalesceAtCap, want: "want run or fail"},
	{name: "statement_cache_capacity", change: anew, goName: "StatementCacheCapacity",
		at: func(c *Config) any { return &c.StatementCacheCapacity }, zero: zeroIsDefault},
	{name: "prewarm_statements", change: anew, goName: "PrewarmStatements",
		at: func(c *Config) any { return &c.PrewarmStatements }, form: sqlText, pgx: true,
		check: checkPrewarmStatements, want: "want statements, none of them blank"},
	{name: "prewarm", change: anew, goName: "Prewarm", at: func(c *Config) any { return &c.Prewarm }, form: sqlText, pgx: true,
		check: checkPrewarm, want: "want statements, none of them blank"},
	{name: "reset_query", change: anew, goName: "ResetQuery", at: func(c *Config) any { return &c.ResetQuery },
		form: sqlText, pgx: true,
		check: checkResetQuery, want: "want a statement, such as DISCARD ALL, or nothing"},
	{name: "pgbouncer", goName: "PgBouncer", at: func(c *Config) any { return &c.PgBouncer }, pgx: true,
		want: "want session, transaction or statement"},
	{name: "pgbouncer_prepared", goName: "PgBouncerPrepared", at: func(c *Config) any { return &c.PgBouncerPrepared }, pgx: true},
	{name: "pgbouncer_console", goName: "PgBouncerConsole", at: func(c *Config) any { return &c.PgBouncerConsole },
		form: connString, pgx: true},
	{name: "pgbouncer_params", goName: "PgBouncerParams", at: func(c *Config) any { return &c.PgBouncerParams },
		commas: true, pgx: true, want: "want names of parameters"},
	{name: "session_settings", change: anew, goName: "SessionSettings", at: func(c *Config) any { return &c.SessionSettings },
		commas: true, pgx: true, check: checkSessionSettings, want: "want names of settings, each alone or with =tenant, =user or =label"},
	{name: "classify_reads", change: live, goName: "ClassifyReads", at: func(c *Config) any { return &c.ClassifyReads }},
	{name: "replicas_only", change: live, goName: "ReplicasOnly", at: func(c *Config) any { return &c.ReplicasOnly }},
	{name: "max_replica_lag", change: live, goName: "MaxReplicaLag", at: func(c *Config) any { return &c.MaxReplicaLag },
		zero: zeroIsDefault, none: true},
	{name: "replica_check_interval", change: live, goName: "ReplicaCheckInterval",
		at: func(c *Config) any { return &c.ReplicaCheckInterval }, zero: zeroIsDefault},
	{name: "leak_threshold", change: live, goName: "LeakThreshold", at: func(c *Config) any { return &c.LeakThreshold }, server: true},
	{name: "leak_stacks", change: anew, goName: "LeakStacks", at: func(c *Config) any { return &c.LeakStacks }},
}

// maxMaxCancels is beyond what any server could bear. Each has a place made for it.
const maxMaxCancels = 1024

// maxServerTimeout is the longest that the server's settings can say: they are milliseconds in 32 bits.
const maxServerTimeout = (1<<31 - 1) * time.Millisecond

// fault returns what is wrong with the field in itself, in words that go on from its name; "" if nothing is.
func (f *field) fault(cfg *Config) string {
	if f.check != nil {
		if fault := f.check(cfg); fault != "" {
			return fault
		}
	}
	switch p := f.at(cfg).(type) {
	case *int:
		if *p < 0 && !f.signed {
			return fmt.Sprintf(" is %d: must not be negative", *p)
		}
	case *time.Duration:
		return f.faultOfDuration(*p)
	}
	return ""
}

func (f *field) faultOfDuration(d time.Duration) string {
	switch {
	case d < 0 && !f.none:
		return fmt.Sprintf(" is %s: must not be negative", d)
	case d < 0 && d != None:
		return fmt.Sprintf(" is %s: must not be negative, but for None", d)
	case f.server && d > 0 && d < time.Millisecond:
		return fmt.Sprintf(" is %s: must be a millisecond at least; is its unit missing?", d)
	case f.server && d > maxServerTimeout:
		return fmt.Sprintf(" is %s: must not be above %s, which is as far as the server counts", d, maxServerTimeout)
	}
	return ""
}

func checkMaxCancels(cfg *Config) string {
	if cfg.MaxCancels > maxMaxCancels {
		return fmt.Sprintf(" is %d: must not be above %d: the server forks a process for each", cfg.MaxCancels, maxMaxCancels)
	}
	return ""
}

func checkAgingShare(cfg *Config) string {
	if cfg.AgingShare == 1 {
		return " is 1: would serve the lowest class first; want 2 or more, or -1 for strict priority"
	}
	return ""
}

func checkShedding(cfg *Config) string {
	if !cfg.Shedding.Valid() {
		return fmt.Sprintf(" is %d: want priority.ShedOff, ShedDryRun or ShedOn", cfg.Shedding)
	}
	return ""
}

func checkCoalesceMaxWaiters(cfg *Config) string {
	if cfg.CoalesceMaxWaiters < -1 {
		return fmt.Sprintf(" is %d: must not be negative, but for -1", cfg.CoalesceMaxWaiters)
	}
	return ""
}

func checkTenantWeights(cfg *Config) string {
	if err := cfg.TenantWeights.Validate(); err != nil {
		return ": " + err.Error()
	}
	return ""
}

func checkCoalesceAtCap(cfg *Config) string {
	if cfg.CoalesceAtCap > priority.Refuse {
		return fmt.Sprintf(" is %d: want priority.RunAlone or priority.Refuse", cfg.CoalesceAtCap)
	}
	return ""
}

func checkSlowShare(cfg *Config) string {
	if cfg.SlowShare > 100 {
		return fmt.Sprintf(" is %d: must be a percentage", cfg.SlowShare)
	}
	return ""
}

func checkPrewarm(cfg *Config) string { return blank(cfg.Prewarm) }

func checkPrewarmStatements(cfg *Config) string { return blank(cfg.PrewarmStatements) }

// blank names the first of these statements that is none.
func blank(statements []string) string {
	for i, sql := range statements {
		if strings.TrimSpace(sql) == "" {
			return fmt.Sprintf("[%d] is empty", i)
		}
	}
	return ""
}

func checkResetQuery(cfg *Config) string {
	if cfg.ResetQuery != "" && strings.TrimSpace(cfg.ResetQuery) == "" {
		return " is blank: want a statement, such as DISCARD ALL, or nothing"
	}
	return ""
}
