package pooldriver_test

import (
	"testing"
	"time"

	"github.com/poolsql/poolsql"
)

// A statement may take as long as its transaction has told the server that it may. It is not a dead network.
func TestWatchdogLeavesAloneWhoHasRaisedHisOwnLimit(t *testing.T) {
	t.Parallel()
	f := open(t, 1, func(cfg *poolsql.Config) { cfg.StatementTimeout = 300 * time.Millisecond })
	before := f.pid()
	for _, set := range []string{
		"set local statement_timeout = 0", "SET LOCAL STATEMENT_TIMEOUT TO '1h'", "select set_config('statement_timeout', '0', true)",
	} {
		tx, err := f.db.BeginTx(f.ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(f.ctx, set); err != nil {
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(poolsql.WithoutLimits(f.ctx), "select 1"); err != nil { // and back to what it was
			t.Fatal(err)
		}
		if _, err := tx.ExecContext(f.ctx, "select pg_sleep(1.6)"); err != nil {
			t.Errorf("after %q: %v", set, err)
		}
		if err := tx.Commit(); err != nil {
			t.Error(err)
		}
		if after := f.pid(); after != before {
			t.Errorf("after %q: process %d serves, %d did before", set, after, before)
		}
	}
}

// What a holder has set for himself is not the next one's.
func TestOwnLimitEndsAtTheCheckIn(t *testing.T) {
	t.Parallel()
	f := open(t, 1, func(cfg *poolsql.Config) { cfg.StatementTimeout = 2 * time.Second })
	shown := func() (limit string) {
		t.Helper()
		if err := f.db.QueryRowContext(f.ctx, "select setting from pg_settings where name = 'statement' || '_timeout'").Scan(&limit); err != nil {
			t.Fatal(err)
		}
		return limit
	}
	before := f.pid()
	for _, set := range []string{"set statement_timeout = 0", "begin; set local statement_timeout = 0", "set statement_timeout = '7s'; select 1"} {
		f.exec(set)
		if limit := shown(); limit != "2000" {
			t.Errorf("after %q the next holder has %q", set, limit)
		}
	}
	if after := f.pid(); after != before {
		t.Errorf("process %d serves, %d did before", after, before)
	}
}
