// Command sqlx shows poolsql under sqlx: sqlx takes the *sql.DB, and everything of it works as it does on pgx.
//
//	go run ./examples/libraries/sqlx
//
// You will see structs read and written by name, a slice as a list of arguments, and a transaction. The name "pgx" tells
// sqlx that arguments are written $1. Who opens by sqlx.Open("poolsql", dsn) says so by
// sqlx.BindDriver("poolsql", sqlx.DOLLAR) before.
package main

import (
	"context"
	"fmt"
	"io"

	"github.com/jmoiron/sqlx"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
)

func main() { short.Main("sqlx", show) }

type item struct {
	ID    int    `db:"id"`
	Name  string `db:"name"`
	Stock int    `db:"stock"`
}

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	pool, err := poolsql.Open(cfg) // in your program: poolsql.Open(poolsql.Config{DSN: dsn, MaxConns: 20})
	if err != nil {
		return err
	}
	defer pool.Close()
	db := sqlx.NewDb(pool, "pgx")

	if _, err := db.ExecContext(ctx, "create table items (id int primary key, name text not null, stock int not null)"); err != nil {
		return err
	}
	_, err = db.NamedExecContext(ctx, "insert into items (id, name, stock) values (:id, :name, :stock)", []item{
		{1, "pen", 10}, {2, "book", 3}, {3, "lamp", 0},
	})
	if err != nil {
		return err
	}

	var one item
	if err := db.GetContext(ctx, &one, "select * from items where id = $1", 2); err != nil {
		return err
	}
	fmt.Fprintf(out, "by its id: %+v\n", one)

	query, args, err := sqlx.In("select * from items where id in (?) order by id", []int{1, 3})
	if err != nil {
		return err
	}
	var some []item
	ctx = poolsql.WithPriority(poolsql.WithLabel(ctx, "items by id"), poolsql.High)
	if err := db.SelectContext(ctx, &some, db.Rebind(query), args...); err != nil {
		return err
	}
	fmt.Fprintf(out, "by a list: %+v\n", some)

	tx, err := db.BeginTxx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := tx.GetContext(ctx, &one, "update items set stock = stock - 1 where id = $1 returning *", 1); err != nil {
		return err
	}
	fmt.Fprintf(out, "in a transaction: %+v\n", one)
	return tx.Commit()
}
