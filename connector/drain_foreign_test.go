package connector_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
)

// Of the connections of another driver nothing is known by which their holders could be interrupted.
func TestADrainDoesNotClaimToInterruptTheHoldersOfAnotherDriversConnections(t *testing.T) {
	testdb.NoLeaksInParallel(t)
	db, err := connector.Open(connector.Config{Connector: &scripted{}, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	tx, err := db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	began := time.Now()
	err = c.Drain(ctx)
	var late *lifecycle.DrainError
	if !errors.As(err, &late) || len(late.Stragglers) != 1 || late.Interrupted != 0 || late.Left != 1 {
		t.Errorf("%+v: %v", late, err)
	}
	if took := time.Since(began); took >= lifecycle.DefaultInterruptGrace {
		t.Errorf("told after %s, though there was nothing to wait for", took)
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("who held it goes on: %v", err)
	}
	<-c.Done()
	db.Close()
}
