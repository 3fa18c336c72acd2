package conformance

import (
	"database/sql"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql"
)

// Plain is database/sql on pgx/stdlib by itself.
var Plain = Target{
	Name: "pgx/stdlib",
	Open: func(t testing.TB, dsn string, mode pgx.QueryExecMode, conns int) *sql.DB {
		db := stdlib.OpenDB(*pgxConfig(t, dsn, mode))
		db.SetMaxOpenConns(conns)
		db.SetMaxIdleConns(conns)
		return db
	},
	Waiting: func(db *sql.DB) int { // database/sql counts who began to wait; in a case nobody does so twice
		return int(db.Stats().WaitCount)
	},
}

// Poolsql is what stands in for it.
var Poolsql = Target{
	Name: "poolsql",
	Open: func(t testing.TB, dsn string, mode pgx.QueryExecMode, conns int) *sql.DB {
		db, err := poolsql.Open(poolsql.Config{ConnConfig: pgxConfig(t, dsn, mode), MaxConns: conns})
		if err != nil {
			t.Fatal(err)
		}
		return db
	},
	Waiting: func(db *sql.DB) int {
		c, err := poolsql.FromDB(db)
		if err != nil {
			return -1
		}
		return c.Stats().Waiting
	},
}

func pgxConfig(t testing.TB, dsn string, mode pgx.QueryExecMode) *pgx.ConnConfig {
	t.Helper()
	cfg, err := pgx.ParseConfig(dsn)
	if err != nil {
		t.Fatal(err)
	}
	cfg.DefaultQueryExecMode = mode
	return cfg
}
