package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"math"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	pooldriver "github.com/poolsql/poolsql/driver"
)

// resolveSource checks that exactly one source of connections is given, and parses the DSN if that is the one.
func (cfg *Config) resolveSource() error {
	var given []string
	if cfg.DSN != "" {
		given = append(given, "DSN")
	}
	if cfg.ConnConfig != nil {
		given = append(given, "ConnConfig")
	}
	if cfg.Connector != nil {
		given = append(given, "Connector")
	}
	if len(given) == 2 && cfg.madeOfDSN() { // as Connector.Config returns it
		given = given[1:]
	}
	switch {
	case len(given) == 0:
		return errors.New("none of DSN, ConnConfig and Connector is set: set the one that says what to connect to")
	case len(given) > 1:
		return fmt.Errorf("%s are set: set exactly one of DSN, ConnConfig and Connector", strings.Join(given, " and "))
	case cfg.Connector != nil:
		if v := reflect.ValueOf(cfg.Connector); v.Kind() == reflect.Pointer && v.IsNil() {
			return fmt.Errorf("Connector is a nil %T", cfg.Connector)
		}
		return nil
	case cfg.ConnConfig == nil:
		if err := cfg.parseDSN(); err != nil {
			return err
		}
	default:
		// pgx panics at the first dial on a configuration that it did not parse itself. It keeps the connection string
		// and its port as marks of its own work.
		if cfg.ConnConfig.ConnString() == "" && cfg.ConnConfig.Port == 0 {
			return errors.New("ConnConfig was not made by pgx.ParseConfig, which pgx demands")
		}
		cfg.ConnConfig = cfg.ConnConfig.Copy()
		if err := cfg.takeParams(); err != nil {
			return err
		}
	}
	return nil
}

// madeOfDSN reports whether ConnConfig is what DSN was parsed to, so that the two do not contradict each other. What was
// changed in it since counts.
func (cfg *Config) madeOfDSN() bool {
	return cfg.DSN != "" && cfg.ConnConfig != nil && cfg.ConnConfig.ConnString() == cfg.DSN
}

// setServerTimeout makes limit a start-up parameter, if it is set.
func (cfg *Config) setServerTimeout(param string, limit time.Duration) {
	if limit <= 0 {
		return
	}
	if cfg.ConnConfig.RuntimeParams == nil {
		cfg.ConnConfig.RuntimeParams = make(map[string]string)
	}
	maps.DeleteFunc(cfg.ConnConfig.RuntimeParams, func(name, _ string) bool { return strings.EqualFold(name, param) })
	cfg.ConnConfig.RuntimeParams[param] = strconv.FormatInt(limit.Milliseconds(), 10)
}

// serverTimeout returns what the server will be told of a setting, 0 if nothing, or nothing that is understood here.
func (cfg *Config) serverTimeout(param string) time.Duration {
	if cfg.ConnConfig == nil {
		return 0
	}
	said := ""
	for name, value := range cfg.ConnConfig.RuntimeParams {
		if strings.EqualFold(name, param) { // the server does not tell them apart
			said = value
		}
	}
	m := serverDuration.FindStringSubmatch(said)
	if m == nil {
		return 0
	}
	n, err := strconv.ParseFloat(m[1], 64)
	if err != nil {
		return 0
	}
	ms := math.RoundToEven(n * float64(serverUnits[m[2]]) / float64(time.Millisecond)) // as the server rounds
	return time.Duration(min(ms, float64(maxServerTimeout/time.Millisecond))) * time.Millisecond
}

// serverDuration matches how PostgreSQL writes a setting that is a time, which differs from how Go does.
var serverDuration = regexp.MustCompile(`^\s*([0-9]+(?:\.[0-9]*)?)\s*(us|ms|s|min|h|d|)\s*$`)

var serverUnits = map[string]time.Duration{
	"us": time.Microsecond, "": time.Millisecond, "ms": time.Millisecond, "s": time.Second, "min": time.Minute,
	"h": time.Hour, "d": 24 * time.Hour,
}

// inner returns the connector that dials, for connections with these options.
func (cfg *Config) inner(opts *pooldriver.Options, b *bouncer) driver.Connector {
	if cfg.Connector != nil {
		return cfg.Connector
	}
	return stdlib.GetConnector(*cfg.ConnConfig, stdlib.OptionBeforeConnect(
		func(ctx context.Context, cc *pgx.ConnConfig) error {
			if cfg.BeforeConnect != nil {
				if err := cfg.BeforeConnect(ctx, cc); err != nil {
					return err
				}
			}
			b.prepare(cc)
			pooldriver.Guard(cc, opts)
			return nil
		}))
}

// interrupt returns what ends the work of a connection's holder, nil for an inner driver of which nothing is known.
func (cfg *Config) interrupt() func(*pooldriver.Conn) {
	if cfg.Connector != nil {
		return nil
	}
	return (*pooldriver.Conn).Interrupt
}

// connectLimit returns which limit ran out for a connection that could not be opened in that time, 0 if none did: the
// pool's, or connect_timeout of the DSN, which pgx watches by itself.
func (cfg *Config) connectLimit(ctx context.Context, took time.Duration, err error) time.Duration {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return cfg.ConnectTimeout
	}
	var failed *pgconn.ConnectError
	if cfg.ConnConfig == nil || !errors.As(err, &failed) || !pgconn.Timeout(err) || took < cfg.ConnConfig.ConnectTimeout {
		return 0
	}
	return cfg.ConnConfig.ConnectTimeout
}

// dial opens one connection with c. A connector that returns neither a connection nor an error is told apart from one
// that works.
func dial(c driver.Connector) func(context.Context) (driver.Conn, error) {
	return func(ctx context.Context) (driver.Conn, error) {
		conn, err := c.Connect(ctx)
		if err == nil && conn == nil {
			err = fmt.Errorf("the inner connector, a %T, returned neither a connection nor an error", c)
		}
		return conn, explain(err)
	}
}
