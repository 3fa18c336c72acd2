package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"log"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// Two accounts, of which neither may lose what the other does not get.
func ExampleRunTx() {
	db, err := connector.Open(connector.Config{DSN: "postgres://app@localhost/shop"})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	opts := connector.TxOptions{Isolation: sql.LevelSerializable}
	err = connector.RunTx(context.Background(), db, opts, func(ctx context.Context, tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "update account set balance = balance - 10 where id = $1", 1); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, "update account set balance = balance + 10 where id = $1", 2)
		return err
	})
	var gaveUp *connector.TxRetryError
	switch {
	case errors.Is(err, pooldriver.ErrCommitUnknown):
		log.Fatal(err) // look in the database before doing it again
	case errors.As(err, &gaveUp):
		log.Fatal(err) // nothing was done; others were in the way
	case err != nil:
		log.Fatal(err) // nothing was done
	}
}
