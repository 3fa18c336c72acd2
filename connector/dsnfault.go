package connector

import (
	"errors"
	"io/fs"
	"strings"
)

// pgxFaults are what pgx may say of a DSN that does not parse, by how that begins, and what we say. pgx quotes parts of
// the DSN, of which nobody knows in a malformed one whether they are secrets; so nothing of its words is passed on.
var pgxFaults = []struct{ begin, fault string }{
	{"invalid port", "port: want numbers from 1 to 65535 (in a URL, what is special in a password wants to be percent-encoded)"},
	{"could not match", "port: want one, or one for each host"},
	{"invalid connect_timeout", "connect_timeout: want seconds, as a whole number"},
	{"unknown target_session_attrs", "target_session_attrs: want any, read-write, read-only, primary, standby or prefer-standby"},
	{"invalid sslcertmode", "sslcertmode: want disable, allow or require"},
	{"invalid min_protocol_version", "min_protocol_version: want 3.0, 3.2 or latest"},
	{"invalid max_protocol_version", "max_protocol_version: want 3.0, 3.2 or latest"},
	{"min_protocol_version cannot", "min_protocol_version: want no more than max_protocol_version"},
	{"unknown channel_binding", "channel_binding: want disable, prefer or require"},
	{"invalid require_auth", "require_auth: want a list of methods, separated by commas: scram-sha-256, md5, password, none, ..."},
	{"failed to read service", "service: want the name of a section in the file that servicefile or PGSERVICEFILE names, or in ~/.pg_service.conf"},
	{"cannot parse statement_cache_capacity", "statement_cache_capacity: want a whole number"},
	{"cannot parse description_cache_capacity", "description_cache_capacity: want a whole number"},
	{"invalid default_query_exec_mode", "default_query_exec_mode: want cache_statement, cache_describe, describe_exec, exec or simple_protocol"},
	{"failed to configure TLS (sslmode", "sslmode: want disable, allow, prefer, require, verify-ca or verify-full"},
	{"failed to configure TLS (both", "sslcert and sslkey: want both or none"},
	{"failed to configure TLS (unable to read CA", "sslrootcert: cannot be read"},
	{"failed to configure TLS (unable to add CA", "sslrootcert: want a file of certificates in PEM form, or system"},
	{"failed to configure TLS (unable to load system", "sslrootcert: the system's certificates cannot be read"},
	{"failed to configure TLS (unable to read sslkey", "sslkey: cannot be read"},
	{"failed to configure TLS (failed to decode sslkey", "sslkey: want a key in PEM form"},
	{"failed to configure TLS (unable to find sslpassword", "sslpassword: is missing, and sslkey is encrypted"},
	{"failed to configure TLS (unable to decrypt", "sslpassword: does not decrypt sslkey, or is for an encryption that is not supported"},
	{"failed to configure TLS (unable to read cert", "sslcert: cannot be read"},
	{"failed to configure TLS (unable to load cert", "sslcert: want a certificate in PEM form that belongs to sslkey"},
}

// pgxFault says what pgx found wrong with a DSN, or with the PG* variables, which fill in what the DSN does not say.
func pgxFault(err error) string {
	said := err.Error()
	if i := strings.LastIndex(said, "`: "); i >= 0 {
		said = said[i+len("`: "):]
	}
	for _, f := range pgxFaults {
		if strings.HasPrefix(said, f.begin) {
			return f.fault + systemFault(err) + " (what the DSN does not say, the environment does)"
		}
	}
	return "pgx does not accept it" + systemFault(err)
}

// systemFault returns why a file could not be read, without its name.
func systemFault(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return ": " + path.Err.Error()
	}
	return ""
}
