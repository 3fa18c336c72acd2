// Package short is what the short examples have in common: a database to work in, and the process around them.
package short

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/database"
	"github.com/poolsql/poolsql/examples/internal/program"
)

// A Show is what an example does. In cfg is where the database is, and nothing else: a program of yours has
// poolsql.Config{DSN: "postgres://…"} there. What it shows it writes to out, the same in every run.
type Show func(ctx context.Context, cfg poolsql.Config, out io.Writer) error

// Main is the main function of the example of this name. It shows in an embedded PostgreSQL, or in a schema of its own in
// the database that the flag -dsn names. Neither is there any more when it is over.
func Main(name string, show Show) {
	program.Main(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		return Run(ctx, name, show, args, stdout, stderr)
	})
}

// Alone is the main function of an example that starts servers of its own, since it needs more than a database. It takes no flags.
func Alone(name string, show func(ctx context.Context, out, stderr io.Writer) error) {
	program.Main(func(ctx context.Context, args []string, stdout, stderr io.Writer) int {
		return RunAlone(ctx, name, show, args, stdout, stderr)
	})
}

// RunAlone is Alone without the process around it.
func RunAlone(
	ctx context.Context, name string, show func(ctx context.Context, out, stderr io.Writer) error, args []string, stdout, stderr io.Writer,
) (status int) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	if err := flags.Parse(args); err != nil {
		return program.BadFlags(err)
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "%s: takes no arguments: it starts servers of its own\n", name)
		return program.Usage
	}
	return program.End(ctx, name, show(ctx, stdout, stderr), stderr)
}

// Run is Main without the process around it.
func Run(ctx context.Context, name string, show Show, args []string, stdout, stderr io.Writer) (status int) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	dsn := flags.String("dsn", "", "an existing database, as URL or keywords, instead of an embedded one")
	if err := flags.Parse(args); err != nil {
		return program.BadFlags(err)
	}
	if flags.NArg() > 0 {
		fmt.Fprintf(stderr, "%s: flags only, no arguments; -help tells more\n", name)
		return program.Usage
	}
	return program.End(ctx, name, in(ctx, name, *dsn, show, stdout, stderr), stderr)
}

// in shows in a schema that is there for as long.
func in(ctx context.Context, name, dsn string, show Show, stdout, stderr io.Writer) (err error) {
	d, err := database.Open(ctx, name, dsn, stderr)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(errors.Join(d.Drop(ctx), d.Close()))) }()
	conn, err := d.Connect(ctx, "maker")
	if err != nil {
		return err
	}
	_, err = conn.Exec(ctx, "create schema "+pgx.Identifier{d.Schema}.Sanitize())
	if err := errors.Join(err, conn.Close(ctx)); err != nil {
		return fmt.Errorf("create a schema: %w", err)
	}
	cfg := d.PoolConfig("example")
	cfg.ConnConfig.RuntimeParams["search_path"] = d.Schema
	return show(ctx, cfg, stdout)
}
