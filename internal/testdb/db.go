package testdb

import (
	"context"
	"errors"
	"os"
	"sync"
	"testing"
	"time"
)

// startTimeout bounds the start of the shared server. Usually it takes a
// second; the first download of the programs is what needs the time.
const startTimeout = 5 * time.Minute

// DB is a fresh database of one test.
type DB struct {
	Name   string
	DSN    string  // through the Unix socket where there is one; holds the password
	TCPDSN string  // through TCP
	Server *Server // its DSN is an administrator's

	discard func(context.Context) error
}

// sharedServer is the one of the test binary, started by the first caller.
// Nothing stops it but the end of the binary, which the watchdog sees. A failure
// is kept: the next test would wait as long for the same answer.
var sharedServer = sync.OnceValues(func() (*Server, error) {
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s, err := Start(ctx)
	if err != nil {
		return nil, err
	}
	s.shared = true
	return s, nil
})

// New gives the test a fresh empty database on the server that all tests of the
// binary share, started by the first one. The database is dropped at the end of
// the test, connections or not. New fails the test when there is no server.
func New(t testing.TB) *DB {
	t.Helper()
	if !watched && os.Getenv(envDatabaseURL) == "" {
		return Private(t) // slow, but nothing is left running
	}
	s, err := sharedServer()
	if err != nil {
		t.Fatal(err)
	}
	db, err := s.newDB(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	db.discard = func(ctx context.Context) error { return s.dropDatabase(ctx, db.Name) }
	db.discardAfter(t)
	return db
}

// Private is New on a server of the test's own, which it may stop and restart,
// and whose settings, lines of postgresql.conf, it may choose. It takes a second.
//
// A server that POOLSQL_TEST_DATABASE_URL names is not used. Where that is set
// and nothing is there to start another one, the test is skipped.
func Private(t testing.TB, settings ...string) *DB {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), startTimeout)
	defer cancel()
	s, err := startOwn(ctx, settings)
	needServer(t, err)
	db, err := s.newDB(ctx)
	if err != nil {
		t.Fatal(errors.Join(err, s.Close()))
	}
	db.discard = func(context.Context) error { return s.Close() }
	db.discardAfter(t)
	return db
}

// needServer ends the test when a server of its own could not be started.
func needServer(t testing.TB, err error) {
	t.Helper()
	if errors.Is(err, errNoPrograms) && os.Getenv(envDatabaseURL) != "" {
		t.Skip("this test needs a server of its own to stop or to configure: ", err)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (s *Server) newDB(ctx context.Context) (*DB, error) {
	name, err := s.createDatabase(ctx)
	if err != nil {
		return nil, err
	}
	db, err := s.database(name)
	if err != nil {
		return nil, errors.Join(err, s.dropDatabase(ctx, name))
	}
	return db, nil
}

// database describes one that is there.
func (s *Server) database(name string) (*DB, error) {
	dsn, err := withDatabase(s.dsn, name)
	tcpDSN, tcpErr := withDatabase(s.tcpDSN, name)
	if err := errors.Join(err, tcpErr); err != nil {
		return nil, err
	}
	return &DB{Name: name, DSN: dsn, TCPDSN: tcpDSN, Server: s}, nil
}

// discardAfter leaves the end of the database to the test's check for leaks, if
// there is one: it has to look before.
func (db *DB) discardAfter(t testing.TB) {
	if checks.addDatabase(t, db) {
		return
	}
	t.Cleanup(func() {
		t.Helper()
		db.discardNow(t)
	})
}

func (db *DB) discardNow(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	if err := db.discard(ctx); err != nil {
		t.Error(err)
	}
}
