package presets

import (
	"errors"
	"fmt"
	"runtime"
	"strconv"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/dsn"
)

// DefaultHealthCheckInterval is how often [Settings] has a program's health looked at if the environment says nothing.
const DefaultHealthCheckInterval = 30 * time.Second

// DefaultPgBouncerPort is where PgBouncer listens.
const DefaultPgBouncerPort = 6432

// Settings are what the environment says. Config is for the pool; the rest is only read here, and belongs to whoever builds
// the other parts: see the package comment.
type Settings struct {
	// Config is what poolsql.Open takes. Its DSN holds the password.
	Config connector.Config
	// PgBouncer is what stands between the pool and the server, the zero value if nothing does as far as is known.
	PgBouncer PgBouncer
	// HealthCheckInterval is how often the program's health is to be looked at. Zero is never. Defaults to
	// DefaultHealthCheckInterval. Config.HealthCheckPeriod is another thing: how often the pool looks over its idle
	// connections.
	HealthCheckInterval time.Duration
	// Metrics says whether metrics are to be registered. Defaults to false.
	Metrics bool
}

// PgBouncer says that connections lead to a PgBouncer.
type PgBouncer struct {
	// Enabled is whether there is one: PGBOUNCER_HOST or PGBOUNCER_POOL_MODE is set, pool_pgbouncer in DATABASE_URL, or
	// PgBouncer in base.
	Enabled bool
	// Host and Port are where it is, and in Config.DSN already. They are zero if only its mode was said: then the
	// database's own host and port are PgBouncer's.
	Host string
	Port int
	// PoolMode is session, transaction or statement; "" if nobody said. Config.PgBouncer has it, or, if nobody said, transaction:
	// what works there works in session mode too.
	PoolMode string
}

// FromEnvironment lays the process's environment over base, and override over both. base is a preset as a rule; the zero
// Config is one too. Nothing is started, and no connection is opened.
//
//	POOL_PRESET                    one of Names: takes the place of the preset that base is, and leaves alone what else is in base
//	DATABASE_URL                   the DSN, as pgx reads it; its parameters that begin with pool_ set fields of the Config
//	DATABASE_HOST, DATABASE_PORT,
//	DATABASE_USER, DATABASE_NAME,
//	DATABASE_PASSWORD              take the place of these parts of the DSN
//	DATABASE_SSL                   true is verify-full, false is disable, else one of libpq's six words for sslmode
//	DATABASE_SSL_ROOT_CERT         a file with the authorities to trust; without it the system's are. Where nothing says sslmode
//	                               it is an error, as nothing would be verified
//	APP_NAME                       application_name on the server, and Config.Name if base has none
//	POOL_MIN_CONNECTIONS           MinConns
//	POOL_MAX_CONNECTIONS           MaxConns; it lowers base's MinConns if that is above it
//	POOL_IDLE_TIMEOUT_MS           MaxConnIdleTime; 0 is no limit
//	POOL_CONNECTION_TIMEOUT_MS     ConnectTimeout; connect_timeout of DATABASE_URL bounds each host besides, and the shorter counts
//	POOL_ACQUIRE_TIMEOUT_MS        AcquireTimeout; 0 is no limit but the caller's context
//	POOL_STATEMENT_TIMEOUT_MS      StatementTimeout; 0 leaves it to the server, or to statement_timeout of DATABASE_URL, which goes
//	                               before base as well
//	PGBOUNCER_HOST, PGBOUNCER_PORT take the place of the database's host and port; the port defaults to 6432
//	PGBOUNCER_POOL_MODE            Config.PgBouncer: session, transaction or statement; with PGBOUNCER_HOST it defaults to
//	                               transaction; alone, it says that the database's address is PgBouncer's
//	POOL_HEALTH_CHECK_INTERVAL_MS  Settings.HealthCheckInterval; 0 is never
//	POOL_ENABLE_METRICS            Settings.Metrics; true or false
//	PGHOST, PGSSLMODE and so on    as pgx reads them: for what neither the DSN nor a variable above says
//
// Where DATABASE_URL and a variable of its own say the same thing, the variable counts.
//
// A variable that is set to nothing counts as unset. If neither base nor the environment names a database, it is the one
// that psql would find.
//
// DATABASE_SSL=true verifies the server's certificate and its name. What does not verify has to be asked for by its name,
// as disable, allow, prefer or require. Where nothing is said, pgx's default holds, which is prefer: encrypted if the server
// can, verified never. On a Unix socket there is no TLS, whatever is said.
//
// An override may change anything in the settings; one that sets the DSN, ConnConfig or Connector of the Config does away
// with what the environment said of the database.
//
// The error holds everything that is wrong, also with the Config that comes out of it: each variable is a
// [*VariableError], found by errors.As. No error holds a variable's value, but for the names of unknown pool_ parameters.
// With an error the Settings are zero.
//
// Safe for concurrent use, as long as nobody changes the environment meanwhile.
func FromEnvironment(base connector.Config, override ...func(*Settings)) (Settings, error) {
	v, errs := readVariables()
	s := Settings{Config: base, HealthCheckInterval: DefaultHealthCheckInterval}
	if v.Preset != nil {
		v.Preset.applyTo(&s.Config)
	}
	errs = append(errs, v.applyURL(&s.Config)...)
	errs = append(errs, v.applyPool(&s.Config)...)
	var err error
	if s.PgBouncer, err = v.pgBouncer(); err != nil {
		errs = append(errs, err)
	}
	// What a parameter of the URL says is more than the default that a variable leaves.
	if s.PgBouncer.Enabled && (s.PgBouncer.PoolMode != "" || s.Config.PgBouncer == base.PgBouncer) {
		s.Config.PgBouncer = s.PgBouncer.mode()
	}
	if s.Config.PgBouncer != connector.NoPgBouncer && !s.PgBouncer.Enabled {
		s.PgBouncer.Enabled, s.PgBouncer.PoolMode = true, s.Config.PgBouncer.String()
	}
	db := v.applyDatabase(&s.Config, &s.PgBouncer)
	if v.HealthCheckInterval != nil {
		s.HealthCheckInterval = v.HealthCheckInterval.duration()
	}
	if v.Metrics != nil {
		s.Metrics = bool(*v.Metrics)
	}
	for _, o := range override {
		o(&s)
	}
	dbErrs := db.check(&s.Config)
	errs = append(errs, dbErrs...)
	if err := v.unverified(&s.Config); err != nil {
		errs = append(errs, err)
	}
	// Where not even a plain DSN parses, Validate would tell once more of what is wrong with the environment.
	if len(dbErrs) == 0 || parses(s.Config.DSN) {
		if err := s.Config.Validate(); err != nil {
			errs = append(errs, err)
		}
	}
	if len(errs) > 0 {
		return Settings{}, fmt.Errorf("poolsql: bad environment: %w", errors.Join(errs...))
	}
	return s, nil
}

// applyPool sets the numbers of the pool, and returns what is wrong between them.
func (v *variables) applyPool(cfg *connector.Config) []error {
	var errs []error
	if v.MaxConns != nil {
		cfg.MaxConns = int(*v.MaxConns)
		cfg.MinConns = min(cfg.MinConns, cfg.MaxConns)
		if cfg.HighReserve >= cfg.MaxConns {
			errs = append(errs, &VariableError{"POOL_MAX_CONNECTIONS", "want more than Config.HighReserve, which the program sets"})
			cfg.HighReserve = 0
		}
	}
	if v.MinConns != nil {
		cfg.MinConns = int(*v.MinConns)
		maxConns := cfg.MaxConns
		if maxConns == 0 {
			maxConns = max(4, runtime.NumCPU()) // the default of Config.MaxConns
		}
		if cfg.MinConns > maxConns {
			errs = append(errs, &VariableError{"POOL_MIN_CONNECTIONS", "want no more than POOL_MAX_CONNECTIONS, or than the " +
				"preset's maximum where that is unset"})
			cfg.MinConns = 0
		}
	}
	if v.IdleTimeout != nil {
		cfg.MaxConnIdleTime = v.IdleTimeout.orNone()
	}
	if v.ConnectTimeout != nil {
		cfg.ConnectTimeout = v.ConnectTimeout.duration()
	}
	if v.AcquireTimeout != nil {
		cfg.AcquireTimeout = v.AcquireTimeout.orNone()
	}
	if v.StatementTimeout != nil {
		cfg.StatementTimeout = v.StatementTimeout.duration()
	}
	return errs
}

// pgBouncer returns what is said of PgBouncer.
func (v *variables) pgBouncer() (PgBouncer, error) {
	var b PgBouncer
	if v.PgBouncerMode != nil {
		b.Enabled, b.PoolMode = true, string(*v.PgBouncerMode)
	}
	switch {
	case v.PgBouncerHost != "":
		b.Enabled, b.Host, b.Port = true, v.PgBouncerHost, DefaultPgBouncerPort
		if v.PgBouncerPort != nil {
			b.Port = int(*v.PgBouncerPort)
		}
	case v.PgBouncerPort != nil:
		return b, &VariableError{"PGBOUNCER_PORT", "is set without PGBOUNCER_HOST"}
	}
	return b, nil
}

// mode returns the pool mode that the pool is to reckon with.
func (b *PgBouncer) mode() connector.PoolMode {
	mode := connector.PoolTransaction
	if b.PoolMode != "" {
		_ = mode.UnmarshalText([]byte(b.PoolMode)) // which was checked when it was read
	}
	return mode
}

// params returns what of the DSN leads to PgBouncer instead of the server.
func (b *PgBouncer) params() []dsn.Param {
	if b.Host == "" {
		return nil
	}
	return []dsn.Param{{Key: "host", Value: b.Host}, {Key: "port", Value: strconv.Itoa(b.Port)}}
}
