package poolsql_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/lifecycle"
)

// The two ways to a *sql.DB. The DSN is pgx's.
func Example() {
	db, err := poolsql.Open(poolsql.Config{DSN: "postgres://app@localhost/shop", MaxConns: 20})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	ctx := poolsql.WithPriority(context.Background(), poolsql.High)
	ctx = poolsql.WithLabel(ctx, "checkout")
	var stock int
	err = db.QueryRowContext(ctx, "select stock from items where id = $1", 42).Scan(&stock)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(stock)
}

func ExampleNewConnector() {
	db := sql.OpenDB(poolsql.NewConnector(poolsql.Config{DSN: "postgres://app@localhost/shop"}))
	defer db.Close()
	db.SetMaxIdleConns(1000) // sessions, which cost no connection; Open does this by itself
}

// All that is wrong is said at once.
func ExampleConfig_validate() {
	cfg := poolsql.Config{DSN: "postgres://app@localhost/shop", MaxConns: 4, HighReserve: 4, MaxWaiting: -1}
	fmt.Println(cfg.Validate())
	// Output:
	// poolsql: bad configuration: MaxWaiting is -1: must not be negative
	// HighReserve is 4: must leave one of MaxConns, which is 4, to the lower classes
}

// The connector behind a *sql.DB has the numbers and the controls.
func ExampleFromDB() {
	db, err := poolsql.Open(poolsql.Config{DSN: "postgres://app@localhost/shop", Name: "shop", MaxConns: 20})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	pool, err := poolsql.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}
	stats := pool.Stats()
	fmt.Println(stats.Name, stats.InUseConns, "of", stats.MaxConns)
	// Output: shop 0 of 20
}

// A *sql.DB that was limited with SetMaxOpenConns queues its callers at random before poolsql hears of them.
func ExampleFromDB_setMaxOpenConns() {
	db, err := poolsql.Open(poolsql.Config{DSN: "postgres://app@localhost/shop"})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(20)

	_, err = poolsql.FromDB(db)
	fmt.Println(err)
	// Output: poolsql: SetMaxOpenConns(20) was called on this *sql.DB, so callers queue at random inside database/sql, before poolsql can order them: call SetMaxOpenConns(0), and set Config.MaxConns instead
}

// A caller that gets no connection learns who has them.
func ExampleAcquireError() {
	db, err := poolsql.Open(poolsql.Config{
		Connector:      idleDatabase{}, // a driver that does nothing, in place of a DSN
		MaxConns:       1,
		AcquireTimeout: 200 * time.Millisecond,
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	ctx := context.Background()
	tx, err := db.BeginTx(poolsql.WithLabel(ctx, "nightly export"), nil)
	if err != nil {
		log.Fatal(err)
	}
	defer tx.Rollback()

	err = db.PingContext(poolsql.WithLabel(ctx, "checkout"))
	var refused *poolsql.AcquireError
	if errors.As(err, &refused) {
		fmt.Println(refused.Refused.Label, "waits for", refused.Holders[0].Label)
	}
	fmt.Println(errors.Is(err, poolsql.ErrTimeout), errors.Is(err, context.DeadlineExceeded))
	// Output:
	// checkout waits for nightly export
	// true true
}

// An observer is told what happens, and names the callers by their labels.
func ExampleObserverFunc() {
	db, err := poolsql.Open(poolsql.Config{
		Connector: idleDatabase{},
		Observer: poolsql.ObserverFunc(func(e poolsql.Event) {
			if e.Kind == lifecycle.KindAcquire || e.Kind == lifecycle.KindRelease {
				fmt.Println(e.Kind, "by", e.Label)
			}
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	tx, err := db.BeginTx(poolsql.WithLabel(context.Background(), "checkout"), nil)
	if err != nil {
		log.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		log.Fatal(err)
	}
	// Output:
	// acquire by checkout
	// release by checkout
}

// Do lends the pgx connection for what database/sql cannot say, with the priority of its context.
func ExampleConnector_do() {
	pool := poolsql.NewConnector(poolsql.Config{DSN: "postgres://app@localhost/shop"})
	db := sql.OpenDB(pool)
	defer db.Close()

	ctx := poolsql.WithPriority(context.Background(), poolsql.Low)
	err := pool.Do(ctx, func(conn *pgx.Conn) error {
		rows := [][]any{{1, "one"}, {2, "two"}}
		_, err := conn.CopyFrom(ctx, pgx.Identifier{"items"}, []string{"id", "name"}, pgx.CopyFromRows(rows))
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
}

// Drain lets those who have a connection finish, and names them if they do not.
func ExampleConnector_drain() {
	pool := poolsql.NewConnector(poolsql.Config{Connector: idleDatabase{}, Name: "shop"})
	db := sql.OpenDB(pool)
	tx, err := db.BeginTx(poolsql.WithLabel(context.Background(), "nightly export"), nil)
	if err != nil {
		log.Fatal(err)
	}

	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
	defer cancel()
	var left *poolsql.DrainError
	if errors.As(pool.Drain(ctx), &left) {
		fmt.Println("still there:", left.Stragglers[0].Label)
	}
	tx.Rollback()
	<-pool.Done()
	fmt.Println("gone:", pool.Stats().TotalConns)
	// Output:
	// still there: nightly export
	// gone: 0
}
