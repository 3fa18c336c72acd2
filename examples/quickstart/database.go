package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/internal/testdb"
)

// database is where the bank stands: an embedded server that is thrown away, or the user's own, in which nothing but
// one schema is touched.
type database struct {
	base   *pgx.ConnConfig
	server *testdb.Server // nil: the user's own
	schema string
}

// openDatabase starts an embedded server if dsn is empty. It does not connect to the user's own yet.
func openDatabase(ctx context.Context, dsn string, stderr io.Writer) (*database, error) {
	d := &database{schema: "poolsql_quickstart_" + strings.ToLower(rand.Text()[:8])}
	if dsn != "" {
		var err error
		if d.base, err = pgx.ParseConfig(dsn); err != nil {
			// pgx's error repeats what it could not read, and that may be a piece of the password.
			return nil, errors.New("-dsn is not a valid connection URL (postgres://user@host:5432/database) " +
				"or list of keywords (host=... dbname=...); in a URL, escape special characters of the password")
		}
		fmt.Fprintf(stderr, "using database %s on %s,\nin a schema of its own: %s\n",
			cmp.Or(d.base.Database, d.base.User), d.base.Host, d.schema)
		return d, nil
	}

	fmt.Fprintln(stderr, "starting an embedded PostgreSQL ...")
	start := time.Now()
	server, err := testdb.Start(ctx)
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

func (d *database) applicationName(user string) string { return d.schema + " " + user }

// connections counts the connections that the server has from one user of config.
func (d *database) connections(ctx context.Context, conn *pgx.Conn, user string) (n int, err error) {
	// Workers of a parallel query bear the name of their leader.
	err = conn.QueryRow(ctx,
		"select count(*) from pg_stat_activity where application_name = $1 and backend_type = 'client backend'",
		d.applicationName(user)).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the connections: %w", err)
	}
	return n, nil
}

// drop removes the bank from a database of the user's, on a connection of its own, since the one before may have ended
// with ctx. An embedded server takes the bank with it.
func (d *database) drop(ctx context.Context, b bank) error {
	if d.server != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
	defer cancel()
	conn, err := pgx.ConnectConfig(ctx, d.config("cleaner"))
	if err != nil {
		return fmt.Errorf("connect to drop the schema %s: %w", b.schema, err)
	}
	defer conn.Close(ctx)
	return dropBank(ctx, conn, b)
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
