package presets_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/presets"
)

// Whoever names an authority means to have something verified.
func TestAnAuthorityByWhichNothingIsVerifiedIsAnError(t *testing.T) {
	certificate, _ := selfSigned(t)
	file := filepath.Join(t.TempDir(), "authority.pem")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	named := map[string]string{"DATABASE_HOST": "db", "DATABASE_SSL_ROOT_CERT": file}
	for _, c := range []struct {
		name  string
		vars  map[string]string
		fails bool
	}{
		{"alone", named, true},
		{"with a URL that says nothing of TLS", with(named, "DATABASE_URL", "postgres://app@db/shop?application_name=x"), true},
		{"with DATABASE_SSL", with(named, "DATABASE_SSL", "true"), false},
		{"with a weak mode that was asked for", with(named, "DATABASE_SSL", "prefer"), false},
		{"with sslmode in the URL", with(named, "DATABASE_URL", "postgres://app@db/shop?sslmode=require"), false},
		{"with PGSSLMODE", with(named, "PGSSLMODE", "verify-ca"), false},
		{"the system's", with(named, "DATABASE_SSL_ROOT_CERT", "system"), false},
		{"on a Unix socket", with(named, "DATABASE_HOST", "/run/postgresql"), false},
	} {
		environment(t, c.vars)
		_, err := presets.FromEnvironment(presets.Production())
		var wrong *presets.VariableError
		switch {
		case !c.fails && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.fails && (!errors.As(err, &wrong) || wrong.Variable != "DATABASE_SSL_ROOT_CERT" || strings.Contains(err.Error(), file)):
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

func TestThePoolModeInTheURLIsMoreThanADefault(t *testing.T) {
	const url = "postgres://app@db/shop?pool_pgbouncer=session"
	s := read(t, presets.Production(), map[string]string{"DATABASE_URL": url, "PGBOUNCER_HOST": "bouncer"})
	if s.Config.PgBouncer != connector.PoolSession {
		t.Errorf("the pool reckons with %s", s.Config.PgBouncer)
	}
	s = read(t, presets.Production(), map[string]string{"DATABASE_URL": url, "PGBOUNCER_HOST": "bouncer", "PGBOUNCER_POOL_MODE": "statement"})
	if s.Config.PgBouncer != connector.PoolStatement {
		t.Errorf("the pool reckons with %s", s.Config.PgBouncer)
	}
}
