// Command replica shows reads that a replica serves, beside writes that the primary serves, over one *sql.DB.
//
//	go run ./examples/replica
//
// It starts a PostgreSQL and a second one that streams from it. You will see that a read which must see what was written
// just now sees it, whoever serves it; that reads which say so go to the replica; that writes never do; and that reads go on
// when the replica is gone. docs/routes.md tells how it is decided.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/short"
	"github.com/poolsql/poolsql/internal/testdb"
)

func main() { short.Alone("replica", run) }

// run starts the two servers, and ends them.
func run(ctx context.Context, out, stderr io.Writer) (err error) {
	fmt.Fprintln(stderr, "starting a primary and a replica ...")
	pair, err := testdb.StartReplicated(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(pair.Close())) }()
	return show(ctx, pair.PrimaryDSN(), pair.StandbyDSN(), func() error {
		return pair.Standby().Stop(ctx, testdb.Immediate)
	}, out)
}

// show is what a program does that has a primary and a replica. It calls stopReplica on its way.
func show(ctx context.Context, primary, replica string, stopReplica func() error, out io.Writer) error {
	db, err := poolsql.Open(poolsql.Config{
		DSN:                  primary,
		MaxConns:             10,
		Routes:               []poolsql.Route{{Name: "east", Config: poolsql.Config{DSN: replica, MaxConns: 20}}},
		ReplicaCheckInterval: 100 * time.Millisecond,
	})
	if err != nil {
		return err
	}
	defer db.Close()

	// A request, or a user's session, has a bookmark: its reads see its writes.
	mine := poolsql.WithBookmark(ctx, new(poolsql.Bookmark))
	if _, err := db.ExecContext(mine, "create table notes (text text not null)"); err != nil {
		return err
	}
	for n := range 100 {
		if _, err := db.ExecContext(mine, "insert into notes values ('a note')"); err != nil {
			return err
		}
		var seen int
		if err := db.QueryRowContext(poolsql.WithReadOnly(mine), "select count(*) from notes").Scan(&seen); err != nil {
			return err
		}
		if seen != n+1 {
			return fmt.Errorf("wrote %d notes and read %d", n+1, seen)
		}
	}
	fmt.Fprintln(out, "100 times a note was written, and the read after it saw it")

	if err := until(ctx, db, true); err != nil {
		return err
	}
	fmt.Fprintln(out, "a read that may be a moment old is served by the replica")
	if isReplica, err := servedByReplica(ctx, db); err != nil || isReplica {
		return fmt.Errorf("a call that does not say what it is went to the replica: %t, %w", isReplica, err)
	}
	fmt.Fprintln(out, "a call that does not say that it only reads, by the primary")

	if err := stopReplica(); err != nil {
		return err
	}
	if err := until(ctx, db, false); err != nil {
		return err
	}
	fmt.Fprintln(out, "without its replica it is served by the primary, and nobody was told an error")
	return nil
}

// until reads until the replica serves, or does not.
func until(ctx context.Context, db *sql.DB, want bool) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		got, err := servedByReplica(poolsql.WithReadOnly(ctx), db)
		if err != nil || got == want {
			return err
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func servedByReplica(ctx context.Context, db *sql.DB) (is bool, err error) {
	err = db.QueryRowContext(ctx, "select pg_is_in_recovery()").Scan(&is)
	return is, err
}
