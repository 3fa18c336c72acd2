package presets

import (
	"errors"
	"fmt"
	"reflect"

	"github.com/caarlos0/env/v11"
)

// A VariableError says that an environment variable has a value of the wrong form. It does not hold the value.
type VariableError struct {
	// Variable is the variable's name. Where several only together are wrong, it is all of them, separated by commas.
	Variable string
	// Want says what form it should have.
	Want string
}

func (e *VariableError) Error() string { return e.Variable + ": " + e.Want }

// variables are those that this package reads itself. nil, and "", is unset; a variable that is set to nothing counts as
// unset. The PG* variables are read by pgx.
type variables struct {
	Preset *preset `env:"POOL_PRESET"`

	URL         string      `env:"DATABASE_URL"`
	Host        string      `env:"DATABASE_HOST"`
	Port        *portNumber `env:"DATABASE_PORT"`
	User        string      `env:"DATABASE_USER"`
	Password    string      `env:"DATABASE_PASSWORD"`
	Name        string      `env:"DATABASE_NAME"`
	SSL         *sslMode    `env:"DATABASE_SSL"`
	SSLRootCert string      `env:"DATABASE_SSL_ROOT_CERT"`
	AppName     string      `env:"APP_NAME"`

	MinConns         *connCountOrNone `env:"POOL_MIN_CONNECTIONS"`
	MaxConns         *connCount       `env:"POOL_MAX_CONNECTIONS"`
	IdleTimeout      *millis          `env:"POOL_IDLE_TIMEOUT_MS"`
	ConnectTimeout   *someMillis      `env:"POOL_CONNECTION_TIMEOUT_MS"`
	AcquireTimeout   *millis          `env:"POOL_ACQUIRE_TIMEOUT_MS"`
	StatementTimeout *millis          `env:"POOL_STATEMENT_TIMEOUT_MS"`

	PgBouncerHost string      `env:"PGBOUNCER_HOST"`
	PgBouncerPort *portNumber `env:"PGBOUNCER_PORT"`
	PgBouncerMode *poolMode   `env:"PGBOUNCER_POOL_MODE"`

	HealthCheckInterval *millis `env:"POOL_HEALTH_CHECK_INTERVAL_MS"`
	Metrics             *onOff  `env:"POOL_ENABLE_METRICS"`
}

// readVariables reads the process's environment. What does not parse is unset in the result, and named in the errors.
func readVariables() (*variables, []error) {
	v := new(variables)
	err := env.Parse(v)
	if err == nil {
		return v, nil
	}
	// The library's errors quote values, and name the fields and not the variables. What is kept of them is which field it
	// was, and what its type's own UnmarshalText said.
	parts := []error{err}
	var several env.AggregateError
	if errors.As(err, &several) {
		parts = several.Errors
	}
	var errs []error
	for _, part := range parts {
		var failed env.ParseError
		var want form
		if !errors.As(part, &failed) || !errors.As(failed.Err, &want) {
			errs = append(errs, fmt.Errorf("a bug of poolsql: reading the environment failed with a %T", part))
			continue
		}
		field, _ := reflect.TypeFor[variables]().FieldByName(failed.Name)
		reflect.ValueOf(v).Elem().FieldByIndex(field.Index).SetZero()
		errs = append(errs, &VariableError{Variable: field.Tag.Get("env"), Want: want.Error()})
	}
	return v, errs
}
