package observability_test

import (
	"context"
	"database/sql"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// flooded is asked for several times what it can do, by callers of class low.
func flooded(s *site, dsn string) *trouble {
	db, _ := s.open(poolsql.Config{Name: "flooded", DSN: dsn, MaxConns: 2, Shedding: priority.ShedOn})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 30, 10*time.Millisecond, as(poolsql.Low, "mailing", exec(db, "select pg_sleep(0.02)")))
	return &trouble{pool: "flooded", alerts: []string{"PoolsqlOverloaded warning"}, mend: c.goHome}
}

// behind has a replica that does not replay what it gets.
func behind(s *site, pair *testdb.Pair) *trouble {
	db, _ := s.open(poolsql.Config{
		Name: "behind", DSN: pair.PrimaryDSN(), MaxConns: 2, ReplicaCheckInterval: 100 * time.Millisecond,
		Routes: []poolsql.Route{{Name: "replica", Config: poolsql.Config{DSN: pair.StandbyDSN(), MaxConns: 2}}},
	})
	standby, err := sql.Open("pgx", pair.Standby().DSN()) // as a superuser
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { _ = standby.Close() })
	replay := func(what string) {
		if err := exec(standby, "select pg_wal_replay_"+what+"()")(context.Background()); err != nil {
			s.t.Error(err)
		}
	}
	c, ctx := newCrowd(s.t)
	if err := exec(db, "create table ticks (n int)")(ctx); err != nil {
		s.t.Fatal(err)
	}
	replay("pause")
	c.come(ctx, 1, 50*time.Millisecond, exec(db, "insert into ticks values (1)"))
	c.come(ctx, 1, 50*time.Millisecond, func(ctx context.Context) error { return exec(db, "select 1")(priority.WithReadOnly(ctx)) })
	return &trouble{
		pool: "behind", alerts: []string{"PoolsqlReplicaLagging warning", "PoolsqlReplicaOut warning"}, mend: func() { replay("resume") },
	}
}

// unshared has calls that ask to share results which are too large for that.
func unshared(s *site, dsn string) *trouble {
	db, _ := s.open(poolsql.Config{Name: "unshared", DSN: dsn, MaxConns: 2, CoalesceMaxBytes: 1})
	c, ctx := newCrowd(s.t)
	c.come(ctx, 2, 50*time.Millisecond, func(ctx context.Context) error {
		return query(priority.WithCoalescing(ctx, priority.Coalescing{}), db, "select repeat('x', 1000), $1::int", 1)
	})
	return &trouble{pool: "unshared", alerts: []string{"PoolsqlSharingFails info"}, mend: c.goHome}
}

// bounced has what a monitor would note of PgBouncer's console: that clients wait there, or that it is silent.
func bounced(s *site, dsn, name string, said connector.PgBouncerStats, alerts ...string) *trouble {
	_, pool := s.open(poolsql.Config{Name: name, DSN: dsn, MaxConns: 2})
	pool.NotePgBouncer(said)
	return &trouble{pool: name, alerts: alerts, mend: func() { pool.NotePgBouncer(connector.PgBouncerStats{Up: true}) }}
}

// readAlso has a pool's route serve reads, some of them shared, and affinity looked for.
func readAlso(ctx context.Context, c *crowd, read func(context.Context) error) {
	c.come(ctx, 2, 20*time.Millisecond, func(ctx context.Context) error {
		ctx = priority.WithReadOnly(ctx)
		return read(priority.WithCoalescing(ctx, priority.Coalescing{}))
	})
	c.come(ctx, 2, 20*time.Millisecond, func(ctx context.Context) error { return read(priority.WithAffinity(ctx, "k")) })
}
