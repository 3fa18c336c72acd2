package connector_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// exampleShop returns a *sql.DB on a database of the example's own, and its connector. A program has both already.
func exampleShop(statements string) (db *sql.DB, pool *connector.Connector, done func()) {
	server, err := testdb.Start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	if db, err = connector.Open(connector.Config{DSN: server.DSN(), MaxConns: 4}); err != nil {
		log.Fatal(err)
	}
	if pool, err = connector.FromDB(db); err != nil {
		log.Fatal(err)
	}
	if _, err := db.Exec(statements); err != nil {
		log.Fatal(err)
	}
	return db, pool, func() {
		db.Close()
		<-pool.Done()
		server.Close()
	}
}

// What was
//
//	conn, err := db.Conn(ctx)
//	…
//	err = conn.Raw(func(driverConn any) error {
//		conn := driverConn.(*stdlib.Conn).Conn()
//		…
//
// on pgx's own driver is one call. Where code goes on using Raw, the assertion is for a method and not for a type: then it
// holds for both.
func ExampleConnector_Do_raw() {
	db, pool, done := exampleShop("create table items (id int)")
	defer done()
	ctx := context.Background()

	err := pool.Do(ctx, func(conn *pgx.Conn) error {
		fmt.Println("by Do:", conn.PgConn().ParameterStatus("standard_conforming_strings"))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}

	conn, err := db.Conn(ctx)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(driverConn any) error {
		pgxConn := driverConn.(interface{ Conn() *pgx.Conn }).Conn() // nil if no connection could be had
		if pgxConn == nil {
			return sql.ErrConnDone
		}
		fmt.Println("by Raw:", pgxConn.PgConn().ParameterStatus("standard_conforming_strings"))
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// by Do: on
	// by Raw: on
}

// COPY is the quickest way to bring many rows in. It is a Low call here, so nobody waits for it.
func ExampleConnector_Do_copyFrom() {
	db, pool, done := exampleShop("create table items (id int primary key, name text)")
	defer done()

	ctx := priority.WithLabel(priority.WithClass(context.Background(), priority.Low), "import")
	err := pool.Do(ctx, func(conn *pgx.Conn) error {
		n, err := conn.CopyFrom(ctx, pgx.Identifier{"items"}, []string{"id", "name"},
			pgx.CopyFromSlice(1000, func(i int) ([]any, error) { return []any{i, fmt.Sprint("item ", i)}, nil }))
		fmt.Println(n, "rows copied")
		return err
	})
	if err != nil {
		log.Fatal(err)
	}
	var last string
	if err := db.QueryRow("select name from items order by id desc").Scan(&last); err != nil {
		log.Fatal(err)
	}
	fmt.Println("the last is", last)
	// Output:
	// 1000 rows copied
	// the last is item 999
}

// A batch is many statements in one round trip, and one transaction.
func ExampleConnector_Do_batch() {
	_, pool, done := exampleShop("create table items (id int primary key, stock int); insert into items values (1, 5), (2, 7)")
	defer done()

	ctx := priority.WithLabel(context.Background(), "restock")
	err := pool.Do(ctx, func(conn *pgx.Conn) error {
		batch := new(pgx.Batch)
		for id := range 2 {
			batch.Queue("update items set stock = stock + 10 where id = $1 returning stock", id+1).QueryRow(func(row pgx.Row) error {
				var stock int
				err := row.Scan(&stock)
				fmt.Println("item", id+1, "has", stock)
				return err
			})
		}
		return conn.SendBatch(ctx, batch).Close()
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// item 1 has 15
	// item 2 has 17
}

// Who listens has a connection for as long. It is one of MaxConns, and WithoutLimits says that it is no leak. UNLISTEN is
// for who has the connection next.
func ExampleConnector_Do_listen() {
	db, pool, done := exampleShop("create table orders (id int)")
	defer done()

	ctx := priority.WithLabel(priority.WithoutLimits(context.Background()), "listener")
	err := pool.Do(ctx, func(conn *pgx.Conn) error {
		if _, err := conn.Exec(ctx, "listen orders"); err != nil {
			return err
		}
		defer conn.Exec(ctx, "unlisten orders")

		// In a program that is elsewhere, and another one's.
		if _, err := db.Exec("select pg_notify('orders', $1)", "order 42"); err != nil {
			return err
		}
		told, err := conn.WaitForNotification(ctx)
		if err != nil {
			return err
		}
		fmt.Println("told on", told.Channel+":", told.Payload)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: told on orders: order 42
}

// Large objects live in transactions. Do lends a connection for one of pgx's, which has them.
func ExampleConnector_Do_largeObject() {
	_, pool, done := exampleShop("create table files (name text primary key, content oid)")
	defer done()

	ctx := priority.WithLabel(context.Background(), "upload")
	err := pool.Do(ctx, func(conn *pgx.Conn) error {
		return pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			objects := tx.LargeObjects()
			id, err := objects.Create(ctx, 0)
			if err != nil {
				return err
			}
			object, err := objects.Open(ctx, id, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
			if err != nil {
				return err
			}
			if _, err := object.Write([]byte(strings.Repeat("poolsql ", 1000))); err != nil {
				return err
			}
			size, err := object.Seek(0, 2)
			if err != nil {
				return err
			}
			fmt.Println(size, "bytes written")
			_, err = tx.Exec(ctx, "insert into files values ('a', $1)", id)
			return err
		})
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output: 8000 bytes written
}

// An advisory lock for one transaction ends with it, so nothing can be forgotten: among any number of instances one does
// the work. One for a session needs a *sql.Conn, which keeps its connection until Close.
func ExampleOpen_advisoryLock() {
	db, _, done := exampleShop("create table runs (at timestamptz default now())")
	defer done()
	ctx := priority.WithLabel(context.Background(), "nightly")

	const nightly = 4711 // a number that all instances know
	run := func(who string) (*sql.Tx, error) {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return nil, err
		}
		var mine bool
		if err := tx.QueryRowContext(ctx, "select pg_try_advisory_xact_lock($1)", nightly).Scan(&mine); err != nil {
			return nil, err
		}
		fmt.Println(who, "may work:", mine)
		return tx, nil
	}
	first, err := run("the first")
	if err != nil {
		log.Fatal(err)
	}
	second, err := run("the second")
	if err != nil {
		log.Fatal(err)
	}
	second.Rollback()
	if err := first.Commit(); err != nil {
		log.Fatal(err)
	}
	third, err := run("the third, afterwards,")
	if err != nil {
		log.Fatal(err)
	}
	third.Rollback()
	// Output:
	// the first may work: true
	// the second may work: false
	// the third, afterwards, may work: true
}
