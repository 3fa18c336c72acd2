package connector_test

import (
	"context"
	"database/sql"
	"fmt"
	"log"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// exampleDatabase returns the DSN of a database of the example's own. A program has one already.
func exampleDatabase() (dsn string, done func()) {
	server, err := testdb.Start(context.Background())
	if err != nil {
		log.Fatal(err)
	}
	return server.DSN(), func() { server.Close() }
}

// A pool for reads beside that for writes. With the DSN of a replica in the route's Config it would be the replica's.
func ExampleRoute() {
	dsn, done := exampleDatabase()
	defer done()
	db, err := connector.Open(connector.Config{
		DSN: dsn, MaxConns: 10,
		Routes: []connector.Route{{Name: "reads", Config: connector.Config{MaxConns: 30}}},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	pool, err := connector.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}

	// One user's calls see what they wrote, wherever they are served.
	ctx := priority.WithBookmark(context.Background(), new(priority.Bookmark))
	if _, err := db.ExecContext(ctx, "create table notes as select 'milk' as text"); err != nil {
		log.Fatal(err)
	}
	var text string
	if err := db.QueryRowContext(priority.WithReadOnly(ctx), "select text from notes").Scan(&text); err != nil {
		log.Fatal(err)
	}
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		log.Fatal(err)
	}
	tx.Rollback()
	for _, route := range pool.Routes() {
		fmt.Println(text, "route:", route.Name, "served:", route.Served)
	}
	// Output:
	// milk route: reads served: 2
}

// A policy that lets each tenant see its own rows.
func ExampleConfig_sessionSettings() {
	dsn, done := exampleDatabase()
	defer done()
	db, err := connector.Open(connector.Config{
		DSN: dsn, SessionSettings: []string{"app.tenant=tenant", "application_name=label"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()

	ctx := priority.WithTenant(context.Background(), "acme")
	ctx = priority.WithLabel(ctx, "report")
	var tenant, label string
	err = db.QueryRowContext(ctx, "select current_setting('app.tenant'), current_setting('application_name')").Scan(&tenant, &label)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(tenant, label)

	// The next caller, on the same connection, is nobody.
	err = db.QueryRowContext(context.Background(), "select current_setting('app.tenant')").Scan(&tenant)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Printf("%q\n", tenant)
	// Output:
	// acme report
	// ""
}

// Each shop's calls come back to the connection that has its temporary table, as long as that is idle.
func ExampleStats_affinity() {
	dsn, done := exampleDatabase()
	defer done()
	db, err := connector.Open(connector.Config{DSN: dsn, MaxConns: 2})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	pool, err := connector.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}
	if err := pool.Warmup(context.Background(), 2); err != nil {
		log.Fatal(err)
	}

	for range 3 {
		for _, shop := range []string{"north", "south"} {
			ctx := priority.WithAffinity(context.Background(), shop)
			if _, err := db.ExecContext(ctx, "create temporary table if not exists cache_"+shop+" ()"); err != nil {
				log.Fatal(err)
			}
		}
	}
	s := pool.Stats()
	fmt.Println(s.AffinityHits, "of", s.AffinityLooks)
	// Output:
	// 4 of 6
}
