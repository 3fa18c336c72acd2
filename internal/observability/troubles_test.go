package observability_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/testdb"
)

// well is a pool with nothing wrong.
func well(s *site, dsn string) {
	db, _ := s.open(poolsql.Config{Name: "well", DSN: dsn, MaxConns: 4})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 3, 20*time.Millisecond, exec(db, "select 1"))
}

// full has two connections, which two callers keep, and many more callers of every class.
func full(s *site, dsn string) *trouble {
	db, _ := s.open(poolsql.Config{Name: "full", DSN: dsn, MaxConns: 2, AcquireTimeout: 10 * time.Second})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 2, 0, as(poolsql.High, "keeper", exec(db, "select pg_sleep(3600)")))
	deadline := time.Now().Add(10 * time.Second)
	pool, _ := poolsql.FromDB(db)
	for pool.Stats().InUseConns < 2 && time.Now().Before(deadline) {
		time.Sleep(10 * time.Millisecond)
	}
	c.come(ctx, 10, 0, within(400*time.Millisecond, as(poolsql.High, "page", exec(db, "select 1"))))
	c.come(ctx, 20, 0, within(2*time.Second, as(poolsql.Normal, "order", exec(db, "select 1"))))
	for i := range time.Duration(60) { // their deadlines differ, so that they do not all come back at once
		c.come(ctx, 1, 0, within(5500*time.Millisecond+i*50*time.Millisecond, as(poolsql.Low, "report", exec(db, "select 1"))))
	}
	return &trouble{pool: "full", mend: c.goHome, alerts: []string{
		"PoolsqlExhausted warning", "PoolsqlQueueSlow critical", "PoolsqlQueueSlow warning", "PoolsqlQueueSlow info",
		"PoolsqlRefusing critical", "PoolsqlRefusing warning",
	}}
}

// gone has lost its database, until that is started again.
func gone(s *site, database *testdb.DB) *trouble {
	db, pool := s.open(poolsql.Config{Name: "gone", DSN: database.DSN, MaxConns: 4})
	monitor, err := health.New(pool, health.Config{Interval: time.Second, Window: 10 * time.Second, Dwell: time.Second})
	if err != nil {
		s.t.Fatal(err)
	}
	monitor.Start()
	s.t.Cleanup(func() { _ = monitor.Close() })
	c, ctx := newCrowd(s.t)
	if err := db.PingContext(ctx); err != nil {
		s.t.Fatal(err)
	}
	if err := database.Server.Stop(ctx, testdb.Fast); err != nil {
		s.t.Fatal(err)
	}
	c.come(ctx, 4, 50*time.Millisecond, exec(db, "select 1"))
	return &trouble{
		pool: "gone",
		alerts: []string{
			"PoolsqlDatabaseUnreachable critical", "PoolsqlConnectFailing warning", "PoolsqlUnhealthy critical", "PoolsqlRefusing critical",
		},
		mend: func() {
			if err := database.Server.Restart(context.Background(), testdb.Fast); err != nil {
				s.t.Error(err)
			}
		},
	}
}

// churning has connections that live for half a second.
func churning(s *site, dsn string) *trouble {
	db, pool := s.open(poolsql.Config{
		Name: "churning", DSN: dsn, MaxConns: 1, MaxConnLifetime: 500 * time.Millisecond, MaxConnLifetimeJitter: poolsql.None,
	})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 1, 50*time.Millisecond, exec(db, "select 1"))
	return &trouble{
		pool: "churning", alerts: []string{"PoolsqlConnectionChurn warning"},
		mend: func() {
			cfg := pool.Config()
			cfg.MaxConnLifetime = time.Hour
			if err := pool.Reconfigure(cfg); err != nil {
				s.t.Error(err)
			}
		},
	}
}

// failing has a statement that cannot run.
func failing(s *site, dsn string) *trouble {
	db, _ := s.open(poolsql.Config{Name: "failing", DSN: dsn, MaxConns: 2})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 1, 50*time.Millisecond, exec(db, "select 1"))
	wrong, ctxWrong := newCrowd(s.t)
	wrong.come(ctxWrong, 1, 50*time.Millisecond, exec(db, "select * from nowhere"))
	return &trouble{pool: "failing", alerts: []string{"PoolsqlErrors critical", "PoolsqlErrors warning"}, mend: wrong.goHome}
}

// leaking has a caller who forgets his connection, again and again.
func leaking(s *site, dsn string) *trouble {
	db, _ := s.open(poolsql.Config{Name: "leaking", DSN: dsn, MaxConns: 2, LeakThreshold: 300 * time.Millisecond})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 1, time.Second, exec(db, "select pg_sleep(1)"))
	return &trouble{pool: "leaking", alerts: []string{"PoolsqlLeak warning"}, mend: c.goHome}
}

// nesting has a caller who asks for a connection while he holds one.
func nesting(s *site, dsn string) *trouble {
	db, _ := s.open(poolsql.Config{Name: "nesting", DSN: dsn, MaxConns: 4})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 1, time.Second, func(ctx context.Context) error {
		ctx = poolsql.WithOwner(ctx)
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		defer tx.Rollback()
		return exec(db, "select 1")(ctx)
	})
	return &trouble{pool: "nesting", alerts: []string{"PoolsqlNested warning"}, mend: c.goHome}
}

// suspended was suspended and forgotten.
func suspended(s *site, dsn string) *trouble {
	_, pool := s.open(poolsql.Config{Name: "suspended", DSN: dsn, MaxConns: 2})
	pool.Suspend()
	return &trouble{pool: "suspended", alerts: []string{"PoolsqlSuspended critical"}, mend: pool.Resume}
}

// cold has statements that are never the same.
func cold(s *site, dsn string) *trouble {
	db, _ := s.open(poolsql.Config{Name: "cold", DSN: dsn, MaxConns: 2})
	c, ctx := newCrowd(s.t)
	var n atomic.Int64
	c.come(ctx, 1, 50*time.Millisecond, func(ctx context.Context) error {
		return exec(db, fmt.Sprintf("select %d + $1::int", n.Add(1)), 1)(ctx)
	})
	return &trouble{pool: "cold", alerts: []string{"PoolsqlStatementCacheCold info"}, mend: c.goHome}
}
