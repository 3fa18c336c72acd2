package pgbouncer_test

import (
	"context"
	"fmt"
	"log"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector/pgbouncer"
)

// Who waits in PgBouncer's own queue, where no class counts.
func ExampleNew() {
	client, err := pgbouncer.New("postgres://stats@bouncer:6432/pgbouncer")
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	pools, err := client.Pools(context.Background())
	if err != nil {
		log.Print(err)
	}
	for _, p := range pools {
		fmt.Println(p.Database, p.ClientsWaiting, p.MaxWait)
	}
}

// With a configuration that the program has changed: a password from elsewhere, say.
func ExampleNewConfig() {
	cfg, err := pgconn.ParseConfig("host=bouncer port=6432 user=stats")
	if err != nil {
		log.Fatal(err)
	}
	cfg.Password = "from a vault"
	client := pgbouncer.NewConfig(cfg)
	defer client.Close()
}
