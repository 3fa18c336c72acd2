package database_test

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/examples/internal/database"
	"github.com/poolsql/poolsql/examples/internal/programtest"
	"github.com/poolsql/poolsql/internal/testdb"
)

func TestTheParametersOfThePoolAreForThePoolAlone(t *testing.T) {
	services := filepath.Join(t.TempDir(), "services")
	if err := os.WriteFile(services, []byte("[shop]\npool_max_conns=7\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const plain = "host=localhost user=app password=s3cr3t dbname=shop "
	for name, dsn := range map[string]string{
		"a DSN":          plain + "pool_max_conns=7",
		"a service file": plain + "service=shop servicefile='" + services + "'",
	} {
		var stderr strings.Builder
		d, err := database.Open(t.Context(), "x", dsn, &stderr)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		pool := d.PoolConfig("load")
		if err := pool.Validate(); err != nil || pool.MaxConns != 7 {
			t.Errorf("%s: %v, %v", name, pool, err)
		}
		for _, cfg := range []*pgx.ConnConfig{d.ConnConfig("load"), pool.ConnConfig} {
			if _, told := cfg.RuntimeParams["pool_max_conns"]; told {
				t.Errorf("%s: the server is told", name)
			}
			if got := cfg.RuntimeParams["application_name"]; got != d.ApplicationName("load") || !strings.HasPrefix(got, "poolsql_x_") {
				t.Errorf("%s: the name is %q", name, got)
			}
		}
		if stderr.String() != "using database shop on localhost\n" {
			t.Errorf("%s: said was %q", name, &stderr)
		}
	}
}

func TestAConnectionBesideThePoolPreparesNothingWherePgBouncerMayForgetIt(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	for params, want := range map[string]pgx.QueryExecMode{
		"pool_max_conns=1":           pgx.QueryExecModeCacheStatement,
		"pool_pgbouncer=session":     pgx.QueryExecModeCacheStatement,
		"pool_pgbouncer=transaction": pgx.QueryExecModeExec,
		"pool_pgbouncer=transaction&default_query_exec_mode=simple_protocol": pgx.QueryExecModeSimpleProtocol,
	} {
		d, err := database.Open(t.Context(), "x", programtest.WithParameters(db.DSN, params), io.Discard)
		if err != nil {
			t.Fatal(err)
		}
		conn, err := d.Connect(t.Context(), "asker")
		if err != nil {
			t.Fatal(err)
		}
		if got := conn.Config().DefaultQueryExecMode; got != want {
			t.Errorf("%s: %s, want %s", params, got, want)
		}
		if err := conn.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}
