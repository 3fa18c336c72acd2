package testdb_test

import (
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestRestartKeepsPortAndDataAndEndsConnections(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.Private(t, "max_connections = 17")
	conn := connect(t, db.TCPDSN)
	defer conn.Close(t.Context())
	exec(t, conn, "create table kept (n int)")
	if got := query(t, conn, "show max_connections"); got != "17" {
		t.Errorf("max_connections is %s, want the test's setting 17", got)
	}
	for _, mode := range []testdb.StopMode{testdb.Fast, testdb.Immediate} {
		if err := db.Server.Restart(t.Context(), mode); err != nil {
			t.Fatal(err)
		}
		_, err := conn.Exec(t.Context(), "select 1")
		if err == nil {
			t.Fatalf("%s: the old connection survived", mode)
		}
		var pgErr *pgconn.PgError
		if mode == testdb.Fast && (!errors.As(err, &pgErr) || pgErr.Code != "57P01") {
			t.Errorf("fast: the old connection got %v, want 57P01", err)
		}
		conn.Close(t.Context())
		conn = connect(t, db.TCPDSN)
		defer conn.Close(t.Context())
		if got := query(t, conn, "select count(*)::text from kept"); got != "0" {
			t.Errorf("%s: count %s", mode, got)
		}
	}
}

func TestStopRefusesConnectionsUntilRestart(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.Private(t)
	for range 2 { // the second time it is stopped already
		if err := db.Server.Stop(t.Context(), testdb.Immediate); err != nil {
			t.Fatal(err)
		}
	}
	for _, dsn := range []string{db.DSN, db.TCPDSN} {
		if conn, err := pgx.Connect(t.Context(), dsn); err == nil {
			conn.Close(t.Context())
			t.Error("connected to a stopped server")
		}
	}
	if err := db.Server.Restart(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	connect(t, db.DSN).Close(t.Context())
}

func TestSharedServerCannotBeTakenFromOtherTests(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	s := testdb.New(t).Server
	for name, err := range map[string]error{
		"Close":   s.Close(),
		"Stop":    s.Stop(t.Context(), testdb.Fast),
		"Restart": s.Restart(t.Context(), testdb.Fast),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
