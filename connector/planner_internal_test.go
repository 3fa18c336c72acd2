package connector

import (
	"context"
	"database/sql"
	"runtime"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// planned opens a pool that has its statements planned, on a database with a table of 100,000 rows.
func planned(t *testing.T) (*Connector, *sql.DB) {
	t.Helper()
	testdb.NoLeaksInParallel(t)
	c := NewConnector(Config{
		DSN: testdb.New(t).DSN, MaxConns: 2, SlowThreshold: 500 * time.Millisecond, CostByStatement: true, CostFromPlan: true,
	})
	db := sql.OpenDB(c)
	t.Cleanup(func() {
		_ = db.Close()
		<-c.Done()
	})
	if _, err := db.ExecContext(t.Context(), `create table item as select i as id, i % 1000 as kind from generate_series(1, 100000) as i`); err != nil {
		t.Fatal(err)
	}
	if _, err := db.ExecContext(t.Context(), "analyze item"); err != nil {
		t.Fatal(err)
	}
	return c, db
}

// costOf waits until the planner has nothing to do, and returns what is known of a statement.
func costOf(t *testing.T, c *Connector, statement string) (cost priority.Cost, known bool) {
	t.Helper()
	for busy := true; busy; runtime.Gosched() {
		c.plans.mu.RLock()
		busy = c.plans.running
		c.plans.mu.RUnlock()
	}
	for _, cost := range c.pool.Costs() {
		if cost.Statement == statement {
			return cost, true
		}
	}
	return priority.Cost{}, false
}

// The first of a kind that takes long is known to do so before it has run.
func TestAStatementThatWasNeverRunIsKnownToBeSlowByItsPlan(t *testing.T) {
	c, db := planned(t)
	quick := []string{
		"select count(*) from item where id = $1", "select max(id) from item where kind = $1", "select min(id) from item where kind < $1", "select $1::int",
	}
	for range 2 * planUses {
		for _, text := range quick {
			var n sql.NullInt64
			if err := db.QueryRowContext(t.Context(), text, 7).Scan(&n); err != nil {
				t.Fatal(err)
			}
		}
	}
	const slow = "select count(*) from item a join item b on a.kind = b.kind join item c on b.kind = c.kind where a.id <> $1"
	c.identify(&lifecycle.Request{Detail: slow})
	cost, known := costOf(t, c, slow)
	if !known || cost.Uses != 0 || !cost.Slow {
		t.Errorf("it is taken for %+v, known: %t", cost, known)
	}
	for _, text := range quick {
		if cost, known := costOf(t, c, text); !known || cost.Uses == 0 || cost.Slow {
			t.Errorf("%s is taken for %+v, known: %t", text, cost, known)
		}
	}
	if n := preparedByName(t, db); n != 0 {
		t.Errorf("%d statements of the planner's are left on the server", n)
	}
}

func preparedByName(t *testing.T, db *sql.DB) (n int) {
	t.Helper()
	err := db.QueryRowContext(t.Context(), "select count(*) from pg_prepared_statements where name = 'poolsql_plan'").Scan(&n)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// What writes is not even planned: a planner may run functions. What cannot be planned leaves nothing behind.
func TestOnlyWhatReadsIsPlanned(t *testing.T) {
	c, db := planned(t)
	for _, text := range []string{
		"delete from item", "select nextval('s')", "select 1; drop table item", "select * from there_is_none", "select 1 --",
		"select $1", "begin",
	} {
		c.identify(&lifecycle.Request{Detail: text})
		costOf(t, c, text)
	}
	c.plans.mu.RLock()
	for _, p := range c.plans.plans {
		if p.cost > 0 && p.text != "select 1 --" && p.text != "select $1" {
			t.Errorf("%s was planned", p.text)
		}
	}
	if p := c.plans.plans["select 1 --"]; p == nil || p.cost <= 0 {
		t.Errorf("a comment at the end is in the way: %+v", p)
	}
	if p := c.plans.plans["begin"]; p != nil {
		t.Errorf("a transaction was taken for a statement: %+v", p)
	}
	c.plans.mu.RUnlock()
	var n int
	if err := db.QueryRowContext(t.Context(), "select count(*) from item").Scan(&n); err != nil || n != 100000 {
		t.Errorf("%d rows are left: %v", n, err)
	}
	if n := preparedByName(t, db); n != 0 {
		t.Errorf("%d statements of the planner's are left on the server", n)
	}
	for c.Stats().InUseConns != 0 { // what the test itself has run is planned, too
		runtime.Gosched()
	}
}

// A pool that is shut is asked nothing, and the goroutine that asks ends.
func TestThePlannerEndsWithThePool(t *testing.T) {
	c, db := planned(t)
	conn, err := db.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for _, text := range []string{"select 1", "select 2", "select 3"} {
		c.identify(&lifecycle.Request{Detail: text})
	}
	_ = conn.Close()
	_ = db.Close()
	costOf(t, c, "")
}

func TestStatementsTellCallsWithoutALabelApart(t *testing.T) {
	c, db := planned(t)
	ctx := priority.WithLabel(t.Context(), "report")
	for _, call := range []struct {
		ctx  context.Context
		text string
	}{{t.Context(), "select 'secret'"}, {ctx, "select 2"}} {
		if _, err := db.ExecContext(call.ctx, call.text); err != nil {
			t.Fatal(err)
		}
	}
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, cost := range c.Costs() {
		found[cost.Label+"|"+cost.Statement] = true
	}
	if !found["|select '?'"] && !found["|select ?"] || !found["report|"] || found["|select 2"] || found["|begin"] || found["|select 'secret'"] {
		t.Errorf("known are %v", found)
	}
}
