package presets

import (
	"errors"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/dsn"
)

// everythingUnsaid is a DSN that leaves all to the PG* variables and pgx's defaults. It is not "", which a Config takes for
// none.
const everythingUnsaid = "postgres://"

// database is what the environment made of a Config's DSN, to find out afterwards whether that was right.
type database struct {
	given      string      // the DSN before amendments; "" is made of them alone
	said       string      // who gave it
	amendments []dsn.Param // what single variables put in the place of its parts
	dsn        string      // what came out of it; "" if the environment says nothing, and the base has something else than a DSN
	contested  bool        // it stands beside the base's ConnConfig or Connector
}

// databaseParams returns what single variables say of the database.
func (v *variables) databaseParams() []dsn.Param {
	var params []dsn.Param
	add := func(key, value string) {
		if value != "" {
			params = append(params, dsn.Param{Key: key, Value: value})
		}
	}
	add("host", v.Host)
	if v.Port != nil {
		add("port", strconv.Itoa(int(*v.Port)))
	}
	add("user", v.User)
	add("password", v.Password)
	add("dbname", v.Name)
	if v.SSL != nil {
		add("sslmode", string(*v.SSL))
	}
	add("sslrootcert", v.SSLRootCert)
	add("application_name", v.AppName)
	return params
}

// applyURL sets what DATABASE_URL says of the pool, takes it out of there, and returns what is wrong with it. Of a URL that
// is malformed blame tells.
func (v *variables) applyURL(cfg *connector.Config) []error {
	url, err := dsn.Parse(v.URL)
	if err != nil || v.URL == "" {
		return nil
	}
	said := make(map[string]bool)
	for _, p := range url.Params() {
		said[strings.ToLower(p.Key)] = true
	}
	whole := *cfg
	if err := whole.SetDSN(v.URL); err != nil {
		v.URL = url.Without(dsn.IsPool)
		return onePerParameter(err)
	}
	if said["statement_timeout"] && !said["pool_statement_timeout"] {
		whole.StatementTimeout = 0 // which leaves it to the URL, and is the preset's no longer
	}
	if said["pool_max_conns"] && !said["pool_min_conns"] { // as POOL_MAX_CONNECTIONS has it
		whole.MinConns = min(whole.MinConns, whole.MaxConns)
	}
	v.URL, whole.DSN = whole.DSN, cfg.DSN
	*cfg = whole
	return nil
}

// onePerParameter takes the error of SetDSN apart.
func onePerParameter(err error) []error {
	var errs []error
	if joined, ok := errors.Unwrap(err).(interface{ Unwrap() []error }); ok {
		for _, wrong := range joined.Unwrap() {
			errs = append(errs, &VariableError{Variable: "DATABASE_URL", Want: wrong.Error()})
		}
	}
	return errs
}

// applyDatabase sets the DSN of cfg, for connections that go through b.
func (v *variables) applyDatabase(cfg *connector.Config, b *PgBouncer) *database {
	if cfg.Name == "" {
		cfg.Name = v.AppName
	}
	db := &database{
		given: v.URL, said: "DATABASE_URL", amendments: append(v.databaseParams(), b.params()...),
		contested: cfg.ConnConfig != nil || cfg.Connector != nil,
	}
	if db.given == "" {
		db.given, db.said = cfg.DSN, "Config.DSN"
	}
	given, err := dsn.Parse(db.given)
	switch {
	case err != nil:
		db.dsn = db.given
	case db.given != "" || len(db.amendments) > 0:
		db.dsn = given.Amend(db.amendments...)
	case !db.contested:
		db.given = everythingUnsaid
		db.dsn = everythingUnsaid
	}
	if db.dsn != "" {
		cfg.DSN = db.dsn
	}
	return db
}

// check returns what is wrong with the DSN of cfg, and who is to blame for it. An override may have done away with what
// the environment said. If the DSN is wrong, check replaces it, so that the rest can be validated.
func (db *database) check(cfg *connector.Config) []error {
	if cfg.DSN != db.dsn {
		db = &database{given: cfg.DSN, said: "Config.DSN", dsn: cfg.DSN}
	}
	switch {
	case db.dsn == "":
		return nil
	case cfg.ConnConfig == nil && cfg.Connector == nil:
		errs := db.blame()
		if len(errs) > 0 {
			cfg.DSN = dsn.Keywords(plain...)
		}
		return errs
	case db.said == "Config.DSN" && len(db.amendments) == 0:
		return nil // the program says two things, which Validate reports
	}
	cfg.DSN = ""
	if db.contested {
		return []error{errors.New("the environment names a database (DATABASE_*, APP_NAME or PGBOUNCER_HOST), and the " +
			"Config has a ConnConfig or a Connector: give it a DSN instead, or have an override take one of them away")}
	}
	return nil
}

// unverified returns an error if an authority is named by which nothing is verified, since nobody has said that anything is to
// be: pgx's mode is prefer then.
func (v *variables) unverified(cfg *connector.Config) error {
	if v.SSLRootCert == "" || v.SSL != nil || os.Getenv("PGSSLMODE") != "" {
		return nil
	}
	given, err := dsn.Parse(cfg.DSN)
	if err != nil || slices.ContainsFunc(given.Params(), func(p dsn.Param) bool { return p.Key == "sslmode" || p.Key == "ssl" }) {
		return nil
	}
	parsed, err := pgx.ParseConfig(cfg.DSN)
	if err != nil {
		return nil // which blame tells
	}
	network, _ := pgconn.NetworkAddress(parsed.Host, parsed.Port)
	if tls := parsed.TLSConfig; network == "unix" || tls != nil && (!tls.InsecureSkipVerify || tls.VerifyPeerCertificate != nil) {
		return nil
	}
	return &VariableError{"DATABASE_SSL_ROOT_CERT", "verifies nothing by itself: set DATABASE_SSL too, to true as a rule"}
}
