package connector_test

import (
	"context"
	"database/sql"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

func TestWaitersAreThoseWhoWaitWithWhatAndWithoutItsLiterals(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	pool := connector.NewConnector(connector.Config{DSN: testdb.New(t).DSN, MaxConns: 1})
	db := sql.OpenDB(pool)
	defer func() { db.Close(); <-pool.Done() }()
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if w := pool.Waiters(10); w != nil {
		t.Errorf("nobody waits, but %+v", w)
	}
	served := make(chan error)
	for i, label := range []string{"first", "second"} {
		ctx := priority.WithTenant(priority.WithLabel(priority.WithClass(t.Context(), priority.Low), label), "acme")
		go func() {
			_, err := db.ExecContext(ctx, "select 'secret' where $1 = 4711", 1)
			served <- err
		}()
		for deadline := time.Now().Add(20 * time.Second); pool.Stats().Waiting <= i; time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatal("nobody waits")
			}
		}
	}
	waiters := pool.Waiters(10)
	if len(waiters) != 2 {
		t.Fatalf("%+v", waiters)
	}
	for i, label := range []string{"first", "second"} {
		w := waiters[i]
		if w.Waited <= 0 {
			t.Errorf("%s has waited for %s", label, w.Waited)
		}
		w.Waited = 0
		want := connector.WaiterInfo{Class: priority.Low, Label: label, Tenant: "acme", Query: "select ? where $1 = ?"}
		if w != want {
			t.Errorf("who waits is %+v, want %+v", w, want)
		}
	}
	if first := pool.Waiters(1); len(first) != 1 || first[0].Label != "first" {
		t.Errorf("the first is %+v", first)
	}
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	for range 2 {
		if err := <-served; err != nil {
			t.Error(err)
		}
	}
}

func TestABadConfigurationHasNoWaiters(t *testing.T) {
	pool := connector.NewConnector(connector.Config{})
	if w := pool.Waiters(10); w != nil {
		t.Errorf("%+v", w)
	}
	if _, err := pool.Connect(context.Background()); err == nil {
		t.Error("a configuration without a server is good")
	}
}
