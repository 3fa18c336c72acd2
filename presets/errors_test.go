package presets_test

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/DATA-DOG/go-sqlmock"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/presets"
)

func TestEachBadValueIsAnErrorThatSaysTheForm(t *testing.T) {
	const count = "a whole number from 1 to 262143"
	const millis = "milliseconds: a whole number from 0 to 2147483647, without a unit"
	folder := t.TempDir()
	noCertificate := filepath.Join(folder, "empty.pem")
	if err := os.WriteFile(noCertificate, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ variable, value, want string }{
		{"POOL_PRESET", "prod", "one of development, production, high-throughput, low-latency, serverless"},
		{"DATABASE_URL", "mysql://app@localhost/shop", "postgres://user:password@host:5432/database"},
		{"DATABASE_URL", "postgres://app:50%@localhost/shop", "percent-encoded"},
		{"DATABASE_URL", "host='localhost", "keywords and values"},
		{"DATABASE_URL", "postgres://localhost/shop?sslmode=sure", "postgres://"},
		{"DATABASE_URL", "postgres://localhost:port/shop", "postgres://"},
		{"DATABASE_URL", "postgres://localhost/shop?default_query_exec_mode=fast", "postgres://"},
		{"DATABASE_PORT", "postgres", "a port: a whole number from 1 to 65535"},
		{"DATABASE_PORT", "0", "a port"},
		{"DATABASE_PORT", "65536", "a port"},
		{"DATABASE_PORT", "+5432", "a port"},
		{"DATABASE_SSL", "yes", "true (verify-full), false (disable)"},
		{"DATABASE_SSL_ROOT_CERT", filepath.Join(folder, "none.pem"), "a readable file of certificates in PEM form"},
		{"DATABASE_SSL_ROOT_CERT", noCertificate, "a readable file of certificates in PEM form"},
		{"POOL_MIN_CONNECTIONS", "-1", "a whole number from 0 to 262143"},
		{"POOL_MIN_CONNECTIONS", "51", "no more than POOL_MAX_CONNECTIONS"},
		{"POOL_MAX_CONNECTIONS", "0", count},
		{"POOL_MAX_CONNECTIONS", "many", count},
		{"POOL_MAX_CONNECTIONS", "5.0", count},
		{"POOL_MAX_CONNECTIONS", "99999999999999999999", count},
		{"POOL_MAX_CONNECTIONS", " 5", count},
		{"POOL_IDLE_TIMEOUT_MS", "30s", millis},
		{"POOL_CONNECTION_TIMEOUT_MS", "0", "milliseconds: a whole number from 1 to 2147483647"},
		{"POOL_ACQUIRE_TIMEOUT_MS", "-1", millis},
		{"POOL_STATEMENT_TIMEOUT_MS", "2147483648", millis},
		{"PGBOUNCER_PORT", "6432", "without PGBOUNCER_HOST"},
		{"PGBOUNCER_PORT", "x", "a port"},
		{"PGBOUNCER_POOL_MODE", "fast", "session, transaction or statement"},
		{"POOL_HEALTH_CHECK_INTERVAL_MS", "often", millis},
		{"POOL_ENABLE_METRICS", "1", "true or false"},
		{"PGPORT", "x", "ports from 1 to 65535"},
		{"PGPORT", "1,2", "one for each host"},
		{"PGCONNECT_TIMEOUT", "5s", "seconds"},
		{"PGTARGETSESSIONATTRS", "master", "read-write"},
		{"PGSSLMODE", "true", "verify-full"},
		{"PGSSLROOTCERT", filepath.Join(folder, "none.pem"), "PEM form"},
		{"PGSSLCERT", filepath.Join(folder, "none.pem"), "both, in PEM form"},
		{"PGSSLCERTMODE", "x", "disable, allow or require"},
		{"PGMINPROTOCOLVERSION", "2.0", "3.2"},
		{"PGCHANNELBINDING", "x", "prefer"},
		{"PGREQUIREAUTH", "x", "scram-sha-256"},
		{"PGSERVICE", "x", "~/.pg_service.conf"},
	} {
		t.Run(c.variable+"="+filepath.Base(c.value), func(t *testing.T) {
			environment(t, map[string]string{"PGHOST": "localhost", c.variable: c.value})
			_, err := presets.FromEnvironment(presets.Production())
			wrong := variableErrors(err)
			if len(wrong) != 1 {
				t.Fatalf("got %v, want one error", err)
			}
			if !slices.Contains(strings.Split(wrong[0].Variable, ", "), c.variable) || !strings.Contains(wrong[0].Want, c.want) {
				t.Errorf("got %q, want one of %s that says %q", wrong[0], c.variable, c.want)
			}
			if strings.Count(err.Error(), "\n") > 0 {
				t.Errorf("there is more in it: %q", err)
			}
		})
	}
}

func TestErrorsComeTogether(t *testing.T) {
	environment(t, map[string]string{
		"POOL_PRESET": "x", "DATABASE_URL": "host='open", "DATABASE_PORT": "x", "DATABASE_SSL": "x", "POOL_MAX_CONNECTIONS": "x",
		"POOL_MIN_CONNECTIONS": "x", "POOL_IDLE_TIMEOUT_MS": "x", "POOL_CONNECTION_TIMEOUT_MS": "x", "POOL_ACQUIRE_TIMEOUT_MS": "x",
		"POOL_STATEMENT_TIMEOUT_MS": "x", "PGBOUNCER_PORT": "x", "PGBOUNCER_POOL_MODE": "x", "POOL_HEALTH_CHECK_INTERVAL_MS": "x",
		"POOL_ENABLE_METRICS": "x", "PGCONNECT_TIMEOUT": "x", "PGTARGETSESSIONATTRS": "x",
	})
	base := presets.Production()
	base.MaxWaiting = -1
	s, err := presets.FromEnvironment(base, func(s *presets.Settings) { s.Config.HighReserve = 50 })
	var names []string
	for _, wrong := range variableErrors(err) {
		names = append(names, wrong.Variable)
	}
	slices.Sort(names)
	want := []string{
		"DATABASE_PORT", "DATABASE_SSL", "DATABASE_URL", "PGBOUNCER_POOL_MODE", "PGBOUNCER_PORT", "PGCONNECT_TIMEOUT",
		"PGTARGETSESSIONATTRS", "POOL_ACQUIRE_TIMEOUT_MS", "POOL_CONNECTION_TIMEOUT_MS", "POOL_ENABLE_METRICS",
		"POOL_HEALTH_CHECK_INTERVAL_MS", "POOL_IDLE_TIMEOUT_MS", "POOL_MAX_CONNECTIONS", "POOL_MIN_CONNECTIONS", "POOL_PRESET",
		"POOL_STATEMENT_TIMEOUT_MS",
	}
	if !slices.Equal(names, want) {
		t.Errorf("got errors of\n%v, want\n%v", names, want)
	}
	for _, text := range []string{"poolsql: bad environment: ", "MaxWaiting is -1", "HighReserve is 50"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("%q is not in %q", text, err)
		}
	}
	if s.Config.MaxConns != 0 || s.Config.DSN != "" || s.HealthCheckInterval != 0 {
		t.Errorf("with an error came settings: %d connections", s.Config.MaxConns)
	}
}

func TestBothAreBlamedWhenURLAndPGAreWrong(t *testing.T) {
	environment(t, map[string]string{"DATABASE_URL": "postgres://localhost/shop?connect_timeout=soon", "PGPORT": "x"})
	_, err := presets.FromEnvironment(presets.Production())
	if wrong := variableErrors(err); len(wrong) != 2 || wrong[0].Variable != "PGPORT" || wrong[1].Variable != "DATABASE_URL" {
		t.Errorf("got %v", err)
	}
}

func TestPortsThatDoNotFitTheHostsAreBlamedOnTheHosts(t *testing.T) {
	environment(t, map[string]string{"DATABASE_URL": "postgres://a:1,b:2/shop", "DATABASE_HOST": "c"})
	_, err := presets.FromEnvironment(presets.Production())
	if wrong := variableErrors(err); len(wrong) != 1 || wrong[0].Variable != "DATABASE_HOST" || !strings.Contains(wrong[0].Want, "DATABASE_PORT") {
		t.Errorf("got %v", err)
	}
}

func TestWrongPGVariableThatDoesNotCountIsNoError(t *testing.T) {
	s := read(t, presets.Production(), map[string]string{"PGPORT": "x", "DATABASE_URL": "postgres://localhost:7/shop"})
	if got := mustParse(t, s.Config.DSN).Port; got != 7 {
		t.Errorf("the port is %d", got)
	}
}

func TestReserveAboveTheMaximumIsBlamedOnTheVariable(t *testing.T) {
	base := presets.Production()
	base.HighReserve = 5
	environment(t, map[string]string{"POOL_MAX_CONNECTIONS": "5"})
	_, err := presets.FromEnvironment(base)
	if wrong := variableErrors(err); len(wrong) != 1 || !strings.Contains(wrong[0].Want, "HighReserve") {
		t.Errorf("got %v", err)
	}
}

func TestEnvironmentDoesNotReplaceAConnectorSilently(t *testing.T) {
	mocked, _, err := sqlmock.New()
	if err != nil {
		t.Fatal(err)
	}
	defer mocked.Close()
	base := connector.Config{Connector: driverOf{mocked.Driver()}}
	s := read(t, base, map[string]string{"POOL_MAX_CONNECTIONS": "9"})
	if s.Config.Connector == nil || s.Config.DSN != "" || s.Config.MaxConns != 9 {
		t.Errorf("got %d connections, DSN %t", s.Config.MaxConns, s.Config.DSN != "")
	}
	vars := map[string]string{"DATABASE_URL": "postgres://localhost/shop"}
	environment(t, vars)
	if _, err := presets.FromEnvironment(base); err == nil || strings.Count(err.Error(), "\n") > 0 || !strings.Contains(err.Error(), "the environment names a database") {
		t.Errorf("got %v", err)
	}
	s = read(t, base, vars, func(s *presets.Settings) { s.Config.Connector = nil })
	if s.Config.DSN == "" {
		t.Error("the override that took the Connector away left no DSN")
	}
}

func TestConfigThatSaysTwoThingsIsToldSo(t *testing.T) {
	environment(t, nil)
	_, err := presets.FromEnvironment(connector.Config{DSN: "postgres://localhost", ConnConfig: mustParse(t, "postgres://elsewhere")})
	if err == nil || !strings.Contains(err.Error(), "DSN and ConnConfig are set") {
		t.Errorf("got %v", err)
	}
}

// variableErrors returns every VariableError in err's tree.
func variableErrors(err error) (found []*presets.VariableError) {
	switch e := err.(type) { //nolint:errorlint // the whole tree is walked
	case *presets.VariableError:
		found = append(found, e)
	case interface{ Unwrap() error }:
		found = variableErrors(e.Unwrap())
	case interface{ Unwrap() []error }:
		for _, inner := range e.Unwrap() {
			found = append(found, variableErrors(inner)...)
		}
	}
	return found
}

func TestVariableErrorIsFoundByErrorsAs(t *testing.T) {
	environment(t, map[string]string{"DATABASE_PORT": "x"})
	_, err := presets.FromEnvironment(presets.Production())
	var wrong *presets.VariableError
	if !errors.As(err, &wrong) || wrong.Variable != "DATABASE_PORT" {
		t.Errorf("got %v", err)
	}
}
