package presets

import (
	"os"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/dsn"
)

const (
	wantURL = "want postgres://user:password@host:5432/database?sslmode=verify-full, with what is special in a name or a " +
		"password percent-encoded, or keywords and values: host=... port=5432 user=... password=... dbname=..."
	wantRootCert = `want the path of a readable file of certificates in PEM form, or "system"`
	wantPorts    = "the number of ports does not fit that of hosts: set DATABASE_PORT too"
)

// plain is a DSN of which nothing can be wrong, with a value for each keyword that a PG* variable can spoil.
var plain = []dsn.Param{
	{Key: "host", Value: "localhost"}, {Key: "port", Value: "5432"}, {Key: "user", Value: "nobody"}, {Key: "dbname", Value: "nothing"},
	{Key: "connect_timeout", Value: "0"}, {Key: "target_session_attrs", Value: "any"},
	{Key: "sslmode", Value: "prefer"}, {Key: "sslrootcert", Value: ""}, {Key: "sslcert", Value: ""}, {Key: "sslkey", Value: ""}, {Key: "sslpassword", Value: ""}, {Key: "sslcertmode", Value: "allow"},
	{Key: "min_protocol_version", Value: ""}, {Key: "max_protocol_version", Value: ""}, {Key: "channel_binding", Value: ""}, {Key: "require_auth", Value: ""},
}

// suspects are the PG* variables that can be wrong, those together that can only be judged together.
var suspects = []struct {
	variables, keywords []string
	want                string
}{
	{[]string{"PGHOST", "PGPORT"}, []string{"host", "port"}, "want ports from 1 to 65535: one, or one for each host, separated by commas"},
	{[]string{"PGCONNECT_TIMEOUT"}, []string{"connect_timeout"}, "want seconds: a whole number, without a unit"},
	{[]string{"PGTARGETSESSIONATTRS"}, []string{"target_session_attrs"}, "want any, read-write, read-only, primary, standby or prefer-standby"},
	{[]string{"PGSSLMODE"}, []string{"sslmode"}, "want disable, allow, prefer, require, verify-ca or verify-full"},
	{[]string{"PGSSLROOTCERT"}, []string{"sslrootcert"}, wantRootCert},
	{[]string{"PGSSLCERTMODE"}, []string{"sslcertmode"}, "want disable, allow or require"},
	{[]string{"PGSSLCERT", "PGSSLKEY", "PGSSLPASSWORD"}, []string{"sslcert", "sslkey", "sslpassword"},
		"want the paths of a readable certificate and its key, both, in PEM form, and the password of the key if it has one"},
	{[]string{"PGMINPROTOCOLVERSION", "PGMAXPROTOCOLVERSION"}, []string{"min_protocol_version", "max_protocol_version"},
		"want 3.0, 3.2 or latest, and the minimum not above the maximum"},
	{[]string{"PGCHANNELBINDING"}, []string{"channel_binding"}, "want disable, prefer or require"},
	{[]string{"PGREQUIREAUTH"}, []string{"require_auth"}, "want a list of methods, separated by commas: scram-sha-256, md5, password, none, ..."},
}

// blame says who is to blame for a DSN that does not parse; nobody if it does.
func (db *database) blame() []error {
	if parses(db.dsn) {
		return nil
	}
	var errs []error
	blameOn := func(variable, want string) []error {
		return append(errs, &VariableError{Variable: variable, Want: want})
	}
	neutral, ok := blamePG(&errs)
	given, err := dsn.Parse(db.given)
	if err != nil {
		return blameOn(db.said, wantURL)
	}
	if !ok {
		return errs
	}
	// What is left when everything that is wrong with the PG* variables is put right?
	if !parses(given.Amend(neutral...)) {
		return blameOn(db.said, wantURL)
	}
	amendments := append(neutral, db.amendments...)
	if parses(given.Amend(amendments...)) {
		return errs
	}
	for _, p := range db.amendments {
		if p.Key == "sslrootcert" && !parses(dsn.Keywords(replace(plain, p)...)) {
			return blameOn("DATABASE_SSL_ROOT_CERT", wantRootCert)
		}
	}
	if parses(given.Amend(append(amendments, dsn.Param{Key: "port", Value: "5432"})...)) {
		return blameOn("DATABASE_HOST", wantPorts)
	}
	return blameOn(db.said, wantURL)
}

// blamePG adds an error to errs for each PG* variable that is wrong, and returns what puts them right, if anything can.
func blamePG(errs *[]error) (neutral []dsn.Param, ok bool) {
	if !parses(dsn.Keywords(plain...)) {
		*errs = append(*errs, &VariableError{Variable: "PGSERVICE", Want: "want the name of a section in the file that " +
			"PGSERVICEFILE names, or in ~/.pg_service.conf"})
		return nil, false
	}
	for _, s := range suspects {
		var set []string
		trial := plain
		for i, name := range s.variables {
			if value := os.Getenv(name); value != "" {
				set = append(set, name)
				trial = replace(trial, dsn.Param{Key: s.keywords[i], Value: value})
			}
		}
		if len(set) == 0 || parses(dsn.Keywords(trial...)) {
			continue
		}
		*errs = append(*errs, &VariableError{Variable: strings.Join(set, ", "), Want: s.want})
		for _, p := range plain {
			if slices.Contains(s.keywords, p.Key) {
				neutral = append(neutral, p)
			}
		}
	}
	return neutral, true
}

// replace returns params with p in the place of the one with its key.
func replace(params []dsn.Param, p dsn.Param) []dsn.Param {
	params = slices.Clone(params)
	for i := range params {
		if params[i].Key == p.Key {
			params[i] = p
		}
	}
	return params
}

func parses(text string) bool {
	_, err := pgx.ParseConfig(text)
	return err == nil
}
