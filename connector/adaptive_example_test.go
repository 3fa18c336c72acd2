package connector_test

import (
	"fmt"
	"log"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
)

// A limit that follows the load, and who hears of each change and why.
func ExampleConfig_adaptiveLimit() {
	db, err := connector.Open(connector.Config{
		DSN:           "host=db.example.com user=app", // nothing is dialed here
		MaxConns:      50,
		AdaptiveLimit: true,
		Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
			if e.Kind == lifecycle.KindLimit {
				fmt.Printf("from %d to %d: %s\n", e.Before, e.Count, e.Code)
			}
		}),
	})
	if err != nil {
		log.Fatal(err)
	}
	defer db.Close()
	pool, err := connector.FromDB(db)
	if err != nil {
		log.Fatal(err)
	}
	s := pool.Stats()
	fmt.Println(s.Limit, "of", s.MaxConns, "to begin with:", s.LimitReason)

	cfg := pool.Config()
	cfg.AdaptiveLimitMin = 8 // it is known to bear that much
	if err := pool.Reconfigure(cfg); err != nil {
		log.Fatal(err)
	}
	// Output:
	// 4 of 50 to begin with: begin
	// from 4 to 8: configured
}
