// Command sqlc shows poolsql under code that sqlc generates from SQL: it takes the *sql.DB, or a *sql.Tx.
//
//	go run ./examples/libraries/sqlc
//
// You will see typed queries, by themselves and in a transaction. What is in the folder store was generated from schema.sql
// and query.sql, and is checked in. It is generated anew by
//
//	cd examples/libraries/sqlc && go run github.com/sqlc-dev/sqlc/cmd/sqlc@v1.31.1 generate
package main

import (
	"context"
	"database/sql"
	_ "embed"
	"fmt"
	"io"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/short"
	"github.com/poolsql/poolsql/examples/libraries/sqlc/store"
)

//go:embed schema.sql
var schema string

func main() { short.Main("sqlc", show) }

func show(ctx context.Context, cfg poolsql.Config, out io.Writer) error {
	db, err := poolsql.Open(cfg) // in your program: poolsql.Open(poolsql.Config{DSN: dsn, MaxConns: 20})
	if err != nil {
		return err
	}
	defer db.Close()
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	queries := store.New(db)

	ada, err := queries.CreateAuthor(ctx, store.CreateAuthorParams{
		Name: "Ada", Bio: sql.NullString{String: "the first programmer", Valid: true},
	})
	if err != nil {
		return err
	}
	// RunTx has the statements of one transaction know it, and runs all of them again after a serialization failure.
	err = poolsql.RunTx(ctx, db, poolsql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		queries := queries.WithTx(tx)
		if _, err := queries.CreateAuthor(ctx, store.CreateAuthorParams{Name: "Grace"}); err != nil {
			return err
		}
		n, err := queries.RenameAuthor(ctx, store.RenameAuthorParams{ID: ada.ID, Name: "Ada Lovelace"})
		fmt.Fprintf(out, "%d renamed\n", n)
		return err
	})
	if err != nil {
		return err
	}

	authors, err := queries.ListAuthors(poolsql.WithPriority(poolsql.WithLabel(ctx, "authors"), poolsql.High))
	if err != nil {
		return err
	}
	for _, author := range authors {
		fmt.Fprintf(out, "%s: %q\n", author.Name, author.Bio.String)
	}
	return nil
}
