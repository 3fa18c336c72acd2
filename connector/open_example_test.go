package connector_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/poolsql/poolsql/connector"
)

// Where something else makes the *sql.DB, it gets the connector.
func ExampleNewConnector() {
	pool := connector.NewConnector(connector.Config{DSN: "postgres://app@localhost/shop", MaxConns: 20})
	db := sql.OpenDB(pool)
	db.SetMaxIdleConns(1000) // of sessions, which cost no connection
	defer db.Close()
	fmt.Println(pool.Stats().MaxConns)
	// Output: 20
}

// The connector behind a *sql.DB, for its numbers and controls.
func ExampleFromDB() {
	db, err := connector.Open(connector.Config{DSN: "postgres://app@localhost/shop", MaxConns: 20})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	pool, err := connector.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(pool.Resize(2, 40), pool.Stats().MaxConns)
	// Output: <nil> 40
}

// A part of a transaction that may fail without the rest.
func ExampleSavepoint() {
	db, err := connector.Open(connector.Config{DSN: "postgres://app@localhost/shop"})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	err = connector.RunTx(context.Background(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		err := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
			_, err := tx.ExecContext(ctx, "insert into newsletter (mail) values ($1)", "ada@example.com")
			return err
		})
		if err != nil {
			log.Print("no newsletter: ", err)
		}
		_, err = tx.ExecContext(ctx, "insert into customer (mail) values ($1)", "ada@example.com")
		return err
	})
	if err != nil {
		log.Print(err)
	}
}
