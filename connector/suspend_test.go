package connector_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestUnderLoadNobodyFailsAndNobodyIsServedWhileThePoolIsSuspended(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	admin := outside(t, d.DSN)
	db, err := connector.Open(connector.Config{DSN: d.DSN, MaxConns: 4, AcquireTimeout: time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	var stop atomic.Bool
	var done atomic.Int64
	var load sync.WaitGroup
	for range 16 {
		load.Go(func() {
			for !stop.Load() {
				if _, err := db.Exec("select 1"); err != nil {
					t.Error(err)
					return
				}
				done.Add(1)
			}
		})
	}
	for range 5 {
		before := done.Load()
		await(t, func() bool { return done.Load() > before+20 })
		if err := c.Quiesce(t.Context()); err != nil {
			t.Error(err)
		}
		c.Reset()
		await(t, func() bool { s := c.Stats(); return s.Waiting == 16 && s.TotalConns == 0 && backends(t, admin) == 0 })
		quiet := done.Load()
		<-time.After(20 * time.Millisecond)
		if s := c.Stats(); !s.Suspended || s.TotalConns != 0 || s.Waiting != 16 || done.Load() != quiet {
			t.Errorf("suspended, yet %d served: %+v", done.Load()-quiet, s)
		}
		c.Resume()
		await(t, func() bool { return done.Load() >= quiet+16 })
		if c.Stats().Suspended {
			t.Error("suspended after Resume")
		}
	}
	stop.Store(true)
	load.Wait()
	if s := c.Stats(); s.RefusedCount != 0 || s.ErrorCount != 0 {
		t.Errorf("%d refused, %d failed", s.RefusedCount, s.ErrorCount)
	}
}

func TestWhileSuspendedAHolderGoesOnAndWhoeverLosesPatienceHearsWhy(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{Name: "shop", MaxConns: 2, AcquireTimeout: 100 * time.Millisecond})
	if err := c.Warmup(t.Context(), 1); err != nil { // a dial may take longer
		t.Fatal(err)
	}
	ctx := priority.WithLabel(t.Context(), "import")
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	c.Suspend()
	if _, err := db.Exec("select 1"); !errors.Is(err, priority.ErrTimeout) || !strings.Contains(err.Error(), "the pool is suspended") {
		t.Errorf("%v", err)
	}
	short, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	err = c.Quiesce(short)
	var quiesce *lifecycle.QuiesceError
	if !errors.As(err, &quiesce) || len(quiesce.Stragglers) != 1 || quiesce.Stragglers[0].Label != "import" || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := tx.ExecContext(ctx, "select 1"); err != nil {
		t.Errorf("the transaction goes on: %v", err)
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	if err := c.Quiesce(t.Context()); err != nil {
		t.Error(err)
	}
	c.Resume()
	if _, err := db.Exec("select 1"); err != nil {
		t.Error(err)
	}
}

func TestABadOrZeroConnectorIsNotSuspended(t *testing.T) {
	var zero connector.Connector
	bad := connector.NewConnector(connector.Config{})
	for _, c := range []*connector.Connector{&zero, bad} {
		c.Suspend()
		c.Resume()
		if err := c.Quiesce(t.Context()); err == nil || err.Error() != c.Err().Error() {
			t.Errorf("%v", err)
		}
	}
}
