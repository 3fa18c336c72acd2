package connector

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/dsn"
)

// everythingUnsaid is a DSN that leaves all to the PG* variables and pgx's defaults. It is not "", which a Config takes
// for none.
const everythingUnsaid = "postgres://"

// SetDSN sets DSN to what dsn says, but for its parameters whose names begin with pool_: they set the fields that they
// name, whatever these were before. Fields that dsn does not name stay as they are. So a DSN has the last word over a
// Config that a program has made, where [Config].DSN has the first.
//
//	postgres://app@localhost/shop?pool_max_conns=20&pool_acquire_timeout=5s
//	host=localhost user=app dbname=shop pool_max_conns=20 pool_acquire_timeout=5s
//
// It reads dsn and nothing else: whether pgx can connect with it is what Validate says. If it fails, it tells everything
// that is wrong with these parameters, and cfg is as it was. No error holds a value out of dsn.
func (cfg *Config) SetDSN(text string) error {
	parsed, err := dsn.Parse(text)
	if err != nil {
		return fmt.Errorf("poolsql: DSN does not parse: %w", err)
	}
	c := *cfg
	if errs := c.setParams(poolParams(parsed)); len(errs) > 0 {
		return fmt.Errorf("poolsql: bad DSN: %w", errors.Join(errs...))
	}
	c.DSN = parsed.Without(dsn.IsPool)
	if c.DSN == "" && text != "" {
		c.DSN = everythingUnsaid
	}
	*cfg = c
	return nil
}

// poolParams returns the parameters of a DSN that are the pool's.
func poolParams(d *dsn.DSN) map[string]string {
	params := make(map[string]string)
	for _, p := range d.Params() {
		if dsn.IsPool(p.Key) {
			params[p.Key] = p.Value
		}
	}
	return params
}

// setParams sets the fields of cfg that params name, and returns what is wrong.
func (cfg *Config) setParams(params map[string]string) []error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(params)) {
		f := paramField(key)
		if f == nil {
			errs = append(errs, unknownParam(key))
		} else if !f.set(cfg, params[key]) {
			errs = append(errs, fmt.Errorf("%s: %s", key, f.wants()))
		}
	}
	return errs
}

// paramField returns the field that a parameter of a DSN sets, nil if there is none.
func paramField(key string) *field {
	name, ok := strings.CutPrefix(key, dsn.PoolPrefix)
	if f := fieldNamed(name); ok && f != nil && f.form != connString {
		return f
	}
	return nil
}

// fieldNamed returns the field of that name in text, nil if there is none.
func fieldNamed(name string) *field {
	i := slices.IndexFunc(fields, func(f field) bool { return f.name == name })
	if i < 0 {
		return nil
	}
	return &fields[i]
}

// parseDSN makes ConnConfig of DSN. What its pool_ parameters say is set where the program has set nothing.
func (cfg *Config) parseDSN() error {
	said, err := dsn.Parse(cfg.DSN)
	if err != nil {
		return fmt.Errorf("DSN does not parse: %w", err)
	}
	parsed, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		errs := append([]error{fmt.Errorf("DSN does not parse: %s", pgxFault(err))}, cfg.fill(poolParams(said))...)
		return errors.Join(errs...)
	}
	cfg.ConnConfig = parsed
	return cfg.takeParams()
}

// takeParams takes the pool's parameters out of ConnConfig, where pgx has put what it does not know as settings for the
// server. They come from a DSN or a service file.
func (cfg *Config) takeParams() error {
	params := make(map[string]string)
	maps.DeleteFunc(cfg.ConnConfig.RuntimeParams, func(key, value string) bool {
		if dsn.IsPool(key) {
			params[key] = value
			return true
		}
		return false
	})
	return errors.Join(cfg.fill(params)...)
}

// fill sets the fields of cfg that params name and that are unset, and returns what is wrong with any of params.
func (cfg *Config) fill(params map[string]string) []error {
	var said Config
	errs := said.setParams(params)
	for i := range fields {
		if f := &fields[i]; f.isZero(cfg) {
			f.copy(cfg, &said)
		}
	}
	return errs
}

// showDSN returns a DSN as it can be shown.
func showDSN(text string) string {
	d, err := dsn.Parse(text)
	if err != nil {
		return "(does not parse, not shown)"
	}
	return d.Show(func(key, value string) (string, bool) {
		f := paramField(key)
		var cfg Config
		if f == nil || !f.set(&cfg, value) {
			return "", false
		}
		return fmt.Sprint(f.shown(&cfg)), true
	})
}
