package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// The defaults of [Config], beside MaxConns.
const (
	DefaultName             = "poolsql"
	DefaultMaxConnLifetime  = time.Hour
	DefaultMaxConnIdleTime  = 30 * time.Minute
	DefaultAcquireTimeout   = 30 * time.Second
	DefaultConnectTimeout   = 10 * time.Second
	DefaultEndTimeout       = 30 * time.Second
	DefaultCancelTimeout    = 900 * time.Millisecond
	DefaultMaxCancels       = 4
	DefaultStatementsCached = 512

	DefaultCoalesceMaxWaiters = 10_000
	DefaultCoalesceMaxBytes   = 1 << 20
)

// None, as one of the durations of a [Config], stands for no limit, where zero stands for the default.
const None time.Duration = -1

// Config says what to connect to and how. The zero value but for one of DSN, ConnConfig and Connector is a good start.
// NewConnector copies it.
//
// It can be printed and logged: no verb of package fmt shows a password, and neither does slog. It can be written as JSON
// and YAML, and read: see [Config.MarshalJSON].
type Config struct {
	// Name names the pool in errors, events and metrics. Defaults to DefaultName.
	Name string

	// DSN says what to connect to: a URL or keywords and values, as pgx reads them, the environment included. Exactly
	// one of DSN, ConnConfig and Connector is to be set.
	//
	// Its parameters whose names begin with pool_ are not for the server. They set the fields of this struct that are not
	// set, as pgxpool's do: pool_max_conns, and so on for each field that is a number, a duration, a truth value or a text.
	// A field that is set wins; SetDSN is for a DSN that is to win. An unknown one is an error.
	DSN string
	// ConnConfig says the same as a configuration of pgx, made by pgx.ParseConfig. Everything in it is respected: its
	// execution mode, its tracers, its dial function, its fallback hosts.
	ConnConfig *pgx.ConnConfig
	// Connector is an inner driver other than pgx/stdlib, or a wrapped one: go-sqlmock in unit tests, say. The hooks
	// below and StatementTimeout are for pgx alone.
	Connector driver.Connector

	// MaxConns is how many physical connections there may be, those being opened and closed included. Defaults to the
	// number of CPUs of this machine but at least 4, as pgxpool has it.
	MaxConns int
	// MinConns is how many are kept open from the first use on. Defaults to 0.
	MinConns int
	// MaxDials is how many may be dialed at once when callers keep waiting. It starts at 2, and doubles each time a
	// caller has outwaited a dial. Defaults to 8.
	MaxDials int

	// MaxConnLifetime is how old a connection may become; it is not closed while in use. Defaults to
	// DefaultMaxConnLifetime; None is no limit.
	MaxConnLifetime time.Duration
	// MaxConnLifetimeJitter shortens each connection's lifetime by a random part of this, so that they are not all
	// replaced at once. Defaults to a tenth of MaxConnLifetime; None is no jitter.
	MaxConnLifetimeJitter time.Duration
	// MaxConnIdleTime is how long a connection above MinConns may be idle. Defaults to DefaultMaxConnIdleTime; None is
	// no limit.
	MaxConnIdleTime time.Duration
	// HealthCheckPeriod is how often idle connections are looked over. Defaults to a minute, or less where the times
	// above are short.
	HealthCheckPeriod time.Duration

	// AcquireTimeout is how long a caller may wait for a connection, whatever its context allows. Defaults to
	// DefaultAcquireTimeout; None is no limit but the context.
	AcquireTimeout time.Duration
	// ConnectTimeout bounds the opening of a connection, its hooks included. Defaults to DefaultConnectTimeout.
	ConnectTimeout time.Duration
	// StatementTimeout is how long the server lets a statement run. It is sent as a start-up parameter and costs nothing
	// afterwards. Zero leaves it to the server's own setting and the DSN's. A call can have less, or more, by
	// priority.WithTimeout. When it has passed by half a second and the network is silent, the connection is closed.
	StatementTimeout time.Duration
	// TransactionTimeout is how long a transaction may be open, from its BeginTx on. Its statements are canceled when it
	// runs out; if it is idle then, its connection is closed. Zero is no limit. Calls under priority.WithoutLimits have none.
	TransactionTimeout time.Duration
	// IdleInTransactionTimeout is how long the server lets a transaction do nothing before it ends the session. It is sent
	// as a start-up parameter. Zero leaves it to the server's own setting and the DSN's.
	IdleInTransactionTimeout time.Duration
	// CancelTimeout is how long the server may take to answer when a statement is canceled, because its context has ended
	// or its time is up. If it does not, the caller returns all the same, and the connection is closed. Defaults to
	// DefaultCancelTimeout: less than a second, so that one is what a caller may outlive its limit.
	CancelTimeout time.Duration
	// MaxCancels is how many requests to cancel may be under way at once. The server forks a process for each. Defaults to
	// DefaultMaxCancels.
	MaxCancels int
	// EndTimeout bounds COMMIT, ROLLBACK and what is done to a connection between two holders, none of which a caller's
	// context may cut off. Defaults to DefaultEndTimeout.
	EndTimeout time.Duration

	// HighReserve is how many connections only callers of class High may use. Defaults to 0.
	HighReserve int
	// AgingShare bounds starvation: a class that waits while higher ones are served gets one in so many of the
	// connections that become free. Defaults to 16; negative is strict priority.
	AgingShare int
	// MaxWaiting is how many callers may wait at once. When one more comes, the lowest class makes room, or of the newcomer's
	// class a tenant with more callers. Zero is no limit.
	MaxWaiting int
	// Shedding says what happens when more comes than the connections can serve: see [priority.Shedding]. Defaults to
	// priority.ShedOff: everybody waits for as long as he may.
	Shedding priority.Shedding
	// TenantWeights are the shares of tenants, by time, inside a class, where several wait. A tenant that is not in it has 1.
	TenantWeights priority.Weights
	// TenantMaxConns is how many connections one tenant may hold at once, even while others are idle. Zero is no limit. Callers
	// without a tenant have none.
	TenantMaxConns int
	// TenantMaxWaiting is how many callers of one tenant may wait at once. When one more comes, one of the tenant's of a lower
	// class makes room. Zero is no limit but MaxWaiting.
	TenantMaxWaiting int
	// SlowThreshold, above zero, says that calls are slow whose label's calls hold a connection for longer than this in the mean.
	// All of them together may hold SlowShare percent of the connections, one at least, and more while nobody else comes.
	// Calls without a label are not slow.
	SlowThreshold time.Duration
	// SlowShare is that percentage. Defaults to 25.
	SlowShare int

	// CostByStatement has calls without a label told apart by the text of their statement, where it is learned what calls take:
	// for tenants' shares, for refusing who cannot be done in time, and for SlowThreshold. Transactions without a label stay
	// together, since their first statement is BEGIN. It is for programs whose statements have their values in arguments: a
	// text that is new each time is never known.
	CostByStatement bool
	// CostFromPlan has the server asked, by EXPLAIN, what a statement will take of whose label or text nothing is known yet,
	// so that the first slow ones are found out before they have filled the pool. See package connector.
	CostFromPlan bool

	// AdaptiveLimit has the pool find out how many connections are best lent at once, between AdaptiveLimitMin and MaxConns, by
	// trying: the rest of the callers wait here, in their order, and not inside the server. It follows when the server becomes
	// faster or slower. No more connections are opened for callers than may be lent. See [Stats].Limit.
	AdaptiveLimit bool
	// AdaptiveLimitMin is the least that it may find best. It always is above HighReserve. Defaults to 1.
	AdaptiveLimitMin int

	// CoalesceMaxWaiters is how many calls may share one execution, of those that asked for it by
	// priority.WithCoalescing. Defaults to DefaultCoalesceMaxWaiters; -1 has every call run by itself, whatever it asked for.
	CoalesceMaxWaiters int
	// CoalesceMaxBytes is how large a result may be that is shared, as it is kept in memory, about. Defaults to
	// DefaultCoalesceMaxBytes.
	CoalesceMaxBytes int
	// CoalesceMaxAge allows calls that share to get the result of an execution which began before them by that much at
	// most. Zero is none: what was committed before a call began is in its result.
	CoalesceMaxAge time.Duration
	// CoalesceAtCap says what becomes of a call for which one of the two caps is exceeded. Defaults to
	// priority.RunAlone. A call can say otherwise, for each of these.
	CoalesceAtCap priority.AtCap

	// StatementCacheCapacity is how many statements each connection keeps prepared, the least recently used going first.
	// Defaults to statement_cache_capacity of the DSN or the ConnConfig, which is DefaultStatementsCached if they do not say.
	// Where nothing may be prepared by name, as behind a PgBouncer that cannot, it says nothing.
	StatementCacheCapacity int

	// BeforeConnect, if set, may change a copy of the pgx configuration before each dial: a password that expires, say.
	BeforeConnect func(context.Context, *pgx.ConnConfig) error
	// AfterConnect, if set, runs on each new connection before it serves. If it fails, the connection is closed, and
	// callers hear why.
	AfterConnect func(context.Context, *pgx.Conn) error
	// PrewarmStatements are statements that each new connection prepares before it serves, so that their first caller there
	// finds them prepared. Where nothing may be prepared by name they are left out. If one cannot be prepared, the
	// connection fails.
	PrewarmStatements []string
	// Prewarm are statements that run, by the simple protocol, on each new connection before it serves: to fill its
	// caches, or to load an extension. If one fails, so does the connection.
	Prewarm []string
	// ResetQuery, if set, runs on each connection when it comes back, off its caller's path, and before anybody else gets
	// it: "DISCARD ALL", say, where programs leave settings behind. If it fails, the connection is closed.
	ResetQuery string
	// ResetSession, if set, runs on each connection before it serves again. If it fails, the connection is replaced.
	ResetSession func(context.Context, *pgx.Conn) error
	// ShouldPing, if set, says whether a connection is pinged before it serves again. By default it is if it was idle
	// for more than a second.
	ShouldPing func(context.Context, stdlib.ShouldPingParams) bool

	// PgBouncer says that the connections lead to a PgBouncer, and in which pool mode that works; if that is not known,
	// PoolTransaction is right in any that has transactions. In transaction and statement mode this chooses how statements run
	// (see [Connector.PgBouncer]) unless the configuration has chosen an execution mode, keeps the limits by timers here and
	// by SET LOCAL in transactions, and refuses what cannot work: see [PoolModeError] and [pooldriver.SessionError]. In session
	// mode, settings that PgBouncer does not take as start-up parameters are set when a connection is open.
	PgBouncer PoolMode
	// PgBouncerPrepared says that PgBouncer keeps prepared statements in transaction and statement mode: 1.21 or later, with
	// max_prepared_statements above 0.
	PgBouncerPrepared bool
	// PgBouncerConsole, if set, is a DSN of PgBouncer's console, for a user who may read it. It is asked for version, settings
	// and pool mode when connections are opened, so that prepared statements are used where they can be, and connections are
	// refused where the pool mode is not the one that PgBouncer says. If it does not answer, connections are opened all the same.
	PgBouncerConsole string
	// PgBouncerParams are start-up parameters that this PgBouncer takes beside those that each does, which are
	// application_name, client_encoding, DateStyle, TimeZone and standard_conforming_strings: its track_extra_parameters.
	PgBouncerParams []string

	// Routes are pools beside this one, for reads: of replicas, or of the same server with limits of their own. See [Route] and
	// [Connector.Routes].
	Routes []Route
	// ClassifyReads has statements outside of transactions go to a route for reads if their text certainly reads: see package
	// connector. It errs to the primary.
	ClassifyReads bool
	// ReplicasOnly has reads refused, with a [*NoRouteError], while no route for reads can serve them. By default they go to the
	// primary then. A read that must see what was written just now goes there all the same.
	ReplicasOnly bool
	// MaxReplicaLag is how far a replica may be behind the primary and be chosen. It is measured by what it has replayed, in steps
	// of ReplicaCheckInterval, and not by clocks. Defaults to DefaultMaxReplicaLag; None is no limit, and then a replica is
	// chosen too of which it is not known.
	MaxReplicaLag time.Duration
	// ReplicaCheckInterval is how often, while reads come, the primary and each replica are asked how far they are, on a
	// connection of each that does not count against MaxConns. Defaults to DefaultReplicaCheckInterval.
	ReplicaCheckInterval time.Duration

	// SessionSettings are settings of the server's session that each call finds set to what its context carries: "app.region" to
	// what priority.WithSetting says of it, "app.tenant=tenant", "app.user=user" and "application_name=label" to the call's tenant, user
	// and label. A call that carries nothing finds them empty, and application_name as the connection was opened with.
	// They are for policies of row-level security and for what the server shows and logs. They are told anew each time a
	// connection is bound, in the same write as the first statement or BEGIN where that can be, so that nothing that an earlier
	// holder did stays. In PgBouncer's transaction mode they hold in transactions alone; a call that carries one is refused elsewhere.
	SessionSettings []string

	// LeakThreshold is for how long a connection may be held before the observer is told, once, who holds it, since when
	// and with what query (lifecycle.KindLeak). Zero is never.
	LeakThreshold time.Duration
	// LeakStacks has the stack noted of whoever takes a connection, for those reports. It costs a microsecond or two each
	// time.
	LeakStacks bool

	// Observer, if set, is told what happens. lifecycle.Join makes one of several, and [Connector.Observe] adds others.
	Observer lifecycle.Observer
	// Tracer, if set, follows each operation from before it waits for its connection: to make spans, say. Package poolotel
	// has one.
	Tracer pooldriver.Tracer
	// Comment, if set, returns what is appended to a statement as a comment, nothing if it is empty: for those who look
	// at the server's log, say. It is called for each statement of Exec and Query, under the context of its operation, and
	// not for those made by Prepare. Where stable is set the connection keeps statements by their text; it must
	// return one of a few texts then, as each makes another statement. A text that holds the begin or the end of a comment,
	// or a zero byte, fails the statement. Package poolotel has one.
	Comment func(ctx context.Context, stable bool) string
}

// Validate reports everything that is wrong with the configuration, one error a field, joined. No secret is in it.
func (cfg *Config) Validate() error {
	_, err := cfg.resolve()
	return err
}

// resolve returns a private copy with the defaults set and the DSN parsed.
func (cfg *Config) resolve() (*Config, error) {
	c := *cfg
	c.Prewarm = slices.Clone(cfg.Prewarm)
	c.TenantWeights = maps.Clone(cfg.TenantWeights)
	c.PrewarmStatements = slices.Clone(cfg.PrewarmStatements)
	c.PgBouncerParams = slices.Clone(cfg.PgBouncerParams)
	c.Routes = slices.Clone(cfg.Routes)
	c.SessionSettings = slices.Clone(cfg.SessionSettings)
	var errs []error
	if err := c.resolveSource(); err != nil {
		errs = append(errs, err)
	}
	errs = append(errs, c.check()...)
	errs = append(errs, c.checkPgBouncer()...)
	if len(errs) > 0 {
		return nil, fmt.Errorf("poolsql: bad configuration: %w", errors.Join(errs...))
	}
	c.setDefaults()
	if err := c.limits().Validate(); err != nil {
		return nil, fmt.Errorf("poolsql: bad configuration: %w", err)
	}
	if errs := c.checkRoutes(); len(errs) > 0 {
		return nil, fmt.Errorf("poolsql: bad configuration: %w", errors.Join(errs...))
	}
	return &c, nil
}

// check returns what is wrong with each field, and between them.
func (cfg *Config) check() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	var defaults Config // which a Config of a Connector has as well
	defaults.setDefaults()
	for i := range fields {
		f := &fields[i]
		if fault := f.fault(cfg); fault != "" {
			bad("%s%s", f.goName, fault)
		}
		if f.pgx && cfg.Connector != nil && !f.isZero(cfg) && !f.equal(cfg, &defaults) {
			bad(besideConnector, f.goName)
		}
	}
	for _, o := range others {
		if o.pgx && cfg.Connector != nil && o.show(cfg) != "" {
			bad(besideConnector, o.goName)
		}
	}
	maxConns := cfg.maxConns()
	if cfg.MaxConns >= 0 && cfg.MinConns > maxConns {
		bad("MinConns is %d: must not be above MaxConns, which is %d", cfg.MinConns, maxConns)
	}
	if cfg.HighReserve > 0 && cfg.HighReserve >= maxConns {
		bad("HighReserve is %d: must leave one of MaxConns, which is %d, to the lower classes", cfg.HighReserve, maxConns)
	}
	if cfg.MaxConns >= 0 && cfg.AdaptiveLimitMin > maxConns {
		bad("AdaptiveLimitMin is %d: must not be above MaxConns, which is %d", cfg.AdaptiveLimitMin, maxConns)
	}
	if lifetime := cfg.MaxConnLifetime; lifetime > 0 && cfg.MaxConnLifetimeJitter >= lifetime {
		bad("MaxConnLifetimeJitter is %s: must be less than MaxConnLifetime, which is %s", cfg.MaxConnLifetimeJitter, lifetime)
	}
	return errs
}

const besideConnector = "%s is set beside Connector: it is for pgx connections that poolsql opens itself"

func (cfg *Config) maxConns() int {
	if cfg.MaxConns == 0 {
		return max(4, runtime.NumCPU())
	}
	return cfg.MaxConns
}

// setDefaults sets what is unset, and makes None the zero that the parts take for no limit.
func (cfg *Config) setDefaults() {
	if cfg.Name == "" {
		cfg.Name = DefaultName
	}
	cfg.MaxConns = cfg.maxConns()
	set := func(d *time.Duration, value time.Duration) {
		switch *d {
		case 0:
			*d = value
		case None:
			*d = 0
		}
	}
	jitterOff := cfg.MaxConnLifetimeJitter == None
	set(&cfg.MaxConnLifetime, DefaultMaxConnLifetime)
	set(&cfg.MaxConnLifetimeJitter, cfg.MaxConnLifetime/10)
	if jitterOff {
		cfg.MaxConnLifetimeJitter = -1
	}
	set(&cfg.MaxConnIdleTime, DefaultMaxConnIdleTime)
	set(&cfg.AcquireTimeout, DefaultAcquireTimeout)
	set(&cfg.ConnectTimeout, DefaultConnectTimeout)
	set(&cfg.EndTimeout, DefaultEndTimeout)
	set(&cfg.CancelTimeout, DefaultCancelTimeout)
	set(&cfg.MaxReplicaLag, DefaultMaxReplicaLag)
	set(&cfg.ReplicaCheckInterval, DefaultReplicaCheckInterval)
	if cfg.MaxCancels == 0 {
		cfg.MaxCancels = DefaultMaxCancels
	}
	if cfg.CoalesceMaxWaiters == 0 {
		cfg.CoalesceMaxWaiters = DefaultCoalesceMaxWaiters
	}
	if cfg.CoalesceMaxBytes == 0 {
		cfg.CoalesceMaxBytes = DefaultCoalesceMaxBytes
	}
}

func (cfg *Config) limits() priority.Limits {
	return priority.Limits{
		Permits: cfg.MaxConns, Reserve: cfg.HighReserve, AgingShare: cfg.AgingShare,
		MaxWaiting: cfg.MaxWaiting, MaxWait: cfg.AcquireTimeout,
		Shedding: cfg.Shedding, TenantWeights: cfg.TenantWeights, TenantPermits: cfg.TenantMaxConns,
		TenantWaiting: cfg.TenantMaxWaiting, SlowAfter: cfg.SlowThreshold, SlowShare: cfg.SlowShare,
	}
}
