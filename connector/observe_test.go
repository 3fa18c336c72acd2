package connector_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestObserversJoinAPoolThatIsInUse(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{Name: "shop", MaxConns: 1})
	if _, err := db.ExecContext(t.Context(), "select 1"); err != nil {
		t.Fatal(err)
	}
	var first, second recorder
	c.Observe(nil)()
	stop := c.Observe(&first)
	c.Observe(&second)
	if _, err := db.ExecContext(t.Context(), "select 'secret'::int"); err == nil {
		t.Fatal("no error")
	}
	stop()
	c.Reset()
	if n := len(first.of(lifecycle.KindError)); n != 1 {
		t.Errorf("who joined heard of %d errors, want 1", n)
	}
	if len(first.of(lifecycle.KindReset)) != 0 || len(second.of(lifecycle.KindReset)) != 1 {
		t.Error("who left is told, or who stayed is not")
	}
}

func TestTellReachesObserversWithoutData(t *testing.T) {
	t.Parallel()
	var heard recorder
	_, c := open(t, connector.Config{Name: "shop", Observer: &heard})
	c.Tell(lifecycle.Event{Kind: lifecycle.KindHealthCheck, Count: 87})
	if len(heard.events) != 1 || heard.events[0].Count != 87 || heard.events[0].Pool != "shop" {
		t.Errorf("heard %+v", heard.events)
	}
	connector.NewConnector(connector.Config{}).Tell(lifecycle.Event{Kind: lifecycle.KindHealthCheck}) // nothing to tell of
}

func TestPingIsOfClassHighAndWaitsItsTurn(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{MaxConns: 2, HighReserve: 1})
	held, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer held.Rollback()
	// What is left is High's.
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := db.ExecContext(ctx, "select 1"); err == nil {
		t.Fatal("a caller of class Normal got the reserve")
	}
	if err := c.Ping(t.Context()); err != nil {
		t.Errorf("the reserve is free: %v", err)
	}
	short, cancel := context.WithTimeout(priority.WithClass(t.Context(), priority.Low), 50*time.Millisecond)
	defer cancel()
	var refused *lifecycle.AcquireError
	if err := c.Ping(short); !errors.As(err, &refused) || refused.Refused.Class != priority.Low {
		t.Errorf("as class Low: %v", err)
	}
	if err := connector.NewConnector(connector.Config{}).Ping(t.Context()); err == nil || !strings.Contains(err.Error(), "DSN") {
		t.Errorf("of a bad configuration: %v", err)
	}
}
