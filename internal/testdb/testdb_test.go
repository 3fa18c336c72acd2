package testdb_test

import (
	"context"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestNewGivesAnEmptyDatabaseOnSocketAndTCP(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	db := testdb.New(t)
	for _, dsn := range []string{db.DSN, db.TCPDSN} {
		conn := connect(t, dsn)
		defer conn.Close(t.Context())
		if got := query(t, conn, "select current_database()::text"); got != db.Name {
			t.Errorf("connected to %q, want %q", got, db.Name)
		}
		if got := query(t, conn, "select count(*)::text from pg_tables where schemaname = 'public'"); got != "0" {
			t.Errorf("%s tables in a fresh database", got)
		}
	}
	if other := testdb.New(t); other.Name == db.Name || other.Server != db.Server {
		t.Error("a second database is not another one on the same server")
	}
}

func TestDatabaseIsDroppedWithConnectionsStillOpen(t *testing.T) {
	var db *testdb.DB
	t.Run("leaves a connection", func(t *testing.T) {
		db = testdb.New(t)
		connect(t, db.DSN)
	})
	conn := connect(t, db.Server.DSN())
	defer conn.Close(t.Context())
	if got := query(t, conn, "select count(*)::text from pg_database where datname = '"+db.Name+"'"); got != "0" {
		t.Error("the database is still there")
	}
}

func TestServerWantsThePassword(t *testing.T) {
	testdb.NoLeaks(t)
	s := start(t)
	for _, dsn := range []string{s.DSN(), s.TCPDSN()} {
		u, err := url.Parse(dsn)
		if err != nil {
			t.Fatal("the DSN is no URL")
		}
		u.User = url.UserPassword(u.User.Username(), "wrong")
		_, err = pgx.Connect(t.Context(), u.String())
		var pgErr *pgconn.PgError
		if !errors.As(err, &pgErr) || pgErr.Code != "28P01" {
			t.Errorf("a wrong password got %v, want 28P01", err)
		}
	}
}

func TestStartedServerIsGoneAfterClose(t *testing.T) {
	testdb.NoLeaks(t)
	s := start(t)
	if s.Version() < 130000 || !strings.Contains(s.Name(), "PostgreSQL") {
		t.Errorf("name %q, version %d", s.Name(), s.Version())
	}
	dsn, err := s.CreateDatabase(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	conn := connect(t, dsn)
	defer conn.Close(t.Context())
	for range 2 {
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if conn.Ping(t.Context()) == nil {
		t.Error("a connection survived Close")
	}
	u, _ := url.Parse(dsn)
	if dir := u.Query().Get("host"); exists(dir) {
		t.Errorf("%s is still there", dir)
	}
	if _, err := s.CreateDatabase(t.Context()); err == nil {
		t.Error("a closed server created a database")
	}
	if err := s.Restart(t.Context(), testdb.Fast); err == nil {
		t.Error("a closed server restarted")
	}
}

func TestDatabasesAreCreatedAtTheSameTime(t *testing.T) {
	testdb.NoLeaks(t)
	s := start(t)
	var wg sync.WaitGroup
	names := make(chan string, 8)
	for range cap(names) {
		wg.Go(func() {
			dsn, err := s.CreateDatabase(t.Context())
			if err != nil {
				t.Error(err)
			}
			names <- dsn
		})
	}
	wg.Wait()
	close(names)
	seen := map[string]bool{}
	for dsn := range names {
		seen[dsn] = true
	}
	if len(seen) != cap(names) {
		t.Errorf("%d databases, want %d", len(seen), cap(names))
	}
}

func TestExistingServerIsUsedAndLeftClean(t *testing.T) {
	testdb.NoLeaks(t)
	own := start(t)
	t.Setenv("POOLSQL_TEST_DATABASE_URL", own.DSN())
	s, err := testdb.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		dsn, err := s.CreateDatabase(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		connect(t, dsn).Close(t.Context())
	}
	const ours = "select count(*)::text from pg_database where datname like 'poolsql\\_%'"
	conn := connect(t, own.DSN())
	defer conn.Close(t.Context())
	if got := query(t, conn, ours); got != "2" {
		t.Errorf("%s databases on the existing server, want 2", got)
	}
	if err := s.Stop(t.Context(), testdb.Fast); err == nil {
		t.Error("stopped a server that is not ours")
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if got := query(t, conn, ours); got != "0" {
		t.Errorf("%s databases left on the existing server", got)
	}
}

func TestPrivateServerIsNotTheExistingOne(t *testing.T) {
	testdb.NoLeaks(t)
	t.Setenv("POOLSQL_TEST_DATABASE_URL", "postgres://nobody:secret@127.0.0.1:1/none")
	connect(t, testdb.Private(t).DSN).Close(t.Context())
	if _, err := testdb.Start(t.Context()); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("got %v, want an error without the password", err)
	}
}

func TestStartThatIsCanceledLeavesNothing(t *testing.T) {
	testdb.NoLeaks(t)
	tmp, err := os.MkdirTemp("/tmp", "t") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(tmp)
	if err := os.Chmod(tmp, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", tmp)
	t.Setenv("POOLSQL_TEST_DATABASE_URL", "")
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() {
		s, err := testdb.Start(ctx)
		if err == nil {
			s.Close()
		}
		done <- err
	}()
	waitFor(t, func() bool { // for initdb to be at work
		begun, _ := filepath.Glob(filepath.Join(tmp, "*", "data", "global"))
		return len(begun) > 0
	})
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want context.Canceled", err)
	}
	if left := entries(t, tmp); len(left) > 0 {
		t.Errorf("left in the temporary folder: %v", left)
	}
}

func start(t *testing.T) *testdb.Server {
	t.Helper()
	t.Setenv("POOLSQL_TEST_DATABASE_URL", "") // the test wants one to end
	s, err := testdb.Start(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func exec(t *testing.T, conn *pgx.Conn, sql string) {
	t.Helper()
	if _, err := conn.Exec(t.Context(), sql); err != nil {
		t.Fatal(err)
	}
}

func query(t *testing.T, conn *pgx.Conn, sql string) (text string) {
	t.Helper()
	if err := conn.QueryRow(t.Context(), sql).Scan(&text); err != nil {
		t.Fatal(err)
	}
	return text
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func entries(t *testing.T, dir string) []os.DirEntry {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	return list
}
