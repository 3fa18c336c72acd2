package poolsql_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"sync"

	"github.com/poolsql/poolsql"
)

// shop is a pool that examples use.
func shop() *sql.DB {
	db, err := poolsql.Open(poolsql.Config{DSN: "postgres://app@localhost/shop", SessionSettings: []string{"app.tenant=tenant", "app.region"}})
	if err != nil {
		log.Fatal(err)
	}
	return db
}

// A transaction that is run again when it loses against another. Its context carries an owner, so that a call to the pool
// from inside is seen.
func ExampleRunTx() {
	db := shop()
	defer db.Close()
	err := poolsql.RunTx(context.Background(), db, poolsql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "update account set balance = balance - 1 where id = $1", 7)
		return err
	})
	if err != nil {
		log.Print(err)
	}
}

// A part of a transaction that may fail without the rest.
func ExampleSavepoint() {
	db := shop()
	defer db.Close()
	err := poolsql.RunTx(context.Background(), db, poolsql.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		err := poolsql.Savepoint(ctx, tx, func(ctx context.Context) error {
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

// On whose behalf a call runs: tenants share by time, policies of row-level security find who it is, and people read the user.
func ExampleWithTenant() {
	db := shop()
	defer db.Close()
	ctx := poolsql.WithTenant(context.Background(), "acme")
	ctx = poolsql.WithUser(ctx, "ada")
	ctx = poolsql.WithSetting(ctx, "app.region", "eu") // Config.SessionSettings names it
	if _, err := db.ExecContext(ctx, "update items set stock = stock - 1 where id = $1", 7); err != nil {
		log.Print(err)
	}
}

// What may run again says so, what may take long too.
func ExampleWithRetries() {
	db := shop()
	defer db.Close()
	ctx := poolsql.WithRetries(context.Background(), 3) // "on conflict do nothing" makes it repeatable
	if _, err := db.ExecContext(ctx, "insert into seen (id) values ($1) on conflict do nothing", 7); err != nil {
		log.Print(err)
	}
	ctx = poolsql.WithoutLimits(context.Background())
	if _, err := db.ExecContext(ctx, "create index concurrently on seen (at)"); err != nil {
		log.Print(err)
	}
}

// A request that one goroutine serves names itself, so that a wait for itself is found. What it does side by side does not
// belong to it.
func ExampleWithOwner() {
	db := shop()
	defer db.Close()
	ctx := poolsql.WithOwner(context.Background())
	if err := db.PingContext(ctx); err != nil {
		log.Print(err)
	}
	var both sync.WaitGroup
	for range 2 {
		both.Go(func() { _ = db.PingContext(poolsql.WithoutOwner(ctx)) })
	}
	both.Wait()
}

// A read that a replica may serve, and that sees what its user has just written.
func ExampleWithReadOnly() {
	db := shop()
	defer db.Close()
	var session poolsql.Bookmark // one for each user
	ctx := poolsql.WithBookmark(context.Background(), &session)
	if _, err := db.ExecContext(ctx, "insert into orders (item) values ($1)", 7); err != nil {
		log.Print(err)
	}
	var n int
	if err := db.QueryRowContext(poolsql.WithReadOnly(ctx), "select count(*) from orders").Scan(&n); err != nil {
		log.Print(err)
	}
	ctx = poolsql.WithRoute(ctx, "reports") // the one of that name, and no other
	if err := db.QueryRowContext(ctx, "select count(*) from orders").Scan(&n); err != nil {
		log.Print(err)
	}
	fmt.Println(n)
}

// Rather the connection that served this key last, where it is idle; and, of a context whose calls share, one that does not.
func ExampleWithAffinity() {
	db := shop()
	defer db.Close()
	ctx := poolsql.WithAffinity(context.Background(), "acme")
	ctx = poolsql.WithoutCoalescing(ctx)
	if err := db.PingContext(ctx); err != nil {
		log.Print(err)
	}
}
