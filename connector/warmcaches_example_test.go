package connector_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
)

// Before a program takes requests, its connections are open, have prepared what most of them run, and the server has the
// tables in memory that most of them read.
func ExampleConnector_WarmCaches() {
	dsn, done := exampleDatabase()
	defer done()
	ctx := context.Background()
	createItems(ctx, dsn)
	db, err := connector.Open(connector.Config{
		DSN:               dsn,
		MaxConns:          20,
		Prewarm:           []string{"set jit = off"},
		PrewarmStatements: []string{"select price from item where id = $1"},
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	pool, err := connector.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}
	if err := pool.Warmup(ctx, 3); err != nil {
		log.Fatal(err)
	}
	warmed, err := pool.WarmCaches(ctx, "item")
	if err != nil {
		log.Print(err) // only slower
	}
	for _, w := range warmed {
		fmt.Println(w.Relation, "has blocks in memory:", w.Blocks > 0)
	}
	var price int
	if err := db.QueryRowContext(ctx, "select price from item where id = $1", 7).Scan(&price); err != nil {
		log.Fatal(err)
	}
	s := pool.Stats()
	fmt.Println(s.TotalConns, "connections, of the look-ups for the first caller", s.StatementHits, "hit")
	// Output:
	// item has blocks in memory: true
	// 3 connections, of the look-ups for the first caller 1 hit
}

func createItems(ctx context.Context, dsn string) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		log.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "create table item as select 7 as id, 1299 as price"); err != nil {
		log.Fatal(err)
	}
}
