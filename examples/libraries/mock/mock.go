// Package mock shows unit tests with go-sqlmock that run through poolsql, with no database.
//
//	go test -v ./examples/libraries/mock
//
// What is tested here is Rename. Its tests give it a *sql.DB as the program has it, with go-sqlmock in the place of the
// server, so they see what a program sees of poolsql as well: the transaction that is run again after a serialization
// failure, and the refusal of a caller when nobody gives a connection back. Most tests need no more than sqlmock.New, since
// a *sql.DB is a *sql.DB; this is for those that ask what the pool makes of it.
package mock

import (
	"context"
	"database/sql"
	"errors"

	"github.com/poolsql/poolsql"
)

// ErrUnknown says that there is no such account.
var ErrUnknown = errors.New("no such account")

// Rename gives an account another name, and writes down that it did.
func Rename(ctx context.Context, db *sql.DB, id int, name string) error {
	ctx = poolsql.WithLabel(ctx, "rename")
	return poolsql.RunTx(ctx, db, poolsql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, "update accounts set name = $2 where id = $1", id, name)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n == 0 {
			return errors.Join(err, ErrUnknown)
		}
		_, err = tx.ExecContext(ctx, "insert into history values ($1, $2)", id, name)
		return err
	})
}
