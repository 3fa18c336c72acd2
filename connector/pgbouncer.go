package connector

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector/pgbouncer"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/dsn"
)

// A PoolMode is PgBouncer's pool_mode: for how long it lends a session of the server to a connection. The zero value is that
// nothing stands between. As text it is a word, "" for that.
type PoolMode uint8

// The pool modes.
const (
	NoPgBouncer     PoolMode = PoolMode(pooldriver.NoPooler)
	PoolSession     PoolMode = PoolMode(pooldriver.PoolerSession)     // for the connection's life
	PoolTransaction PoolMode = PoolMode(pooldriver.PoolerTransaction) // for a transaction
	PoolStatement   PoolMode = PoolMode(pooldriver.PoolerStatement)   // for a statement; there are no transactions
)

var poolModes = map[string]PoolMode{
	"": NoPgBouncer, "session": PoolSession, "transaction": PoolTransaction, "statement": PoolStatement,
}

// String returns the word that PgBouncer has for it, such as "transaction".
func (m PoolMode) String() string { return pooldriver.Pooler(m).String() }

// MarshalText implements encoding.TextMarshaler.
func (m PoolMode) MarshalText() ([]byte, error) {
	if m == NoPgBouncer {
		return nil, nil
	}
	return []byte(m.String()), nil
}

// UnmarshalText implements encoding.TextUnmarshaler. It takes session, transaction, statement, and nothing.
func (m *PoolMode) UnmarshalText(text []byte) error {
	mode, ok := poolModes[strings.ToLower(string(text))]
	if !ok {
		return errors.New("want session, transaction or statement")
	}
	*m = mode
	return nil
}

// shared reports whether a session of the server is lent to several connections, one after the other.
func (m PoolMode) shared() bool { return m >= PoolTransaction }

// A PoolModeError says that something in a [Config] cannot work with PgBouncer's pool mode. [errors.Is] finds
// [pooldriver.ErrNeedsSession] in it.
type PoolModeError struct {
	// Setting is the field, or the parameter of the DSN.
	Setting string
	// Mode is the pool mode.
	Mode PoolMode
	// Instead says why, and what to do.
	Instead string
}

// Error says what cannot work and what to do.
func (e *PoolModeError) Error() string {
	return fmt.Sprintf("%s cannot work behind a PgBouncer in %s mode: %s", e.Setting, e.Mode, e.Instead)
}

// Unwrap returns pooldriver.ErrNeedsSession.
func (e *PoolModeError) Unwrap() error { return pooldriver.ErrNeedsSession }

// checkPgBouncer returns what of the configuration cannot work behind its PgBouncer.
func (cfg *Config) checkPgBouncer() []error {
	mode := cfg.PgBouncer
	if mode == NoPgBouncer {
		if cfg.PgBouncerPrepared || cfg.PgBouncerConsole != "" || len(cfg.PgBouncerParams) > 0 {
			return []error{errors.New("PgBouncerPrepared, PgBouncerConsole or PgBouncerParams is set without PgBouncer: " +
				"set that to the pool mode")}
		}
		return nil
	}
	if mode > PoolStatement {
		return []error{fmt.Errorf("PgBouncer is %d: want PoolSession, PoolTransaction or PoolStatement", mode)}
	}
	var errs []error
	if cfg.PgBouncerConsole != "" {
		if client, err := pgbouncer.New(cfg.PgBouncerConsole); err != nil {
			errs = append(errs, errors.New("PgBouncerConsole does not parse"))
		} else {
			_ = client.Close() // which it never opened
		}
	}
	if cfg.ConnConfig == nil {
		return errs // what is wrong there is said elsewhere
	}
	bad := func(setting, instead string) { errs = append(errs, &PoolModeError{setting, mode, instead}) }
	for _, name := range slices.Sorted(maps.Keys(cfg.ConnConfig.RuntimeParams)) {
		if instead := cfg.refusedParam(name); instead != "" {
			if !dsn.Known(name) {
				name = "whose name is not shown" // it may be the rest of a password that lacks its quotation marks
			}
			bad("the parameter "+name, instead)
		}
	}
	if !mode.shared() {
		return errs
	}
	if cfg.ResetQuery != "" {
		bad("ResetQuery", "it would run on whatever session is free; PgBouncer has server_reset_query_always for that")
	}
	if len(cfg.Prewarm) > 0 {
		bad("Prewarm", "it would run on whatever session is free; PgBouncer has connect_query for that")
	}
	if cfg.ConnConfig.DefaultQueryExecMode == pgx.QueryExecModeDescribeExec {
		bad("QueryExecModeDescribeExec", "it needs one session for two round trips; leave the mode unset, and one is chosen")
	}
	return errs
}

// refusedParam says why a parameter cannot be had behind PgBouncer, "" if it can.
func (cfg *Config) refusedParam(name string) string {
	lower := strings.ToLower(name)
	listed := func(s string) bool { return strings.EqualFold(s, lower) }
	switch {
	case slices.ContainsFunc(pooldriver.AlwaysTracked, listed) || slices.ContainsFunc(cfg.PgBouncerParams, listed):
		return ""
	case lower == "options":
		return "PgBouncer before 1.20 refuses it and later ones read little of it; give each setting as a parameter of its own"
	case !cfg.PgBouncer.shared():
		return "" // it is set when the connection is open
	case slices.Contains(serverTimeouts, lower):
		if cfg.ConnConfig.RuntimeParams[name] != "0" && cfg.serverTimeout(name) == 0 {
			return "its value is not understood here; use Config's field for it"
		}
		return ""
	default:
		return "PgBouncer refuses it at the start, and set later it would be everybody's: use ALTER ROLE … SET, or, from " +
			"1.20 on, name it in track_extra_parameters and in Config.PgBouncerParams"
	}
}

// serverTimeouts are the parameters that are told to the server otherwise.
var serverTimeouts = []string{"statement_timeout", "idle_in_transaction_session_timeout"}

// takeSettings takes out of the start-up parameters what PgBouncer would refuse, and returns the SQL that says the same on a
// session of one's own, "" if there is nothing to say.
func (cfg *Config) takeSettings() string {
	if cfg.PgBouncer == NoPgBouncer {
		return ""
	}
	var calls []string
	params := cfg.ConnConfig.RuntimeParams
	for _, name := range slices.Sorted(maps.Keys(params)) {
		listed := func(s string) bool { return strings.EqualFold(s, name) }
		if slices.ContainsFunc(pooldriver.AlwaysTracked, listed) || slices.ContainsFunc(cfg.PgBouncerParams, listed) {
			continue
		}
		calls = append(calls, fmt.Sprintf("set_config(%s, %s, false)", literal(name), literal(params[name])))
		delete(params, name)
	}
	if len(calls) == 0 || cfg.PgBouncer.shared() {
		return ""
	}
	return "select " + strings.Join(calls, ", ")
}

// literal returns text as the server reads it in SQL, whatever its settings.
func literal(text string) string {
	return "E'" + strings.NewReplacer(`\`, `\\`, `'`, `\'`).Replace(text) + "'"
}

// consoleTimeout is how long the console may take before a connection is opened without its answer.
const consoleTimeout = 2 * time.Second
