package connector_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestDrainLetsOldWorkFinish(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- c.Drain(t.Context()) }()
	await(t, func() bool { _, err := db.Exec("select 1"); return errors.Is(err, priority.ErrClosed) })
	if _, err := tx.Exec("select 1"); err != nil {
		t.Errorf("old work while draining: %v", err)
	}
	if len(done) != 0 {
		t.Error("drained while a connection is in use")
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("commit while draining: %v", err)
	}
	if err := <-done; err != nil {
		t.Errorf("Drain: %v", err)
	}
}

func TestDrainEndsWhatRunsWhenItsContextEndsAndSaysSoToBoth(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	admin := outside(t, d.DSN)
	db, err := connector.Open(connector.Config{DSN: d.DSN, Name: "shop", MaxConns: 3})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	idle, err := db.BeginTx(priority.WithLabel(t.Context(), "forgotten"), nil)
	if err != nil {
		t.Fatal(err)
	}
	ran := make(chan error, 1)
	go func() {
		_, err := db.ExecContext(priority.WithLabel(t.Context(), "report"), "select pg_sleep(60)")
		ran <- err
	}()
	await(t, func() bool {
		for _, conn := range c.Connections() {
			if conn.CurrentQuery == "select pg_sleep(?)" {
				return true
			}
		}
		return false
	})
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	began := time.Now()
	err = c.Drain(ctx)
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("Drain took %s", took)
	}
	var drain *lifecycle.DrainError
	if !errors.As(err, &drain) || len(drain.Stragglers) != 2 || drain.Interrupted != 2 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%+v: %v", drain, err)
	}
	for _, want := range []string{`"forgotten" (normal)`, `"report" (normal)`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not name %s: %v", want, err)
		}
	}
	if err := <-ran; !errors.Is(err, lifecycle.ErrClosed) || !strings.Contains(err.Error(), "drained") {
		t.Errorf("what ran: %v", err)
	}
	if _, err := idle.Exec("select 1"); !errors.Is(err, lifecycle.ErrClosed) {
		t.Errorf("what idled: %v", err)
	}
	if err := idle.Commit(); err == nil {
		t.Error("what was ended could be committed")
	}
	idle.Rollback()
	await(t, func() bool { return backends(t, admin) == 0 })
	<-c.Done()
}
