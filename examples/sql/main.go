// Command sql shows poolsql under plain database/sql: nothing of a program changes but how its *sql.DB is opened, and what
// the context of a call says about it.
//
//	go run ./examples/sql
//
// You will see a query of class High, a transaction that is run again after a serialization failure would be, and what a
// caller is told that finds no connection free: not that a deadline passed, but who holds the connections.
package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
)

func main() { short.Main("sql", show) }

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	cfg.MaxConns = 2
	cfg.AcquireTimeout = 100 * time.Millisecond
	db, err := poolsql.Open(cfg) // in your program: poolsql.Open(poolsql.Config{DSN: dsn, MaxConns: 20})
	if err != nil {
		return err
	}
	defer db.Close()

	_, err = db.ExecContext(ctx, `create table accounts (id int primary key, balance int not null);
		insert into accounts values (1, 100), (2, 0)`)
	if err != nil {
		return err
	}
	if err := transfer(ctx, db, 1, 2, 30); err != nil {
		return err
	}
	if err := balances(ctx, db, out); err != nil {
		return err
	}
	return tooMany(ctx, db, out)
}

// transfer moves money in a transaction. RunTx commits, rolls back, and begins anew where that is safe.
func transfer(ctx context.Context, db *sql.DB, from, to, amount int) error {
	ctx = poolsql.WithLabel(ctx, "transfer")
	return poolsql.RunTx(ctx, db, poolsql.TxOptions{Isolation: sql.LevelSerializable}, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "update accounts set balance = balance - $1 where id = $2", amount, from); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "update accounts set balance = balance + $1 where id = $2", amount, to)
		return err
	})
}

// balances reads, before anybody of a lower class who waits.
func balances(ctx context.Context, db *sql.DB, out io.Writer) error {
	ctx = poolsql.WithPriority(poolsql.WithLabel(ctx, "balances"), poolsql.High)
	rows, err := db.QueryContext(ctx, "select id, balance from accounts order by id")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var id, balance int
		if err := rows.Scan(&id, &balance); err != nil {
			return err
		}
		fmt.Fprintf(out, "account %d has %d\n", id, balance)
	}
	return rows.Err()
}

// tooMany takes all connections, and asks for one more.
func tooMany(ctx context.Context, db *sql.DB, out io.Writer) error {
	for range 2 {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer conn.Close()
		if err := conn.PingContext(poolsql.WithLabel(ctx, "nightly export")); err != nil {
			return err
		}
	}
	err := db.PingContext(poolsql.WithLabel(ctx, "search"))
	refused, ok := errors.AsType[*poolsql.AcquireError](err)
	if !ok {
		return fmt.Errorf("a third connection of two: %w", err)
	}
	fmt.Fprintf(out, "%q got no connection in time: %t\n", refused.Refused.Label, errors.Is(err, poolsql.ErrTimeout))
	for _, holder := range refused.Holders {
		fmt.Fprintf(out, "one is held by %q\n", holder.Label)
	}
	return nil
}
