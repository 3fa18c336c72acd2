package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/examples/internal/database"
)

// articles is how many there are.
const articles = 5000

// goods are what is in the database, in a schema of its own.
type goods struct{ schema string }

// sql puts the schema's name in the place of "shop.".
func (g goods) sql(text string) string {
	return strings.ReplaceAll(text, "shop.", pgx.Identifier{g.schema}.Sanitize()+".")
}

// stock makes the tables and fills them.
func (g goods) stock(ctx context.Context, d *database.Database) error {
	conn, err := d.Connect(ctx, "stock")
	if err != nil {
		return err
	}
	defer conn.Close(context.WithoutCancel(ctx))
	for _, text := range []string{
		"create schema " + pgx.Identifier{g.schema}.Sanitize(),
		"create table shop.articles (id int primary key, name text not null, stock int not null)",
		"create table shop.orders (id bigint generated always as identity primary key, article int not null, customer text not null, n int not null)",
		fmt.Sprintf("insert into shop.articles select i, 'article ' || i, 1000000 from generate_series(1, %d) i", articles),
		"analyze shop.articles",
	} {
		if _, err := conn.Exec(ctx, g.sql(text)); err != nil {
			return fmt.Errorf("fill the shop: %w", err)
		}
	}
	return nil
}
