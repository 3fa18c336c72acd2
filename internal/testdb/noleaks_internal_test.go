package testdb

import (
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// short graces, for tests that have to wait for their end.
func check() *leakCheck {
	return &leakCheck{goroutineGrace: 50 * time.Millisecond, backendGrace: 50 * time.Millisecond}
}

func TestNoLeaksNamesALeakedGoroutine(t *testing.T) {
	NoLeaks(t)
	stop, ended := make(chan struct{}), make(chan struct{})
	fake := &fakeTB{TB: t}
	fake.run(func(t testing.TB) {
		startCheck(t, check())
		go leakingGoroutine(stop, ended)
	})
	close(stop)
	<-ended
	if report := fake.report(); !strings.Contains(report, "1 goroutines left") || !strings.Contains(report, "testdb.leakingGoroutine(") {
		t.Errorf("the report does not name the goroutine:\n%s", report)
	}
}

func TestNoLeaksInParallelNamesALeakedGoroutineAndNobodyElses(t *testing.T) {
	NoLeaks(t)
	stop, ended := make(chan struct{}), make(chan struct{})
	begun := make(chan struct{})
	other := make(chan struct{})
	go func() { defer close(ended); close(begun); <-stop }() // of somebody else, before and all the time
	<-begun
	fake := &fakeTB{TB: t}
	fake.run(func(t testing.TB) {
		owned := check()
		owned.owner = mark(t)
		startCheck(t, owned)
		go func() { // what it starts is the test's too, though it has ended itself
			go leakingGoroutine(stop, other)
		}()
	})
	close(stop)
	<-ended
	<-other
	if report := fake.report(); !strings.Contains(report, "1 goroutines left") || !strings.Contains(report, "testdb.leakingGoroutine+") {
		t.Errorf("the report does not name the goroutine, and no other:\n%s", report)
	}
}

func leakingGoroutine(stop, ended chan struct{}) {
	<-stop
	close(ended)
}

func TestNoLeaksWaitsForAGoroutineThatIsEnding(t *testing.T) {
	NoLeaks(t)
	fake := &fakeTB{TB: t}
	fake.run(func(t testing.TB) {
		startCheck(t, &leakCheck{goroutineGrace: 10 * time.Second, backendGrace: time.Second})
		stop, ended := make(chan struct{}), make(chan struct{})
		go leakingGoroutine(stop, ended)
		time.AfterFunc(20*time.Millisecond, func() { close(stop) })
	})
	if report := fake.report(); report != "" {
		t.Errorf("reported:\n%s", report)
	}
}

func TestNoLeaksNamesALeakedConnection(t *testing.T) {
	NoLeaks(t)
	var conn *pgx.Conn
	var db *DB
	fake := &fakeTB{TB: t}
	fake.run(func(ft testing.TB) {
		startCheck(ft, check())
		db = New(ft)
		conn = connectAs(t, "forgetful", db.DSN)
	})
	if err := conn.Ping(t.Context()); err == nil {
		t.Error("the database was not dropped after the check")
	}
	conn.Close(t.Context())
	if report := fake.report(); !strings.Contains(report, "1 connections left open") || !strings.Contains(report, "forgetful") {
		t.Errorf("the report does not name the connection:\n%s", report)
	}
	if databaseExists(t, db) {
		t.Error("the database is still there")
	}
}

func TestNoLeaksIsQuietAboutATestThatCleansUp(t *testing.T) {
	NoLeaks(t)
	var db *DB
	fake := &fakeTB{TB: t}
	fake.run(func(ft testing.TB) {
		startCheck(ft, check())
		db = New(ft)
		conn := connect(t, db.DSN)
		ft.Cleanup(func() { conn.Close(t.Context()) })
	})
	if report := fake.report(); report != "" {
		t.Errorf("reported:\n%s", report)
	}
	if databaseExists(t, db) {
		t.Error("the database is still there")
	}
}

func TestNoLeaksAfterNewIsRefused(t *testing.T) {
	fake := &fakeTB{TB: t}
	fake.run(func(t testing.TB) {
		New(t)
		NoLeaks(t)
	})
	if !fake.fatal {
		t.Error("NoLeaks could not see the database, and said nothing")
	}
	if len(checks.running)+len(checks.tooEarly) != 0 {
		t.Error("the test has ended and is still known")
	}
}

func TestNoLeaksLooksAtAServerThatTheTestStopped(t *testing.T) {
	NoLeaks(t)
	fake := &fakeTB{TB: t}
	fake.run(func(ft testing.TB) {
		startCheck(ft, check())
		if err := Private(ft).Server.Stop(t.Context(), Immediate); err != nil {
			t.Error(err)
		}
	})
	if report := fake.report(); report != "" {
		t.Errorf("reported:\n%s", report)
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	return connectAs(t, "", dsn)
}

func connectAs(t *testing.T, application, dsn string) *pgx.Conn {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.RuntimeParams["application_name"] = application
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

func databaseExists(t *testing.T, db *DB) (exists bool) {
	t.Helper()
	conn := connect(t, db.Server.DSN())
	defer conn.Close(t.Context())
	err := conn.QueryRow(t.Context(), "select exists (select from pg_database where datname = $1)", db.Name).Scan(&exists)
	if err != nil {
		t.Fatal(err)
	}
	return exists
}

func TestNoLeaksForbidsParallel(t *testing.T) {
	NoLeaks(t)
	defer func() {
		if recover() == nil {
			t.Error("t.Parallel was allowed")
		}
	}()
	t.Parallel()
}
