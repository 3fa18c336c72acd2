package testdb

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
)

// dropTimeout bounds a DROP DATABASE. With FORCE it takes milliseconds; a busy
// machine is given much more than that.
const dropTimeout = 30 * time.Second

// CreateDatabase makes a fresh empty database and returns its DSN, of the same
// kind as Server.DSN. Close drops it.
func (s *Server) CreateDatabase(ctx context.Context) (dsn string, err error) {
	name, err := s.createDatabase(ctx)
	if err != nil {
		return "", err
	}
	return withDatabase(s.dsn, name)
}

func (s *Server) createDatabase(ctx context.Context) (string, error) {
	name := "poolsql_" + randomHex(8)
	if !s.remember(name) {
		return "", errClosed
	}
	err := s.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, s.createStatement(name))
		return err
	})
	if err != nil {
		s.forget(name)
		return "", fmt.Errorf("testdb: create a database: %w", err)
	}
	return name, nil
}

// createStatement copies template0, to which nobody can connect: with template1
// a single session on it makes CREATE DATABASE fail.
//
// Copying files took 15 to 25 ms where writing to the WAL, the default, took 33
// to 36 (PostgreSQL 15, fsync off). It costs two checkpoints, which without
// fsync are nothing; a server that others use is spared them.
func (s *Server) createStatement(name string) string {
	statement := "create database " + pgx.Identifier{name}.Sanitize() + " template template0"
	if s.cluster != nil && s.version >= 150000 { // before that it is the only way
		statement += " strategy file_copy"
	}
	return statement
}

// dropDatabase throws out whoever is still connected.
func (s *Server) dropDatabase(ctx context.Context, name string) error {
	err := s.admin(ctx, func(conn *pgx.Conn) error {
		_, err := conn.Exec(ctx, "drop database if exists "+pgx.Identifier{name}.Sanitize()+" with (force)")
		return err
	})
	if err != nil {
		return fmt.Errorf("testdb: drop a database: %w", err)
	}
	s.forget(name)
	return nil
}

func (s *Server) dropAll(names map[string]bool) error {
	ctx, cancel := context.WithTimeout(context.Background(), dropTimeout)
	defer cancel()
	var errs []error
	for name := range names {
		errs = append(errs, s.dropDatabase(ctx, name))
	}
	return errors.Join(errs...)
}

func (s *Server) remember(name string) (ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.databases[name] = true
	return true
}

func (s *Server) forget(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.databases, name)
}

// withDatabase is the DSN with another database. Both forms that pgx reads are
// understood, as an existing server is named by whoever set the variable.
func withDatabase(dsn, name string) (string, error) {
	if !strings.HasPrefix(dsn, "postgres://") && !strings.HasPrefix(dsn, "postgresql://") {
		return dsn + " dbname=" + name, nil // of two equal keywords the last one counts
	}
	u, err := url.Parse(dsn)
	if err != nil {
		// The error of url.Parse quotes its input, password included.
		return "", errors.New("testdb: the database URL cannot be read")
	}
	q := u.Query()
	q.Del("dbname")
	q.Del("database")
	u.RawQuery = q.Encode()
	u.Path = "/" + name
	return u.String(), nil
}

// randomHex is 2n digits that nobody can guess: names that two test binaries on
// one server do not share, and the administrator's password.
func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails, says its documentation
	return hex.EncodeToString(b)
}
