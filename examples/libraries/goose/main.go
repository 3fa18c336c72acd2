// Command goose shows migrations by goose over poolsql: it takes the *sql.DB.
//
//	go run ./examples/libraries/goose
//
// You will see that three instances of a program which start at once, each with a pool of its own, migrate once: an advisory
// lock of a session, which goose holds on a *sql.Conn, keeps them apart. One of the migrations builds an index outside of a
// transaction. WithoutLimits lets migrations take longer than the pool allows statements to.
package main

import (
	"cmp"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/lock"
)

//go:embed migrations/*.sql
var files embed.FS

func main() { short.Main("goose", show) }

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	const instances = 3
	var applied atomic.Int64
	ended := make(chan error, instances)
	for range instances {
		go func() {
			n, err := migrate(ctx, cfg)
			applied.Add(int64(n))
			ended <- err
		}()
	}
	var errs error
	for range instances {
		errs = cmp.Or(errs, <-ended)
	}
	if errs != nil {
		return errs
	}
	fmt.Fprintf(out, "%d instances applied %d migrations\n", instances, applied.Load())
	return again(ctx, cfg, out)
}

// migrate is what an instance does when it starts.
func migrate(ctx context.Context, cfg poolsql.Config) (applied int, err error) {
	cfg.StatementTimeout = 5 * time.Second // which is for what users wait for
	db, err := poolsql.Open(cfg)
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, db.Close()) }()

	migrations, err := fs.Sub(files, "migrations")
	if err != nil {
		return 0, err
	}
	// It tries again every second, and holds a connection meanwhile.
	locker, err := lock.NewPostgresSessionLocker(lock.WithLockTimeout(1, 60))
	if err != nil {
		return 0, err
	}
	provider, err := goose.NewProvider(goose.DialectPostgres, db, migrations, goose.WithSessionLocker(locker))
	if err != nil {
		return 0, err
	}
	ctx = poolsql.WithoutLimits(poolsql.WithLabel(ctx, "migration"))
	results, err := provider.Up(ctx)
	return len(results), err
}

// again shows what is there now.
func again(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	n, err := migrate(ctx, cfg)
	if err != nil {
		return err
	}
	db, err := poolsql.Open(cfg)
	if err != nil {
		return err
	}
	defer db.Close()
	var version int
	err = db.QueryRowContext(ctx, "select max(version_id) from goose_db_version").Scan(&version)
	if err == nil {
		fmt.Fprintf(out, "the next one applies %d; the database is at version %d\n", n, version)
	}
	return err
}
