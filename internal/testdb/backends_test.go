package testdb_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestBackendsAreTheSessionsOfClients(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.Private(t)
	idle, busy := connect(t, db.DSN), connect(t, db.TCPDSN)
	defer idle.Close(t.Context())
	defer busy.Close(t.Context())
	exec(t, idle, "set application_name = 'first'")
	exec(t, busy, "begin; set application_name = 'second'")
	want := []testdb.Backend{
		{PID: idle.PgConn().PID(), Application: "first", State: "idle", Database: db.Name},
		{PID: busy.PgConn().PID(), Application: "second", State: "idle in transaction", Database: db.Name},
	}
	for range 20 { // the connections of earlier calls may be ending
		if got := backends(t, db.Server); !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
	busy.Close(t.Context())
	waitFor(t, func() bool { return slices.Equal(backends(t, db.Server), want[:1]) })
}

func TestOrdinaryRoleLeavesConnectionsToTheTest(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.Private(t, "max_connections = 5", "superuser_reserved_connections = 2")
	dsn, err := db.OrdinaryDSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		conn := connect(t, dsn)
		defer conn.Close(t.Context())
		exec(t, conn, "create table if not exists owned (n int)")
	}
	_, err = pgx.Connect(t.Context(), dsn)
	var pgErr *pgconn.PgError
	if !errors.As(err, &pgErr) || pgErr.Code != "53300" {
		t.Errorf("one more got %v, want 53300", err)
	}
	if got := backends(t, db.Server); len(got) != 3 {
		t.Errorf("%d backends, want 3: %+v", len(got), got)
	}
	if again, err := db.OrdinaryDSN(t.Context()); err != nil || again != dsn {
		t.Errorf("the second time %v", err)
	}
}

func backends(t *testing.T, s *testdb.Server) []testdb.Backend {
	t.Helper()
	list, err := s.Backends(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return list
}
