package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/internal/testdb"
)

// cleanUpWithin bounds what is done after the end, or after Ctrl-C, so that it cannot hang.
const cleanUpWithin = 15 * time.Second

// cleanUpError says that something was left behind.
type cleanUpError struct{ error }

func (e cleanUpError) Unwrap() error { return e.error }

func leftBehind(err error) error {
	if err == nil {
		return nil
	}
	return cleanUpError{err}
}

// database is where the load runs: an embedded server that is thrown away, or the user's own.
type database struct {
	base   *pgx.ConnConfig
	server *testdb.Server // nil: the user's own
	mark   string         // which names our connections on the server, and the schema if there is one
}

// openDatabase starts an embedded server if dsn is empty. It does not connect to the user's own yet.
func openDatabase(ctx context.Context, dsn string, stderr io.Writer) (*database, error) {
	d := &database{mark: "poolsql_tune_" + strings.ToLower(rand.Text()[:8])}
	if dsn != "" {
		var err error
		if d.base, err = pgx.ParseConfig(dsn); err != nil {
			// pgx's error repeats what it could not read, and that may be a piece of the password.
			return nil, errors.New("-dsn is not a valid connection URL (postgres://user@host:5432/database) " +
				"or list of keywords (host=... dbname=...); in a URL, escape special characters of the password")
		}
		// What pgxpool reads in a DSN, the server does not know.
		maps.DeleteFunc(d.base.RuntimeParams, func(name, _ string) bool { return strings.HasPrefix(name, "pool_") })
		fmt.Fprintf(stderr, "using database %s on %s\n", cmp.Or(d.base.Database, d.base.User), d.base.Host)
		return d, nil
	}

	fmt.Fprintln(stderr, "starting an embedded PostgreSQL ...")
	start := time.Now()
	// A commit has to wait for the disk as it does in production: that wait is a good part of why more connections help.
	server, err := testdb.Start(ctx, "fsync = on", "synchronous_commit = on", "full_page_writes = on")
	if err != nil {
		return nil, fmt.Errorf("start the embedded database (-dsn uses one of yours): %w", err)
	}
	d.server = server
	if dsn, err = server.CreateDatabase(ctx); err == nil {
		d.base, err = pgx.ParseConfig(dsn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create a database: %w", err), server.Close())
	}
	fmt.Fprintf(stderr, "started %s in %.1fs\n", server.Name(), time.Since(start).Seconds())
	return d, nil
}

// config is a copy of the configuration, under a name by which the server tells who is connected.
func (d *database) config(user string) *pgx.ConnConfig {
	cfg := d.base.Copy()
	cfg.RuntimeParams["application_name"] = d.applicationName(user)
	return cfg
}

func (d *database) applicationName(user string) string { return d.mark + " " + user }

// here reports whether the server is known to run on this machine.
func (d *database) here() bool {
	host := d.base.Host
	if strings.HasPrefix(host, "/") || strings.HasPrefix(host, "@") || host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// drop removes the schema from a database of the user's, on a connection of its own, since the one before may have ended
// with ctx. An embedded server takes it with it.
func (d *database) drop(ctx context.Context) error {
	if d.server != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, d.config("cleaner"))
	if err != nil {
		return fmt.Errorf("connect to drop the schema %s: %w", d.mark, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "drop schema if exists "+pgx.Identifier{d.mark}.Sanitize()+" cascade"); err != nil {
		return fmt.Errorf("drop the schema %s: %w", d.mark, err)
	}
	return nil
}

// close stops the embedded server.
func (d *database) close() error {
	if d.server == nil {
		return nil
	}
	if err := d.server.Close(); err != nil {
		return fmt.Errorf("stop the embedded database: %w", err)
	}
	return nil
}
