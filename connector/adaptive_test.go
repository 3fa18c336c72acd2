package connector_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

// TestServerThatHasNoRoomBoundsTheLimit has 30 callers on a server that lets 8 in, and a pool that may open 40.
func TestServerThatHasNoRoomBoundsTheLimit(t *testing.T) {
	testdb.NoLeaks(t)
	database := testdb.Private(t, "max_connections = 8", "superuser_reserved_connections = 0")
	db, err := connector.Open(connector.Config{DSN: database.DSN, MaxConns: 40, AdaptiveLimit: true, AdaptiveLimitMin: 2})
	if err != nil {
		t.Fatal(err)
	}
	c, err := connector.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		db.Close()
		<-c.Done()
	}()
	var all sync.WaitGroup
	began := time.Now()
	goOn := func() bool { // on a busy machine it may take longer until the server has no room
		took := time.Since(began)
		return took < 4*time.Second || took < time.Minute && c.Stats().LimitChanges[lifecycle.LimitRefused] == 0
	}
	for range 30 {
		all.Go(func() {
			for goOn() {
				if _, err := db.Exec("select pg_sleep(0.005)"); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	all.Wait()
	s := c.Stats()
	if s.Limit > 8 || s.LimitChanges[lifecycle.LimitRefused] == 0 || s.TotalConns > 8 {
		t.Errorf("limit %d for %q, changes %v, %d open", s.Limit, s.LimitReason, s.LimitChanges, s.TotalConns)
	}
	if s.ConnectErrorCount == 0 || s.ConnectErrorCount > 8 { // once the limit is what is open, no more is tried
		t.Errorf("%d attempts to connect failed", s.ConnectErrorCount)
	}
}

// TestCallsThatRunOutOfTimeLowerTheLimit has half of the calls end by a statement timeout, then by their context.
func TestCallsThatRunOutOfTimeLowerTheLimit(t *testing.T) {
	for name, late := range map[string]func(exec func(context.Context, string) error) error{
		"by the server's limit": func(exec func(context.Context, string) error) error {
			return exec(context.Background(), "select pg_sleep(1)") // StatementTimeout
		},
		"by their context": func(exec func(context.Context, string) error) error {
			ctx, cancel := context.WithTimeout(context.Background(), 20*time.Millisecond)
			defer cancel()
			return exec(ctx, "select pg_sleep(1)")
		},
	} {
		t.Run(name, func(t *testing.T) {
			db, c := open(t, connector.Config{MaxConns: 12, AdaptiveLimit: true, StatementTimeout: 50 * time.Millisecond})
			exec := func(ctx context.Context, sql string) error {
				_, err := db.ExecContext(ctx, sql)
				return err
			}
			var all sync.WaitGroup
			over := time.Now().Add(20 * time.Second)
			for i := range 24 {
				all.Go(func() {
					for time.Now().Before(over) && c.Stats().LimitChanges[lifecycle.LimitTimeouts] == 0 {
						if i%2 == 0 {
							_ = late(exec)
						} else {
							_ = exec(context.Background(), "select pg_sleep(0.005)")
						}
					}
				})
			}
			all.Wait()
			if s := c.Stats(); s.LimitChanges[lifecycle.LimitTimeouts] == 0 {
				t.Errorf("limit %d for %q, changes %v", s.Limit, s.LimitReason, s.LimitChanges)
			}
		})
	}
}
