package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/internal/testdb"
)

// lab is what the experiments share: how much they may do, and the database. Used by one goroutine at a time.
type lab struct {
	quick bool

	dsn    string         // empty until database is first called, unless the user gave one
	used   bool           // some experiment asked for the database
	server *testdb.Server // nil if the user gave a database

	// stoppable is a server that may be restarted, always our own; nil until stoppableDatabase is first called.
	stoppable    *testdb.Server
	stoppableDSN string
}

// scale chooses the size of a run.
func (l *lab) scale(full, quick int) int {
	if l.quick {
		return quick
	}
	return full
}

// long is what a statement takes that is meant to be canceled. A cancel that is lost on its way costs as much, or what the
// peer allows for it.
func (l *lab) long() time.Duration { return time.Duration(l.scale(60_000, 1000)) * time.Millisecond }

// limit is how long one run of one arm may take: many times what it does take. It includes the start of a server, whose
// programs may have to be downloaded first.
func (l *lab) limit() time.Duration { return time.Duration(l.scale(5, 2)) * time.Minute }

// database returns the DSN of the database to measure on. A server is started only when an experiment needs one.
func (l *lab) database(ctx context.Context) (string, error) {
	l.used = true
	if l.dsn != "" {
		return l.dsn, nil
	}
	server, err := testdb.Start(ctx)
	if err != nil {
		return "", fmt.Errorf("start PostgreSQL: %w", err)
	}
	l.server = server
	dsn, err := server.CreateDatabase(ctx)
	if err != nil {
		return "", err
	}
	l.dsn = dsn
	return dsn, nil
}

// stoppableDatabase returns the DSN of a database on a server that the experiments may restart.
func (l *lab) stoppableDatabase(ctx context.Context) (string, error) {
	if l.stoppableDSN != "" {
		return l.stoppableDSN, nil
	}
	server, err := testdb.Start(ctx, "max_connections = 200") // a setting, so that it is not one that others use
	if err != nil {
		return "", fmt.Errorf("start a PostgreSQL to be restarted: %w", err)
	}
	l.stoppable = server
	dsn, err := server.CreateDatabase(ctx)
	if err != nil {
		return "", err
	}
	l.stoppableDSN = dsn
	return dsn, nil
}

// serverVersion asks the database for its version. It is empty if no experiment used one.
func (l *lab) serverVersion(ctx context.Context) (string, error) {
	dsn := l.stoppableDSN
	if l.used {
		dsn = l.dsn
	}
	if dsn == "" {
		return "", nil
	}
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return "", err
	}
	defer conn.Close(ctx)
	var version string
	err = conn.QueryRow(ctx, "show server_version").Scan(&version)
	return version, err
}

func (l *lab) close() error {
	var errs []error
	for _, server := range []*testdb.Server{l.server, l.stoppable} {
		if server != nil {
			errs = append(errs, server.Close())
		}
	}
	return errors.Join(errs...)
}
