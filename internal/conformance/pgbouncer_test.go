package conformance_test

import (
	"database/sql"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/conformance"
	"github.com/poolsql/poolsql/internal/testdb"
)

// through returns target such that it connects through p.
func through(p *testdb.Pooler, target conformance.Target) conformance.Target {
	open := target.Open
	target.Name += " through PgBouncer"
	target.Open = func(t testing.TB, dsn string, mode pgx.QueryExecMode, conns int) *sql.DB {
		return open(t, p.DSN(databaseOf(t, dsn)), mode, conns)
	}
	return target
}

func databaseOf(t testing.TB, dsn string) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return cfg.Database
}

// bounced is poolsql that is told of a PgBouncer in this mode. The execution mode Exec is left for it to choose.
func bounced(pool connector.PoolMode) conformance.Target {
	target := conformance.Poolsql
	target.Open = func(t testing.TB, dsn string, mode pgx.QueryExecMode, conns int) *sql.DB {
		cfg, err := pgx.ParseConfig(dsn)
		if err != nil {
			t.Fatal(err)
		}
		if mode != pgx.QueryExecModeExec {
			cfg.DefaultQueryExecMode = mode
		}
		db, err := poolsql.Open(poolsql.Config{ConnConfig: cfg, MaxConns: conns, PgBouncer: pool})
		if err != nil {
			t.Fatal(err)
		}
		return db
	}
	return target
}

func TestPoolsqlDoesWhatPgxDoesThroughPgBouncerInSessionMode(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.PgBouncer(t, testdb.New(t).Server, "session")
	// The databases belong to the test, so that its check for leaks sees all connections.
	database := func(testing.TB) string { return testdb.New(t).DSN }
	modes := []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement}
	conformance.Compare(t, database, through(p, conformance.Plain), through(p, bounced(connector.PoolSession)),
		conformance.Cases(), modes, conformance.PoolsqlDiffers)
}

// TestPoolsqlBehindPgBouncerInTransactionModeDoesWhatPgxDoesWithoutIt compares with pgx that is connected to the server: through
// such a PgBouncer, pgx by itself fails at what it prepares by name, for a program that calls Prepare say.
func TestPoolsqlBehindPgBouncerInTransactionModeDoesWhatPgxDoesWithoutIt(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	p := testdb.PgBouncer(t, testdb.New(t).Server, "transaction")
	database := func(testing.TB) string { return testdb.New(t).DSN }
	cases := slices.DeleteFunc(conformance.Cases(), func(c conformance.Case) bool { return c.Needs&conformance.NeedSession != 0 })
	modes := []pgx.QueryExecMode{pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol}
	conformance.Compare(t, database, conformance.Plain, through(p, bounced(connector.PoolTransaction)),
		cases, modes, slices.Concat(conformance.PoolsqlDiffers, refused))
}

// refused is what is the caller's own to ask for, and cannot be had.
var refused = []conformance.Difference{
	refusal("query as cache statement", `["name"] ok | string("Ada") | ok, close: ok`),
	refusal("exec as cache statement", "1 rows affected, ok; id: error LastInsertId is not supported by this driver"),
	refusal("query without arguments as cache statement", `["id"] ok | int64(1) | int64(2) | int64(3) | ok, close: ok`),
}

func refusal(step, want string) conformance.Difference {
	return conformance.Difference{
		Case: "pgx's options as first argument", Steps: []string{step}, Want: want,
		Got:    "error cannot use QueryExecModeCacheStatement with disabled statement cache",
		Reason: "a statement that is prepared by name in one session of the server may be run in another",
	}
}
