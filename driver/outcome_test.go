package pooldriver_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// stubborn makes of a cancel something else.
const stubborn = `do $$ begin perform pg_sleep(60); exception when query_canceled then
	raise unique_violation; end $$`

func TestWhatTheServerSaidWinsOverTheEndOfTheContext(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	pid := f.pid()
	canceled, cancel := context.WithCancel(f.ctx)
	defer cancel()
	watcher := f.outside()
	for i, ctx := range []context.Context{poolsql.WithTimeout(f.ctx, 500*time.Millisecond), canceled} {
		conn, err := f.db.Conn(f.ctx) // whose context database/sql does not look at
		if err != nil {
			t.Fatal(err)
		}
		if err := conn.PingContext(f.ctx); err != nil { // so that there is a connection
			t.Fatal(err)
		}
		var once sync.WaitGroup
		if ctx == canceled {
			once.Go(func() { f.awaitSleep(watcher); cancel() })
		}
		if _, err := conn.ExecContext(ctx, stubborn); codeOf(err) != "23505" || errors.Is(err, context.DeadlineExceeded) ||
			errors.Is(err, context.Canceled) {
			t.Errorf("%d: %v", i, err)
		}
		once.Wait()
		conn.Close()
	}
	if f.pid() != pid {
		t.Error("the connection was closed")
	}
}

// Who cut the statement off is told, and not who else would have by the time that the server had answered.
func TestTimeoutSaysWhichLimitRanOut(t *testing.T) {
	t.Parallel()
	// The server takes a while to answer to the cancel.
	const slow = `do $$ declare began timestamptz := clock_timestamp(); begin
		loop
			begin perform pg_sleep(1); exception when query_canceled then null; end;
			exit when clock_timestamp() > began + interval '0.4 s';
		end loop;
		raise query_canceled; end $$`
	for name, c := range map[string]struct {
		begin func(*fixture) (context.Context, context.CancelFunc)
		after time.Duration
	}{
		"and then its caller left": {func(f *fixture) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(f.ctx)
			time.AfterFunc(200*time.Millisecond, cancel)
			return poolsql.WithTimeout(ctx, 50*time.Millisecond), cancel
		}, 50 * time.Millisecond},
		"and then its caller's deadline passed": {func(f *fixture) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithTimeout(f.ctx, 200*time.Millisecond)
			return poolsql.WithTimeout(ctx, 50*time.Millisecond), cancel
		}, 50 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1)
			conn, err := f.db.Conn(f.ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if err := conn.PingContext(f.ctx); err != nil { // so that there is a connection
				t.Fatal(err)
			}
			ctx, cancel := c.begin(f)
			defer cancel()
			_, err = conn.ExecContext(ctx, slow)
			var timeout *pooldriver.TimeoutError
			if !errors.As(err, &timeout) || timeout.Limit != pooldriver.LimitStatement || timeout.After != c.after {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestTimeoutOfAStatementInATransactionIsItsOwn(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, func(cfg *poolsql.Config) { cfg.StatementTimeout = 500 * time.Millisecond })
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for i, limit := range []time.Duration{50 * time.Millisecond, 800 * time.Millisecond} {
		if _, err := tx.ExecContext(f.ctx, "savepoint s"); err != nil {
			t.Fatal(err)
		}
		_, err := tx.ExecContext(poolsql.WithTimeout(f.ctx, limit), "select pg_sleep(60)")
		var timeout *pooldriver.TimeoutError
		if !errors.As(err, &timeout) || timeout.Limit != pooldriver.LimitStatement || timeout.After != limit || timeout.Ran < limit {
			t.Errorf("%d: %v", i, err)
		}
		if _, err := tx.ExecContext(f.ctx, "rollback to s"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestBeginThatIsNotAnsweredInTimeSaysSo(t *testing.T) {
	t.Parallel()
	var wires faults
	f := patient(t, 1, wires.on, func(cfg *poolsql.Config) { cfg.EndTimeout = 200 * time.Millisecond })
	f.exec("select 1")
	wires.arm(cutMute, "begin", 1)
	_, err := f.db.BeginTx(f.ctx, nil)
	if !errors.Is(err, pooldriver.ErrEndTimeout) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	f.serves(1)
}

func TestErrorAmongTheRowsComesOutOfThemOnceAndTyped(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		query string
		ctx   func(context.Context) context.Context
		ended bool // by the server
		tell  func(error) bool
		kept  bool
	}{
		"division by zero": {
			query: "select g, 1 / (1000 - g) from generate_series(1, 2000) g", kept: true,
			tell: func(err error) bool { return codeOf(err) == "22012" },
		},
		"timeout": {
			query: "select g, case when g > 5000 then pg_sleep(60) end from generate_series(1, 10000) g", kept: true,
			ctx: func(ctx context.Context) context.Context { return poolsql.WithTimeout(ctx, 700*time.Millisecond) },
			tell: func(err error) bool {
				var timeout *pooldriver.TimeoutError
				return errors.As(err, &timeout) && timeout.Limit == pooldriver.LimitStatement && !timeout.Closed && !timeout.Unsent
			},
		},
		"terminated": {
			query: "select g, case when g > 5000 then pg_sleep(60) end from generate_series(1, 10000) g", ended: true,
			tell: func(err error) bool { return codeOf(err) == "57P01" },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := patient(t, 1)
			watcher := f.outside()
			pid := f.pid()
			ctx := f.ctx
			if c.ctx != nil {
				ctx = c.ctx(ctx)
			}
			before := f.c.Stats().ErrorCount
			rows, err := f.db.QueryContext(ctx, c.query)
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			terminated := make(chan struct{})
			go func() {
				defer close(terminated)
				if c.ended {
					f.terminateSleeper(watcher)
				}
			}()
			n := 0
			for rows.Next() {
				n++
			}
			<-terminated
			if err := rows.Err(); !c.tell(err) || n < 500 {
				t.Errorf("after %d rows: %v", n, err)
			}
			rows.Close()
			if n := f.c.Stats().ErrorCount - before; n != 1 {
				t.Errorf("%d errors were counted", n)
			}
			if kept := f.pid() == pid; kept != c.kept {
				t.Errorf("the connection was kept: %t", kept)
			}
			f.free("afterwards")
		})
	}
}

func TestRowsThatAreCutAreNotSaidNotToHaveBeenAskedFor(t *testing.T) {
	t.Parallel()
	for _, mode := range []pgx.QueryExecMode{pgx.QueryExecModeCacheStatement, pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol} {
		t.Run(mode.String(), func(t *testing.T) {
			t.Parallel()
			var wires faults
			f := patient(t, 1, wires.on, func(cfg *poolsql.Config) { cfg.ConnConfig.DefaultQueryExecMode = mode })
			rows, err := f.db.QueryContext(f.ctx, "select g from generate_series(1, 100000) g")
			if err != nil {
				t.Fatal(err)
			}
			defer rows.Close()
			rows.Next()
			wires.cutAll()
			for rows.Next() {
			}
			notSaidUnsent(t, "rows", rows.Err())
		})
	}
}

// A procedure may have committed before the server says that it does not know a statement that the procedure runs.
func TestRefusalOfAStatementInsideAProcedureIsNoReasonToRunItAgain(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	f.exec("create table t (n int)")
	f.exec(`create procedure p(n int) language plpgsql as $$ begin insert into t values (n); commit; execute 'execute nobody'; end $$`)
	for range 2 { // known the second time
		if _, err := f.db.ExecContext(f.ctx, "call p($1)", 1); codeOf(err) != "26000" {
			t.Errorf("got %v", err)
		}
	}
	if n := f.number("select count(*) from t"); n != 2 {
		t.Errorf("2 calls wrote %d rows", n)
	}
}

func TestInterruptedCommitOfADrainIsUnknown(t *testing.T) {
	t.Parallel()
	f, _ := openPrivate(t, 2, []string{"max_wal_senders = 2", "wal_level = replica", "synchronous_commit = on"})
	f.exec("create table t (n int)")
	f.exec("alter system set synchronous_standby_names = 'nobody'")
	watcher := f.outside()
	if _, err := watcher.Exec(f.ctx, "select pg_reload_conf()"); err != nil {
		t.Fatal(err)
	}
	f.await("the setting to hold", func() bool {
		return f.number("select count(*) from pg_settings where name = 'synchronous_standby_names' and setting = 'nobody'") == 1
	})
	done := make(chan error, 1)
	commit := func() {
		tx := f.written(f.ctx)
		go func() { done <- tx.Commit() }()
	}
	commit()
	f.await("the commit to wait", func() bool {
		select {
		case err := <-done: // the checkpointer has to hear of the setting as well
			if err != nil {
				t.Fatal(err)
			}
			commit()
		default:
		}
		var n int
		if err := watcher.QueryRow(f.ctx, "select count(*) from pg_stat_activity where wait_event = 'SyncRep'").Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n == 1
	})
	ended, end := context.WithTimeout(f.ctx, time.Millisecond)
	defer end()
	var drain *lifecycle.DrainError
	if err := f.c.Drain(ended); !errors.As(err, &drain) {
		t.Errorf("drain: %v", err)
	}
	// The server acknowledges a commit whose wait for the standby is canceled, with a warning.
	if err := <-done; err != nil {
		unknown(t, err)
	}
}

// A server may be set up to tell the parameters with each error.
func TestRefusedPlanIsMadeAnewWhereTheServerTellsTheParameters(t *testing.T) {
	t.Parallel()
	f := patient(t, 1, func(cfg *poolsql.Config) {
		cfg.ConnConfig.RuntimeParams["log_parameter_max_length_on_error"] = "-1"
	})
	f.exec("create table t (n int)")
	f.exec("insert into t values (1)")
	const query = "select * from t where n = $1"
	f.exec(query, 1)
	f.exec("alter table t add more int")
	f.exec(query, 1)
}
