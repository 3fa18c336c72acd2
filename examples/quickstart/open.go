package main

import (
	"context"
	"database/sql"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/poolsql/poolsql"
)

// side is one of the two ways to the database that the quickstart compares.
type side struct {
	name string // as the table's heading shows it
	open func(cfg *pgx.ConnConfig, conns int) (*sql.DB, error)
}

// sides are run in this order. All that is different between them stands in this file.
var sides = [2]side{
	{"database/sql", openPlain},
	{"poolsql", openPoolsql},
}

// openPlain is pgx behind database/sql's own pool.
func openPlain(cfg *pgx.ConnConfig, conns int) (*sql.DB, error) {
	db := stdlib.OpenDB(*cfg)
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	return db, nil
}

// openPoolsql is the same *sql.DB with poolsql inside. A program that has a connection string writes DSN instead of
// ConnConfig.
func openPoolsql(cfg *pgx.ConnConfig, conns int) (*sql.DB, error) {
	return poolsql.Open(poolsql.Config{
		ConnConfig: cfg,
		Name:       "quickstart",
		MaxConns:   conns,
	})
}

// inClass marks a context with how much its calls matter. It is all that a program has to say: poolsql reads it, plain
// database/sql does not look. Normal is what a call is without it.
func inClass(ctx context.Context, k kind) context.Context {
	ctx = poolsql.WithLabel(ctx, k.String())
	switch k {
	case lookups:
		return poolsql.WithPriority(ctx, poolsql.High)
	case reports:
		return poolsql.WithPriority(ctx, poolsql.Low)
	default:
		return ctx
	}
}

// className names the class that inClass gives.
func className(k kind) string { return [...]string{"High", "Normal", "Low"}[k] }
