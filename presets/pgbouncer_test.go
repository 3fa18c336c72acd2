package presets_test

import (
	"errors"
	"strconv"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/presets"
)

func TestThePoolReckonsWithThePoolModeOfTheEnvironment(t *testing.T) {
	base := connector.Config{PgBouncer: connector.PoolSession}
	for _, c := range []struct {
		base connector.Config
		vars []string
		want connector.PoolMode
	}{
		{connector.Config{}, nil, connector.NoPgBouncer},
		{base, nil, connector.PoolSession},
		{connector.Config{}, []string{"PGBOUNCER_HOST", "bouncer"}, connector.PoolTransaction},
		{base, []string{"PGBOUNCER_HOST", "bouncer"}, connector.PoolTransaction},
		{connector.Config{}, []string{"PGBOUNCER_HOST", "bouncer", "PGBOUNCER_POOL_MODE", "Session"}, connector.PoolSession},
		{base, []string{"PGBOUNCER_POOL_MODE", "statement"}, connector.PoolStatement},
		{connector.Config{}, []string{"DATABASE_URL", "postgres://db?pool_pgbouncer=session"}, connector.PoolSession},
	} {
		s := read(t, c.base, with(map[string]string{"DATABASE_HOST": "db"}, c.vars...))
		if s.Config.PgBouncer != c.want {
			t.Errorf("%v: %s, want %s", c.vars, s.Config.PgBouncer, c.want)
		}
		if s.PgBouncer.Enabled != (c.want != connector.NoPgBouncer) {
			t.Errorf("%v: the settings say of a PgBouncer %+v", c.vars, s.PgBouncer)
		}
	}
}

func TestWhatCannotWorkInThePoolModeOfTheEnvironmentIsAnError(t *testing.T) {
	environment(t, map[string]string{"PGBOUNCER_HOST": "bouncer"})
	_, err := presets.FromEnvironment(connector.Config{ResetQuery: "discard all"})
	var wrong *connector.PoolModeError
	if !errors.As(err, &wrong) || wrong.Setting != "ResetQuery" || !errors.Is(err, pooldriver.ErrNeedsSession) {
		t.Error(err)
	}
}

func TestEveryPresetWorksBehindThePgBouncerOfTheEnvironment(t *testing.T) {
	testdb.NoLeaks(t)
	server := testdb.New(t)
	cc := mustParse(t, testdb.PgBouncer(t, server.Server, "transaction").DSN(server.Name))
	vars := with(parts(t, server), "DATABASE_HOST", "192.0.2.1", "APP_NAME", "shop",
		"PGBOUNCER_HOST", cc.Host, "PGBOUNCER_PORT", strconv.Itoa(int(cc.Port)), "PGBOUNCER_POOL_MODE", "transaction")
	for _, name := range presets.Names() {
		base, err := presets.ByName(name)
		if err != nil {
			t.Fatal(err)
		}
		base.MinConns = 0
		db, c := open(t, read(t, base, vars).Config)
		if got := ask(t, db, "select current_setting('application_name')"); got != "shop" {
			t.Errorf("%s: %s", name, got)
		}
		if info := c.PgBouncer(); info.ExecMode != pgx.QueryExecModeExec {
			t.Errorf("%s: %+v", name, info)
		}
	}
}
