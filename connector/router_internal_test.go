package connector

import (
	"context"
	"database/sql"
	"errors"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// A replica that has too much to do says so at once. Another is asked then, and when all say so, the caller hears it: the
// primary does not get what they cannot do.
func TestAReadThatAnOverloadedReplicaRefusesIsTriedOnAnother(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	const conns = 4
	dsn := testdb.New(t).DSN
	c := NewConnector(Config{
		DSN: dsn, MaxConns: conns, Shedding: priority.ShedOn, ReplicaCheckInterval: time.Hour,
		Routes: []Route{{Name: "east", Config: Config{DSN: dsn}}, {Name: "west", Config: Config{DSN: dsn}}},
	})
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		db.Close()
		<-c.Done()
	})
	east, west := c.routes.named("east"), c.routes.named("west")
	report := priority.WithLabel(t.Context(), "report")
	on := func(rt *route) context.Context { return priority.WithRoute(report, rt.name) }

	var all sync.WaitGroup // what a report takes is learned in both
	for _, rt := range []*route{east, west} {
		for range 2 * conns {
			all.Go(func() {
				if _, err := db.ExecContext(on(rt), "select pg_sleep(1.5)"); err != nil {
					t.Error(err)
				}
			})
		}
	}
	all.Wait()
	hold := func(rt *route) {
		for range conns {
			tx, err := db.BeginTx(on(rt), nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { tx.Rollback() })
		}
	}
	read := func() error {
		ctx, cancel := context.WithTimeout(priority.WithReadOnly(report), time.Second)
		defer cancel()
		_, err := db.ExecContext(ctx, "select 1")
		return err
	}
	c.routes.prober.use(t.Context())
	west.cost.Store(math.Float64bits(float64(time.Hour))) // so that east is the first to be asked, however busy
	hold(east)
	before := c.Stats().QueryCount
	if err := read(); err != nil || east.served.Load()+west.served.Load() != 4*conns+conns+1 {
		t.Errorf("got %v; east served %d, west %d", err, east.served.Load(), west.served.Load())
	}
	if refused := east.pool.Stats().Classes[1].Refused[priority.TooLate]; refused != 1 {
		t.Errorf("east refused %d, want 1: it was to be asked first", refused)
	}
	hold(west)
	if err := read(); !errors.Is(err, priority.ErrOverloaded) {
		t.Errorf("all are overloaded: got %v", err)
	}
	if after := c.Stats().QueryCount; after != before {
		t.Errorf("the primary served %d", after-before)
	}
}

// Of two that are drawn the less loaded serves, so that of three the most loaded never does, and the others both do.
func TestTheMostLoadedOfThreeRoutesIsNotChosen(t *testing.T) {
	c := NewConnector(Config{
		DSN: "host=/nowhere user=u dbname=d", MaxConns: 10,
		Routes: []Route{
			{Name: "fast", Config: Config{DSN: "host=/a user=u dbname=d"}},
			{Name: "slow", Config: Config{DSN: "host=/b user=u dbname=d"}},
			{Name: "small", Config: Config{DSN: "host=/c user=u dbname=d", MaxConns: 1}},
		},
	})
	if err := c.Err(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		<-c.Done()
	})
	rs, cfg := c.routes, c.current.Load().cfg
	for _, rt := range rs.all {
		rt.health.Store(&routeHealth{known: true, same: true})
	}
	for _, tt := range []struct {
		costs [3]time.Duration
		never string
	}{
		{[3]time.Duration{time.Millisecond, 5 * time.Millisecond, time.Millisecond}, "small"}, // which has one connection, not ten
		{[3]time.Duration{time.Millisecond, 40 * time.Millisecond, 2 * time.Millisecond}, "slow"},
		{[3]time.Duration{time.Second, time.Millisecond, time.Millisecond}, "fast"},
		{[3]time.Duration{0, time.Microsecond, costFloor}, "small"}, // what is below the floor is the same
	} {
		for i, rt := range rs.all {
			rt.cost.Store(math.Float64bits(float64(tt.costs[i])))
		}
		chosen := map[string]int{}
		for range 1000 {
			chosen[rs.choose(cfg, 0, 0).name]++
		}
		if chosen[tt.never] != 0 || len(chosen) != 2 {
			t.Errorf("costs %v: chosen %v, want never %q, and both others", tt.costs, chosen, tt.never)
		}
	}
	if rt := rs.choose(cfg, 0, rs.bit(rs.named("fast"))|rs.bit(rs.named("slow"))); rt == nil || rt.name != "small" {
		t.Errorf("the only one that was not tried is small, got %v", rt)
	}
	if rt := rs.choose(cfg, 0, 7); rt != nil {
		t.Errorf("all were tried, got %v", rt.name)
	}
}
