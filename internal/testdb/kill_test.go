//go:build unix

package testdb_test

import (
	"errors"
	"os"
	osexec "os/exec"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestKilledBackendEndsAllSessionsAndKeepsTheData(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.Private(t, "synchronous_commit = on")
	victim, other := connect(t, db.DSN), connect(t, db.TCPDSN)
	defer victim.Close(t.Context())
	defer other.Close(t.Context())
	exec(t, victim, "create table kept as select 1 as n")
	if err := db.Server.KillBackend(t.Context(), victim.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
	if _, err := victim.Exec(t.Context(), "select 1"); err == nil {
		t.Error("the killed backend answers")
	}
	_, err := other.Exec(t.Context(), "select 1")
	var pgErr *pgconn.PgError
	if err == nil || errors.As(err, &pgErr) && pgErr.Code != "57P02" {
		t.Errorf("the other session got %v, want 57P02 or a lost connection", err)
	}
	if err := db.Server.WaitReady(t.Context()); err != nil {
		t.Fatal(err)
	}
	again := connect(t, db.TCPDSN)
	defer again.Close(t.Context())
	if got := query(t, again, "select n::text from kept"); got != "1" {
		t.Errorf("the row is %s", got)
	}
	if got := backends(t, db.Server); len(got) != 1 {
		t.Errorf("after the crash: %+v, want one session", got)
	}
}

func TestTestMayEndWhileItsServerRecovers(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.Private(t)
	conn := connect(t, db.DSN)
	defer conn.Close(t.Context())
	if err := db.Server.KillBackend(t.Context(), conn.PgConn().PID()); err != nil {
		t.Fatal(err)
	}
}

func TestOnlyTheServersOwnProcessesAreKilled(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.Private(t)
	bystander := osexec.Command("sleep", "60")
	if err := bystander.Start(); err != nil {
		t.Fatal(err)
	}
	foreign := connect(t, testdb.New(t).DSN) // of another server
	defer foreign.Close(t.Context())
	for name, pid := range map[string]uint32{
		"a child of ours":          uint32(bystander.Process.Pid),
		"this process":             uint32(os.Getpid()),
		"another server's backend": foreign.PgConn().PID(),
		"everyone":                 0,
		"as a signed number, -1":   1<<32 - 1,
	} {
		if err := db.Server.KillBackend(t.Context(), pid); err == nil {
			t.Errorf("%s was killed", name)
		}
	}
	exec(t, foreign, "select 1")
	if err := bystander.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = bystander.Wait() // says what the state does
	if got := bystander.ProcessState.Sys().(syscall.WaitStatus).Signal(); got != syscall.SIGTERM {
		t.Errorf("the bystander was ended by %v, want the test's own SIGTERM", got)
	}
	if err := db.Server.KillBackend(t.Context(), uint32(bystander.Process.Pid)); err == nil {
		t.Error("a process that has ended was killed")
	}
	if err := db.Server.Stop(t.Context(), testdb.Fast); err != nil {
		t.Fatal(err)
	}
	if err := db.Server.KillBackend(t.Context(), 1); err == nil {
		t.Error("killed on a stopped server")
	}
	if err := db.Server.WaitReady(t.Context()); err == nil {
		t.Error("a stopped server is ready")
	}
}

func TestSharedServerKeepsItsBackends(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.New(t)
	conn := connect(t, db.DSN)
	defer conn.Close(t.Context())
	if err := db.Server.KillBackend(t.Context(), conn.PgConn().PID()); err == nil {
		t.Error("killed a backend of the server that other tests use")
	}
	exec(t, conn, "select 1")
}
