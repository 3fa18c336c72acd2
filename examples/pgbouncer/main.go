// Command pgbouncer shows poolsql behind a PgBouncer in transaction mode, where a session of the server is somebody else's
// after each transaction.
//
//	go run ./examples/pgbouncer
//
// It starts a PostgreSQL and a PgBouncer, which must be installed (apt-get install pgbouncer). You will see that what can
// work does, that what cannot is refused before it is sent and says what to do instead, and that many connections of the
// program are few of the server.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/short"
	"github.com/poolsql/poolsql/internal/testdb"
)

func main() { short.Alone("pgbouncer", run) }

// run starts the server and the pooler, and ends them.
func run(ctx context.Context, out, stderr io.Writer) (err error) {
	fmt.Fprintln(stderr, "starting a PostgreSQL and a PgBouncer ...")
	server, err := testdb.Start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(server.Close())) }()
	dsn, err := server.CreateDatabase(ctx)
	if err != nil {
		return err
	}
	pooler, err := testdb.StartPgBouncer(ctx, server, "transaction", serverConns)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(pooler.Close())) }()
	direct, err := pgx.ParseConfig(dsn)
	if err != nil {
		return err
	}
	return show(ctx, pooler.DSN(direct.Database), out)
}

// serverConns is a line of PgBouncer's configuration.
const serverConns = "default_pool_size = 3"

// show is what a program does whose DSN leads to a PgBouncer.
func show(ctx context.Context, dsn string, out io.Writer) error {
	db, err := poolsql.Open(poolsql.Config{
		DSN: dsn, MaxConns: 20,
		PgBouncer: poolsql.PoolTransaction, // and PgBouncerPrepared: true, where it keeps prepared statements
	})
	if err != nil {
		return err
	}
	defer db.Close()

	backends, err := load(ctx, db)
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "20 callers were served by no more than 3 sessions of the server: %t\n", backends <= 3)

	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.ExecContext(ctx, "create temporary table parts (n int) on commit drop"); err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "insert into parts values ($1)", 42); err != nil {
		return err
	}
	if err := tx.Commit(); err != nil {
		return err
	}
	fmt.Fprintln(out, "a transaction has one session to itself, temporary tables included")

	_, err = db.ExecContext(ctx, "listen orders")
	refused, ok := errors.AsType[*poolsql.SessionError](err)
	if !ok {
		return fmt.Errorf("LISTEN was not refused: %w", err)
	}
	fmt.Fprintf(out, "%s was not sent: %t\n", refused.Statement, errors.Is(err, poolsql.ErrNeedsSession))
	return nil
}

// load has 20 callers at once, and returns how many processes of the server they met.
func load(ctx context.Context, db *sql.DB) (int, error) {
	met := make([]map[int]bool, 20)
	errs := make([]error, len(met))
	var callers sync.WaitGroup
	for i := range met {
		met[i] = make(map[int]bool)
		callers.Go(func() {
			for range 20 {
				var pid int
				// With an argument: behind a PgBouncer that is what goes wrong with statements prepared by name.
				if errs[i] = db.QueryRowContext(ctx, "select pg_backend_pid() + $1::int", 0).Scan(&pid); errs[i] != nil {
					return
				}
				met[i][pid] = true
			}
		})
	}
	callers.Wait()
	all := make(map[int]bool)
	for _, pids := range met {
		for pid := range pids {
			all[pid] = true
		}
	}
	return len(all), errors.Join(errs...)
}
