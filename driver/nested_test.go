package pooldriver_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/testdb"
)

// Connections may come from a pgxpool.Pool, as stdlib allows. One that ends here is given back there.
func TestConnectionOfAPgxPoolIsGivenBackWhenItEnds(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cfg, err := pgxpool.ParseConfig(testdb.New(t).DSN)
	if err != nil {
		t.Fatal("the DSN does not parse")
	}
	cfg.MaxConns = 2
	pool, err := pgxpool.NewWithConfig(ctx, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		closed := make(chan struct{})
		go func() {
			pool.Close() // waits for every connection
			close(closed)
		}()
		select {
		case <-closed:
		case <-time.After(patience):
			t.Error("the pgxpool.Pool has not got all of its connections back")
		}
	})
	c := poolsql.NewConnector(poolsql.Config{Connector: stdlib.GetPoolConnector(pool), MaxConns: 1, AcquireTimeout: 5 * time.Second})
	db := sql.OpenDB(c)
	defer db.Close()
	for range 5 {
		if _, err := db.ExecContext(ctx, "select 1"); err != nil {
			t.Fatal(err)
		}
		c.Reset()
	}
}
