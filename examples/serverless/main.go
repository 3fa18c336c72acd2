// Command serverless shows a pool in a function that a platform starts, freezes, thaws and stops as it likes.
//
//	go run ./examples/serverless
//
// You will see that starting an instance costs no connection until the first event needs one, that the events after it use
// the same, that an instance which was frozen for so long that its connection died serves the next event all the same, and
// that the stop leaves no connection behind for the server to find out about.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
	"github.com/poolsql/poolsql/presets"
)

func main() { short.Main("serverless", show) }

// An instance is what lives between two events. A package variable holds it where the platform calls a function.
type instance struct {
	db   *sql.DB
	pool *poolsql.Connector
}

// start is what an instance does once. It does no I/O, so a cold start is no slower for it.
func start(cfg poolsql.Config) (*instance, error) {
	small := presets.Serverless() // short lives, nothing kept: there may be hundreds of instances
	small.MaxConns = 1            // which serve one event at a time
	small.ConnConfig = cfg.ConnConfig
	db, err := poolsql.Open(small)
	if err != nil {
		return nil, err
	}
	pool, err := poolsql.FromDB(db)
	return &instance{db, pool}, err
}

// handle serves an event, within the time that the platform allows. Its one statement is repeatable, so it may be run
// again on another connection if the one that it got is found dead.
func (i *instance) handle(ctx context.Context, name string) (answer string, err error) {
	ctx, cancel := context.WithTimeout(poolsql.WithLabel(ctx, "event"), 10*time.Second)
	defer cancel()
	err = i.db.QueryRowContext(poolsql.WithRetries(ctx, 2), "select 'hello, ' || $1::text", name).Scan(&answer)
	return answer, err
}

// stop is for the platform's signal, usually SIGTERM: who is being served may end.
func (i *instance) stop(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	return errors.Join(i.pool.Drain(ctx), i.db.Close())
}

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	i, err := start(cfg)
	if err != nil {
		return err
	}
	defer i.db.Close()
	fmt.Fprintf(out, "started, with %d connections\n", i.pool.Stats().TotalConns)

	for _, name := range []string{"Ada", "Grace"} {
		answer, err := i.handle(ctx, name)
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%s: %d connection, opened %d times\n", answer, i.pool.Stats().TotalConns, i.pool.Stats().NewConnsCount)
	}

	if err := freeze(ctx, cfg); err != nil {
		return err
	}
	answer, err := i.handle(ctx, "Barbara")
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%s: thawed, opened %d times\n", answer, i.pool.Stats().NewConnsCount)

	if err := i.stop(ctx); err != nil {
		return err
	}
	fmt.Fprintf(out, "stopped, with %d connections\n", i.pool.Stats().TotalConns)
	return nil
}

// freeze does what hours without an event do: a firewall or the server ends the connection, and nobody here notices.
func freeze(ctx context.Context, cfg poolsql.Config) error {
	conn, err := pgx.ConnectConfig(ctx, cfg.ConnConfig.Copy())
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.Exec(ctx, `select pg_terminate_backend(pid, 5000) from pg_stat_activity
		where application_name = current_setting('application_name') and pid <> pg_backend_pid()`)
	return err
}
