package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/lifecycle"
)

var execModes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

func discarding(mode pgx.QueryExecMode) func(*poolsql.Config) {
	return func(cfg *poolsql.Config) {
		cfg.ConnConfig.DefaultQueryExecMode = mode
		cfg.ResetQuery = "DISCARD ALL"
	}
}

// leave uses a connection for what outlives a statement.
func leave(ctx context.Context, on runner, key int) error {
	for _, query := range []string{
		"create temp table scratch (id int)", "set search_path to nowhere", "set application_name to 'somebody else'",
		fmt.Sprintf("select pg_advisory_lock(%d)", key), "prepare leftover as select 1", "listen gossip",
		"declare cur cursor with hold for select 1",
	} {
		if _, err := on.ExecContext(ctx, query); err != nil {
			return fmt.Errorf("%s: %w", query, err)
		}
	}
	return nil
}

// clean reports what the connection that serves next still has of what was left.
func (f *fixture) clean(on runner, after string) {
	f.t.Helper()
	var tables, locks, prepared, channels, cursors int
	var path, name string
	err := on.QueryRowContext(f.ctx, `select
		(select count(*) from pg_class where relname = 'scratch' and relpersistence = 't'),
		(select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()),
		(select count(*) from pg_prepared_statements where name = 'leftover'),
		(select count(*) from pg_listening_channels()),
		(select count(*) from pg_cursors where name = 'cur'),
		current_setting('search_path'), current_setting('application_name')`).
		Scan(&tables, &locks, &prepared, &channels, &cursors, &path, &name)
	if err != nil {
		f.t.Fatal(err)
	}
	if tables+locks+prepared+channels+cursors > 0 || path == "nowhere" || name == "somebody else" {
		f.t.Errorf("after %s: %d temporary tables, %d locks, %d prepared statements, %d channels, %d cursors, search_path %s, application %s",
			after, tables, locks, prepared, channels, cursors, path, name)
	}
}

func TestAResetQueryLeavesNothingForTheNextHolderInAnyMode(t *testing.T) {
	t.Parallel()
	for _, mode := range execModes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, discarding(mode))
			before := f.pid()
			for name, use := range map[string]func() error{
				"a Conn": func() error {
					conn, err := f.db.Conn(f.ctx)
					if err != nil {
						return err
					}
					defer conn.Close()
					return leave(f.ctx, conn, 1)
				},
				"a transaction": func() error {
					return inTx(f.ctx, f.db, func(tx *sql.Tx) error {
						if err := leave(f.ctx, tx, 2); err != nil {
							return err
						}
						return tx.Commit()
					})
				},
				"a failed transaction of the caller's own": func() error {
					conn, err := f.db.Conn(f.ctx)
					if err != nil {
						return err
					}
					defer conn.Close()
					if err := leave(f.ctx, conn, 3); err != nil {
						return err
					}
					if _, err := conn.ExecContext(f.ctx, "begin"); err != nil {
						return err
					}
					if _, err := conn.ExecContext(f.ctx, "select 1/0"); err == nil {
						t.Error("no error of a division by zero")
					}
					return nil
				},
				"Do": func() error {
					return f.c.Do(f.ctx, func(conn *pgx.Conn) error {
						if _, err := conn.Prepare(f.ctx, "named", "select 2"); err != nil {
							return err
						}
						_, err := conn.Exec(f.ctx, "begin; create temp table scratch (id int); set search_path to nowhere")
						return err
					})
				},
			} {
				if err := use(); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				f.awaitFree()
				f.clean(f.db, name)
			}
			if after := f.pid(); after != before {
				t.Errorf("process %d serves, %d did before", after, before)
			}
		})
	}
}

// What is known here of prepared statements and what the server knows must be the same after each reset.
func TestStatementsRunAgainAndAgainBetweenResetsInAnyMode(t *testing.T) {
	t.Parallel()
	for _, mode := range execModes {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1, discarding(mode))
			st, err := f.db.PrepareContext(f.ctx, "select $1::int + 1")
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			for i := range 10 {
				var a, b, c int
				if err := st.QueryRowContext(f.ctx, i).Scan(&a); err != nil {
					t.Fatalf("Stmt, round %d: %v", i, err)
				}
				if err := f.db.QueryRowContext(f.ctx, "select $1::int + 2", i).Scan(&b); err != nil {
					t.Fatalf("query, round %d: %v", i, err)
				}
				err := inTx(f.ctx, f.db, func(tx *sql.Tx) error {
					for range 2 {
						if err := tx.QueryRowContext(f.ctx, "select $1::int + 2", i).Scan(&c); err != nil {
							return err
						}
						if err := tx.StmtContext(f.ctx, st).QueryRowContext(f.ctx, i).Scan(&c); err != nil {
							return err
						}
					}
					return tx.Commit()
				})
				if err != nil || a != i+1 || b != i+2 || c != i+1 {
					t.Fatalf("round %d: %d, %d, %d, %v", i, a, b, c, err)
				}
			}
			if s := f.c.Stats(); s.NewConnsCount != 1 || s.ErrorCount != 0 {
				t.Errorf("%d connections opened, %d errors", s.NewConnsCount, s.ErrorCount)
			}
		})
	}
}

func TestAResetQueryThatFailsClosesTheConnectionAndTheObserverHearsWhy(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, func(cfg *poolsql.Config) { cfg.ResetQuery = "select 'very private'::int" })
	first := f.pid()
	f.awaitFree()
	if second := f.pid(); second == first {
		t.Error("the connection serves on")
	}
	f.awaitFree()
	f.await("two connections closed", func() bool { return f.c.Stats().ClosedConns[lifecycle.EndBroken] == 2 })
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	told := 0
	for _, e := range f.events.events {
		if e.Kind == lifecycle.KindInvalid && e.Reason == lifecycle.EndBroken && e.Resource != 0 && e.Err != nil {
			told++
			if got := e.Err.Error(); got != "ResetQuery: SQLSTATE 22P02" {
				t.Errorf("the event says %q", got)
			}
		}
	}
	if told != 2 {
		t.Errorf("the observer was told %d times", told)
	}
}

// The caller has its answer while the reset still runs, and the connection is nobody's until it has.
func TestAResetRunsOffTheCallersPath(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, func(cfg *poolsql.Config) {
		cfg.ResetQuery = "select pg_advisory_lock_shared(77), pg_advisory_unlock_shared(77)"
	})
	outside := f.outside()
	if _, err := outside.Exec(f.ctx, "select pg_advisory_lock(77)"); err != nil {
		t.Fatal(err)
	}
	f.exec("select 1") // returns, though the reset cannot end
	if s := f.c.Stats(); s.InUseConns != 1 || s.ReleaseCount != 0 {
		t.Errorf("%d in use and %d given back while it is being reset", s.InUseConns, s.ReleaseCount)
	}
	done := make(chan error, 1)
	go func() { _, err := f.db.ExecContext(f.ctx, "select 1"); done <- err }()
	f.await("somebody to wait", func() bool { return f.c.Stats().Waiting == 1 })
	if _, err := outside.Exec(f.ctx, "select pg_advisory_unlock(77)"); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
	f.awaitFree()
	if n := f.c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}

// What a transaction was limited to must not end the next holder, though nobody ended the transaction.
func TestATransactionThatNobodyEndedLimitsNobodyAfterwards(t *testing.T) {
	t.Parallel()
	f := open(t, 1, transactionTimeout(300*time.Millisecond))
	f.exec("select 1")
	conn, err := f.c.Connect(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.(driver.ConnBeginTx).BeginTx(f.ctx, driver.TxOptions{}); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	f.awaitFree()
	if _, err := f.db.ExecContext(f.ctx, "select pg_sleep(2.2)"); err != nil { // beyond whatever the watchdog adds
		t.Error(err)
	}
	if n := f.c.Stats().NewConnsCount; n != 1 {
		t.Errorf("%d connections were opened", n)
	}
}
