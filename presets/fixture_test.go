package presets_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"maps"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/presets"
)

// unjudged are the PG* variables that pgx reads and takes as they are.
var unjudged = []string{
	"PGDATABASE", "PGUSER", "PGPASSWORD", "PGPASSFILE", "PGAPPNAME", "PGOPTIONS", "PGTZ", "PGSERVICEFILE", "PGSSLNEGOTIATION",
	"PGSSLSNI",
}

// allVariables are the names of all variables that can matter.
func allVariables() []string {
	return slices.Concat(presets.OwnVariables(), presets.JudgedVariables(), unjudged)
}

// environment makes vars all that the process's environment says, for the test.
func environment(t testing.TB, vars map[string]string) {
	t.Helper()
	t.Setenv("HOME", t.TempDir()) // no .pgpass, no certificates
	for _, name := range allVariables() {
		t.Setenv(name, "") // which has it put back at the end
		if value, ok := vars[name]; ok {
			t.Setenv(name, value)
		} else if err := os.Unsetenv(name); err != nil {
			t.Fatal(err)
		}
	}
	for name := range maps.Keys(vars) {
		if !slices.Contains(allVariables(), name) {
			t.Fatalf("%s is in no list of this test", name)
		}
	}
}

// read returns what FromEnvironment makes of vars.
func read(t testing.TB, base connector.Config, vars map[string]string, override ...func(*presets.Settings)) presets.Settings {
	t.Helper()
	environment(t, vars)
	s, err := presets.FromEnvironment(base, override...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// open returns a pool, closed at the end of the test.
func open(t testing.TB, cfg connector.Config) (*sql.DB, *connector.Connector) {
	t.Helper()
	c := connector.NewConnector(cfg)
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
		<-c.Done()
	})
	return db, c
}

// ask returns what the server says.
func ask(t testing.TB, db *sql.DB, query string) string {
	t.Helper()
	var answer string
	if err := db.QueryRowContext(t.Context(), query).Scan(&answer); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return answer
}

// parts are what the variables say of the test's database, on TCP.
func parts(t testing.TB, db *testdb.DB) map[string]string {
	t.Helper()
	cc, err := pgx.ParseConfig(db.TCPDSN)
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"DATABASE_HOST": cc.Host, "DATABASE_PORT": strconv.Itoa(int(cc.Port)),
		"DATABASE_USER": cc.User, "DATABASE_PASSWORD": cc.Password, "DATABASE_NAME": cc.Database,
	}
}

// with returns vars and more.
func with(vars map[string]string, more ...string) map[string]string {
	vars = maps.Clone(vars)
	for i := 0; i < len(more); i += 2 {
		vars[more[i]] = more[i+1]
	}
	return vars
}

// eventually waits until ok.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !ok() {
		select {
		case <-ctx.Done():
			t.Fatal(what)
		case <-time.After(5 * time.Millisecond):
		}
	}
}

func mustParse(t testing.TB, dsn string) *pgx.ConnConfig {
	t.Helper()
	cc, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cc
}

// driverOf is a driver as a connector.
type driverOf struct{ d driver.Driver }

func (d driverOf) Connect(context.Context) (driver.Conn, error) { return d.d.Open("") }
func (d driverOf) Driver() driver.Driver                        { return d.d }
