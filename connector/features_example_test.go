package connector_test

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strings"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// What calls take is learned by label. Reports are slow here, so all of them together may hold a quarter of the connections
// while quick calls come.
func ExampleConnector_Costs() {
	dsn, done := exampleDatabase()
	defer done()
	db, err := connector.Open(connector.Config{DSN: dsn, MaxConns: 8, SlowThreshold: 50 * time.Millisecond})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	pool, err := connector.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}
	for label, seconds := range map[string]float64{"look-up": 0, "report": 0.1} {
		ctx := priority.WithLabel(context.Background(), label)
		for range 8 {
			if _, err := db.ExecContext(ctx, "select pg_sleep($1)", seconds); err != nil {
				log.Fatal(err)
			}
		}
	}

	costs := pool.Costs()
	slices.SortFunc(costs, func(a, b priority.Cost) int { return strings.Compare(a.Label, b.Label) })
	for _, c := range costs {
		if c.Label != "" { // that is all calls together
			fmt.Printf("%s: seen %d times, slow: %t\n", c.Label, c.Uses, c.Slow)
		}
	}
	// Output:
	// look-up: seen 8 times, slow: false
	// report: seen 8 times, slow: true
}

// A text with an argument is one statement. A text with the value in it is another one each time, and puts out what is of use.
func ExampleStats_StatementHitRate() {
	dsn, done := exampleDatabase()
	defer done()
	for _, text := range []string{"select $1::int", "select $1::int + 0 * %d"} {
		db, err := connector.Open(connector.Config{DSN: dsn, MaxConns: 1, StatementCacheCapacity: 3})
		if err != nil {
			log.Fatal(err)
		}
		pool, err := connector.FromDB(db)
		if err != nil {
			log.Fatal(err)
		}
		for i := range 10 {
			statement := text
			if strings.Contains(text, "%d") {
				statement = fmt.Sprintf(text, i)
			}
			var n int
			if err := db.QueryRowContext(context.Background(), statement, i).Scan(&n); err != nil {
				log.Fatal(err)
			}
		}
		s := pool.Stats()
		fmt.Printf("%s: %.1f hit, %d put out\n", text, s.StatementHitRate(), s.StatementEvictions)
		db.Close()
	}
	// Output:
	// select $1::int: 0.9 hit, 0 put out
	// select $1::int + 0 * %d: 0.0 hit, 7 put out
}
