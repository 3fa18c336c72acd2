package presets

import (
	"errors"
	"strconv"

	"github.com/poolsql/poolsql/connector"
)

// database is what the environment made of a Config's DSN, to find out afterwards whether that was right.
type database struct {
	given      string  // the DSN before amendments; "" is made of them alone
	said       string  // who gave it
	amendments []param // what single variables put in the place of its parts
	dsn        string  // what came out of it; "" if the environment says nothing, and the base has something else than a DSN
	contested  bool    // it stands beside the base's ConnConfig or Connector
}

// databaseParams returns what single variables say of the database.
func (v *variables) databaseParams() []param {
	var params []param
	add := func(key, value string) {
		if value != "" {
			params = append(params, param{key, value})
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
	switch {
	case db.given != "" && !wellFormed(db.given):
		db.dsn = db.given
	case db.given != "" || len(db.amendments) > 0:
		db.dsn = amend(db.given, db.amendments...)
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
			cfg.DSN = keywords(plain)
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
