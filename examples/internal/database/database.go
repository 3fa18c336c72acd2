// Package database is where an example works: an embedded PostgreSQL that is thrown away, or the user's own, in which
// nothing but one schema is touched.
package database

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"maps"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// cleanUpWithin bounds what is done after the end, or after Ctrl-C, so that it cannot hang.
const cleanUpWithin = 15 * time.Second

// Database is one of the two. It does not change once it is open. Safe for concurrent use.
type Database struct {
	// Schema is a name that nobody else has: of the schema, and of our connections on the server.
	Schema string

	base   *pgx.ConnConfig
	pool   poolsql.Config
	server *testdb.Server // nil: the user's own
}

// Open starts an embedded server with settings if dsn is empty. It does not connect to the user's own yet. What becomes of
// it is told on stderr.
func Open(ctx context.Context, program, dsn string, stderr io.Writer, settings ...string) (*Database, error) {
	d := &Database{Schema: "poolsql_" + program + "_" + strings.ToLower(rand.Text()[:8])}
	if dsn != "" {
		if err := d.parse(dsn); err != nil {
			return nil, fmt.Errorf("-dsn: %w", err)
		}
		fmt.Fprintf(stderr, "using database %s on %s\n", cmp.Or(d.base.Database, d.base.User), d.base.Host)
		return d, nil
	}

	fmt.Fprintln(stderr, "starting an embedded PostgreSQL ...")
	start := time.Now()
	server, err := testdb.Start(ctx, settings...)
	if err != nil {
		return nil, fmt.Errorf("start the embedded database (-dsn uses one of yours): %w", err)
	}
	d.server = server
	if dsn, err = server.CreateDatabase(ctx); err == nil {
		err = d.parse(dsn)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("create a database: %w", err), server.Close())
	}
	fmt.Fprintf(stderr, "started %s in %.1fs\n", server.Name(), time.Since(start).Seconds())
	return d, nil
}

// parse reads the DSN as poolsql does. No error of poolsql's repeats a part of it, as one of pgx's may.
func (d *Database) parse(dsn string) error {
	c := poolsql.NewConnector(poolsql.Config{DSN: dsn})
	if err := c.Err(); err != nil {
		return err
	}
	d.pool = c.Config()
	// As pgx reads it, for those who connect by pgx alone. It takes the pool's parameters for settings of the server.
	var err error
	if d.base, err = pgx.ParseConfig(dsn); err != nil {
		return errors.New("pgx does not accept it")
	}
	maps.DeleteFunc(d.base.RuntimeParams, func(name, _ string) bool { return strings.HasPrefix(name, "pool_") })
	return nil
}

// Embedded reports whether it is a server of the program's own.
func (d *Database) Embedded() bool { return d.server != nil }

// ConnConfig is how to connect, under a name by which the server tells who of the program is connected.
func (d *Database) ConnConfig(user string) *pgx.ConnConfig {
	cfg := d.base.Copy()
	cfg.RuntimeParams["application_name"] = d.ApplicationName(user)
	return cfg
}

// ApplicationName is that name.
func (d *Database) ApplicationName(user string) string { return d.Schema + " " + user }

// PoolConfig is ConnConfig with what the parameters of the DSN say of a pool, and with the defaults where they say nothing.
func (d *Database) PoolConfig(user string) poolsql.Config {
	cfg := d.pool
	cfg.DSN, cfg.ConnConfig = "", d.ConnConfig(user)
	return cfg
}

// Connect opens a connection beside any pool.
func (d *Database) Connect(ctx context.Context, user string) (*pgx.Conn, error) {
	cfg := d.ConnConfig(user)
	if d.pool.PgBouncer >= connector.PoolTransaction && cfg.DefaultQueryExecMode == pgx.QueryExecModeCacheStatement {
		cfg.DefaultQueryExecMode = pgx.QueryExecModeExec // what is prepared on one session may run on another
	}
	conn, err := pgx.ConnectConfig(ctx, cfg)
	if err != nil {
		return nil, fmt.Errorf("connect to the database: %w", err)
	}
	return conn, nil
}

// Drop removes the schema from a database of the user's, even if ctx has ended; one that is not there is no error. An
// embedded server takes it with it.
func (d *Database) Drop(ctx context.Context) error {
	if d.server != nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanUpWithin)
	defer cancel()
	conn, err := d.Connect(ctx, "cleaner") // those before may have ended with ctx
	if err != nil {
		return fmt.Errorf("drop the schema %s: %w", d.Schema, err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "drop schema if exists "+pgx.Identifier{d.Schema}.Sanitize()+" cascade"); err != nil {
		return fmt.Errorf("drop the schema %s: %w", d.Schema, err)
	}
	return nil
}

// Close stops the embedded server.
func (d *Database) Close() error {
	if d.server == nil {
		return nil
	}
	if err := d.server.Close(); err != nil {
		return fmt.Errorf("stop the embedded database: %w", err)
	}
	return nil
}
