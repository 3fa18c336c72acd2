// Command squirrel shows poolsql under squirrel, a query builder: it runs what it has built on the *sql.DB.
//
//	go run ./examples/libraries/squirrel
//
// You will see a search whose conditions depend on what was asked, and an insertion of many rows.
package main

import (
	"context"
	"fmt"
	"io"

	"github.com/Masterminds/squirrel"
	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
)

func main() { short.Main("squirrel", show) }

// A search is what somebody asks for; what is zero, he does not care about.
type search struct {
	color string
	upTo  int
}

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	db, err := poolsql.Open(cfg) // in your program: poolsql.Open(poolsql.Config{DSN: dsn, MaxConns: 20})
	if err != nil {
		return err
	}
	defer db.Close()
	build := squirrel.StatementBuilder.PlaceholderFormat(squirrel.Dollar).RunWith(db)

	if _, err := db.ExecContext(ctx, "create table shirts (color text not null, price int not null)"); err != nil {
		return err
	}
	insert := build.Insert("shirts").Columns("color", "price")
	for n := range 30 {
		insert = insert.Values([]string{"red", "green", "blue"}[n%3], n)
	}
	if _, err := insert.ExecContext(ctx); err != nil {
		return err
	}

	ctx = poolsql.WithPriority(poolsql.WithLabel(ctx, "search"), poolsql.High)
	for _, s := range []search{{}, {color: "red"}, {color: "blue", upTo: 15}} {
		query := build.Select("count(*)").From("shirts")
		if s.color != "" {
			query = query.Where(squirrel.Eq{"color": s.color})
		}
		if s.upTo > 0 {
			query = query.Where(squirrel.LtOrEq{"price": s.upTo})
		}
		var n int
		if err := query.QueryRowContext(ctx).Scan(&n); err != nil {
			return err
		}
		text, args, err := query.ToSql()
		if err != nil {
			return err
		}
		fmt.Fprintf(out, "%d found by %s %v\n", n, text, args)
	}
	return nil
}
