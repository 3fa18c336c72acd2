package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// repeatable is a fixture with a sequence that counts how often something ran, whatever became of it.
func repeatable(t *testing.T, conns int, change ...func(*poolsql.Config)) *fixture {
	t.Helper()
	f := open(t, conns, change...)
	f.exec("create sequence runs")
	// Fails with that SQLSTATE until it has run often enough.
	f.exec(`create function failing(code text, until int) returns void language plpgsql as $$
		begin if nextval('runs') < until then raise 'mine' using errcode = code; end if; end $$`)
	return f
}

// runs returns how often something ran.
func (f *fixture) runs() int {
	f.t.Helper()
	return f.number("select case when is_called then last_value else 0 end from runs")
}

// terminateSleeper ends the session that sleeps in the database, once one does.
func (f *fixture) terminateSleeper(watcher *pgx.Conn) {
	f.t.Helper()
	f.awaitSleep(watcher)
	if _, err := watcher.Exec(f.ctx, `select pg_terminate_backend(pid, 5000) from pg_stat_activity
		where datname = current_database() and wait_event = 'PgSleep'`); err != nil {
		f.t.Fatal(err)
	}
}

// sleepOnce sleeps the first time that it runs.
const sleepOnce = "select pg_sleep(case when nextval('runs') = 1 then 60 else 0 end)"

func TestRepeatableStatementRunsAgainAfterItsConnectionWasEnded(t *testing.T) {
	t.Parallel()
	for name, run := range map[string]func(context.Context, *sql.DB) error{
		"exec": func(ctx context.Context, db *sql.DB) error { _, err := db.ExecContext(ctx, sleepOnce); return err },
		"query": func(ctx context.Context, db *sql.DB) error {
			return db.QueryRowContext(ctx, sleepOnce).Scan(new(sql.NullString))
		},
		"conn": func(ctx context.Context, db *sql.DB) error {
			conn, err := db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			_, err = conn.ExecContext(ctx, sleepOnce)
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := repeatable(t, 2)
			watcher := f.outside()
			done := make(chan error, 1)
			go func() { done <- run(poolsql.WithRetries(f.ctx, 3), f.db) }()
			f.terminateSleeper(watcher)
			if err := <-done; err != nil {
				t.Error(err)
			}
			if n := f.runs(); n != 2 {
				t.Errorf("ran %d times, want 2", n)
			}
			if n := f.events.count(lifecycle.KindRetry); n != 1 {
				t.Errorf("%d retries were told, want 1", n)
			}
			f.serves(2)
		})
	}
}

func TestStatementThatWasCutRunsAgainOnlyIfItIsRepeatable(t *testing.T) {
	t.Parallel()
	for name, how := range map[string]cut{"before it arrived": cutSwallowed, "after it arrived": cutAfter} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var wires faults
			f := repeatable(t, 2, wires.on)
			f.exec("select 1")
			wires.arm(how, "select nextval('runs'), 1", 1)
			if _, err := f.db.ExecContext(f.ctx, "select nextval('runs'), 1"); err == nil {
				t.Error("ran again, though nobody had said that it may")
			}
			f.exec("select 1")
			wires.arm(how, "select nextval('runs'), 2", 1)
			if _, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, 1), "select nextval('runs'), 2"); err != nil {
				t.Error(err)
			}
			want := 1
			if how == cutAfter {
				want = 3
			}
			f.await("what was sent to run", func() bool { return f.runs() == want })
		})
	}
}

// Whatever the context says, these run once.
func TestWhatIsNotRepeatableRunsOnce(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		run func(context.Context, *fixture) error
	}{
		"in a transaction": {func(ctx context.Context, f *fixture) error {
			tx, err := f.db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer tx.Rollback()
			_, err = tx.ExecContext(ctx, sleepOnce)
			return err
		}},
		"on a Conn that has run something": {func(ctx context.Context, f *fixture) error {
			conn, err := f.db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			if _, err := conn.ExecContext(ctx, "select 1"); err != nil {
				return err
			}
			_, err = conn.ExecContext(ctx, sleepOnce)
			return err
		}},
		"on a Conn that was used raw": {func(ctx context.Context, f *fixture) error {
			conn, err := f.db.Conn(ctx)
			if err != nil {
				return err
			}
			defer conn.Close()
			if err := conn.Raw(func(c any) error {
				_, err := c.(interface{ PgxConn() (*pgx.Conn, error) }).PgxConn()
				return err
			}); err != nil {
				return err
			}
			_, err = conn.ExecContext(ctx, sleepOnce)
			return err
		}},
		"through Do": {func(ctx context.Context, f *fixture) error {
			return f.c.Do(ctx, func(conn *pgx.Conn) error { _, err := conn.Exec(ctx, sleepOnce); return err })
		}},
		"after rows were handed out": {func(ctx context.Context, f *fixture) error {
			rows, err := f.db.QueryContext(ctx, `select repeat('x', 1000), case when g = 1 then nextval('runs') end,
				case when g = 5000 then pg_sleep(60) end from generate_series(1, 5000) g`)
			if err != nil {
				return err
			}
			defer rows.Close()
			for rows.Next() {
			}
			return rows.Err()
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := repeatable(t, 2)
			watcher := f.outside()
			done := make(chan error, 1)
			go func() { done <- c.run(poolsql.WithRetries(f.ctx, 3), f) }()
			f.terminateSleeper(watcher)
			err := <-done
			if codeOf(err) != "57P01" || errors.As(err, new(*pooldriver.RetryError)) {
				t.Errorf("got %v", err)
			}
			notSaidUnsent(t, name, err)
			if n := f.runs(); n != 1 {
				t.Errorf("ran %d times", n)
			}
		})
	}
}

func TestStatementThatRanOutOfTimeRunsOnce(t *testing.T) {
	t.Parallel()
	f := repeatable(t, 1, statementTimeout(2*time.Second), func(cfg *poolsql.Config) { cfg.CancelTimeout = patience })
	retries := poolsql.WithRetries(f.ctx, 3)
	for i, ctx := range []context.Context{retries, poolsql.WithTimeout(retries, 300*time.Millisecond)} {
		_, err := f.db.ExecContext(ctx, "select nextval('runs'), pg_sleep(60)")
		if !errors.As(err, new(*pooldriver.TimeoutError)) {
			t.Errorf("%d: %v", i, err)
		}
	}
	canceled, cancel := context.WithCancel(retries)
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := f.db.ExecContext(canceled, "select nextval('runs'), pg_sleep(60)")
		ended <- err
	}()
	f.awaitSleep(f.outside()) // not while it waits for its turn
	cancel()
	if err := <-ended; !errors.As(err, new(*pooldriver.CanceledError)) {
		t.Error(err)
	}
	expired, end := context.WithTimeout(poolsql.WithTimeout(retries, time.Minute), 4*time.Second)
	defer end()
	if _, err := f.db.ExecContext(expired, "select nextval('runs'), pg_sleep(60)"); !errors.As(err, new(*pooldriver.TimeoutError)) {
		t.Error(err)
	}
	if n := f.runs(); n != 4 {
		t.Errorf("4 statements ran %d times", n)
	}
	if n := f.events.count(lifecycle.KindRetry); n != 0 {
		t.Errorf("%d retries", n)
	}
}

func TestConflictsOfRepeatableStatementsAreTriedAgain(t *testing.T) {
	t.Parallel()
	for _, code := range []string{"40001", "40P01", "53300"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			f := repeatable(t, 1)
			if _, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, 3), "select failing($1, 3)", code); err != nil {
				t.Errorf("%s: %v", code, err)
			}
			if n := f.runs(); n != 3 {
				t.Errorf("%s: ran %d times, want 3", code, n)
			}
			if n := f.c.Stats().NewConnsCount; n != 1 {
				t.Errorf("%s: %d connections were opened", code, n)
			}
		})
	}
}

func TestTriesAreCounted(t *testing.T) {
	t.Parallel()
	for retries, want := range map[int]int{-1: 1, 0: 1, 1: 2, 2: 3, 5: 6} {
		t.Run(fmt.Sprint(retries), func(t *testing.T) {
			t.Parallel()
			f := repeatable(t, 1)
			_, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, retries), "select failing('40001', 100)")
			if n := f.runs(); n != want {
				t.Errorf("%d retries: ran %d times, want %d", retries, n, want)
			}
			var told *pooldriver.RetryError
			switch {
			case codeOf(err) != "40001":
				t.Errorf("%d retries: %v", retries, err)
			case errors.As(err, &told) != (want > 1):
				t.Errorf("%d retries: %v", retries, err)
			case told != nil && (told.Tries != want || told.Why != "" || told.Took <= 0 || told.SafeToRetry()):
				t.Errorf("%d retries: %+v", retries, told)
			}
			if n := f.c.Stats().ErrorCount; n != uint64(want) {
				t.Errorf("%d retries: %d errors were counted, want one a try", retries, n)
			}
			for i, pause := range f.events.durations(lifecycle.KindRetry) {
				if limit := 10 * time.Millisecond << i; pause < 0 || pause > limit {
					t.Errorf("pause %d was %s, want %s at most", i, pause, limit)
				}
			}
		})
	}
}

func (r *recorder) durations(kind lifecycle.Kind) (all []time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, e := range r.events {
		if e.Kind == kind {
			all = append(all, e.Duration)
		}
	}
	return all
}

// The first try may have run, whatever the last error is about.
func TestRetryErrorTellsTheFirstAndTheLast(t *testing.T) {
	t.Parallel()
	f := repeatable(t, 1)
	f.exec("create table t (n int primary key)")
	f.exec("insert into t values (1)")
	before := f.pid()
	_, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, 3), `do $$ begin
		if nextval('runs') = 1 then raise 'mine' using errcode = '40001'; end if; insert into t values (1); end $$`)
	var told *pooldriver.RetryError
	if !errors.As(err, &told) || told.Tries != 2 || told.Why == "" || codeOf(told.First) != "40001" || codeOf(told.Err) != "23505" {
		t.Fatalf("got %v", err)
	}
	for _, part := range []string{"tried 2 times in ", "23505", "at first: ", "40001", told.Why} {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q is not in: %v", part, err)
		}
	}
	if f.pid() != before {
		t.Error("the connection was closed")
	}
	first, last := errors.New("first"), errors.New("last")
	if e := error(&pooldriver.RetryError{First: first, Err: last}); !errors.Is(e, first) || !errors.Is(e, last) {
		t.Error("Unwrap does not find both")
	}
}

// What the lost connection of the first try said is nothing about the connection of the last.
func TestConnectionOfTheLastTryIsNotBlamedForTheFirst(t *testing.T) {
	t.Parallel()
	f := repeatable(t, 1)
	watcher := f.outside()
	done := make(chan error, 1)
	go func() {
		_, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, 3), `do $$ begin
			if nextval('runs') = 1 then perform pg_sleep(60); else raise 'mine'; end if; end $$`)
		done <- err
	}()
	f.terminateSleeper(watcher)
	err := <-done
	var told *pooldriver.RetryError
	if !errors.As(err, &told) || codeOf(told.First) != "57P01" || codeOf(told.Err) != "P0001" || pgconn.SafeToRetry(err) {
		t.Errorf("got %v", err)
	}
	f.pid()
	if s := f.c.Stats(); s.NewConnsCount != 2 {
		t.Errorf("%d connections were opened, want 2", s.NewConnsCount)
	}
}

func TestRetryIsNotTriedPastTheDeadline(t *testing.T) {
	t.Parallel()
	f := repeatable(t, 1)
	ctx, cancel := context.WithTimeout(poolsql.WithRetries(f.ctx, 1000), 400*time.Millisecond)
	defer cancel()
	watch := startWatch()
	_, err := f.db.ExecContext(ctx, "select failing('40001', 1000)")
	watch.within(t, time.Second, "a statement with less than half of that")
	var told *pooldriver.RetryError
	// On a machine that is slow it may pass during a try, which then is the last.
	if !errors.As(err, &told) || (told.Why != "its deadline leaves no time" && !errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil) {
		t.Errorf("got %v", err)
	}
}

func TestConnectionIsNotHeldDuringThePause(t *testing.T) {
	t.Parallel()
	var f *fixture
	var others atomic.Int64
	f = repeatable(t, 1, func(cfg *poolsql.Config) {
		cfg.Observer = lifecycle.Join(cfg.Observer, observer(func(e lifecycle.Event) {
			if e.Kind == lifecycle.KindRetry { // the pause has begun, and ends only after this
				ctx, cancel := context.WithTimeout(f.ctx, patience)
				defer cancel()
				if _, err := f.db.ExecContext(ctx, "select 1"); err != nil {
					t.Error(err)
				}
				others.Add(1)
			}
		}))
	})
	if _, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, 2), "select failing('40001', 3)"); err != nil {
		t.Error(err)
	}
	if n := others.Load(); n != 2 {
		t.Errorf("%d others, want 2", n)
	}
}

type observer func(lifecycle.Event)

func (o observer) Observe(e lifecycle.Event) { o(e) }

func TestContextThatEndsInThePauseIsFoundInTheError(t *testing.T) {
	t.Parallel()
	var end context.CancelCauseFunc
	f := repeatable(t, 1, func(cfg *poolsql.Config) {
		cfg.Observer = observer(func(e lifecycle.Event) {
			if e.Kind == lifecycle.KindRetry && e.Count == 6 { // few pauses end before they have begun
				end(errBored)
			}
		})
	})
	var ctx context.Context
	ctx, end = context.WithCancelCause(poolsql.WithRetries(f.ctx, 50))
	defer end(nil)
	_, err := f.db.ExecContext(ctx, "select failing('40001', 100)")
	var told *pooldriver.RetryError
	if !errors.As(err, &told) || !errors.Is(err, context.Canceled) || codeOf(err) != "40001" {
		t.Errorf("got %v", err)
	}
	if n := f.runs(); n != 5 {
		t.Errorf("ran %d times, want 5", n)
	}
	f.free("afterwards")
}

var errBored = errors.New("bored")

func TestRetriesStayWithinTheirBudgetWhenEverythingFails(t *testing.T) {
	t.Parallel()
	f := repeatable(t, 4)
	ctx := poolsql.WithRetries(f.ctx, 3)
	const statements = 400
	var all sync.WaitGroup
	var n, refused atomic.Int64
	for range 16 {
		all.Go(func() {
			for n.Add(1) <= statements {
				_, err := f.db.ExecContext(ctx, "select failing('40001', 1000000)")
				var told *pooldriver.RetryError
				if errors.As(err, &told) && strings.Contains(told.Why, "budget") {
					refused.Add(1)
				}
			}
		})
	}
	all.Wait()
	if ran := f.runs(); ran > statements+100+statements/5 || ran < statements+100 {
		t.Errorf("%d statements ran %d times", statements, ran)
	}
	if refused.Load() == 0 {
		t.Error("nobody was told of the budget")
	}
}

func TestWaitingForADatabaseThatIsDownIsNoRetry(t *testing.T) {
	t.Parallel()
	f, d := openPrivate(t, 4, nil)
	if err := d.Server.Stop(f.ctx, testdb.Fast); err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.ExecContext(f.ctx, "select 1"); !errors.Is(err, priority.ErrUnavailable) {
		t.Errorf("without retries: %v", err)
	}
	ctx := poolsql.WithRetries(f.ctx, 1)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := f.db.ExecContext(ctx, "select 1"); err != nil {
				t.Error(err)
			}
		})
	}
	f.await("all to wait", func() bool { return f.c.Stats().Waiting == 20 })
	failed := f.c.Stats().ConnectErrorCount
	f.await("several attempts to fail", func() bool { return f.c.Stats().ConnectErrorCount > failed+3 })
	if err := d.Server.Restart(f.ctx, testdb.Fast); err != nil {
		t.Fatal(err)
	}
	all.Wait()
	if n := f.events.count(lifecycle.KindRetry); n != 0 {
		t.Errorf("%d retries", n)
	}
}

func TestFullServerIsWaitedForByThoseWhoMay(t *testing.T) {
	t.Parallel()
	var d *testdb.DB
	f := patient(t, 8, func(cfg *poolsql.Config) {
		d = testdb.Private(t, "max_connections = 6", "superuser_reserved_connections = 3")
		dsn, err := d.OrdinaryDSN(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		cfg.ConnConfig = parse(t, dsn)
	})
	f.dsn = f.c.Config().ConnConfig.ConnString()
	hogs := []*pgx.Conn{f.outside(), f.outside(), f.outside()}
	_, err := f.db.ExecContext(f.ctx, "select 1")
	if codeOf(err) != "53300" || !errors.Is(err, priority.ErrUnavailable) {
		t.Errorf("no connection is there: %v", err)
	}
	done := make(chan error, 1)
	go func() { _, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, 1), "select 1"); done <- err }()
	f.await("somebody to wait", func() bool { return f.c.Stats().Waiting == 1 })
	failed := f.c.Stats().ConnectErrorCount
	f.await("several attempts to fail", func() bool { return f.c.Stats().ConnectErrorCount > failed+2 })
	hogs[0].Close(f.ctx)
	if err := <-done; err != nil {
		t.Errorf("with retries: %v", err)
	}
	f.hundred()                                         // on the one that there is
	if s := f.c.Stats(); s.IdleConns+s.InUseConns > 1 { // others may be on their way, to be refused
		t.Errorf("%d connections", s.IdleConns+s.InUseConns)
	}
}

// Of another driver's errors nobody can say whether the statement ran, but for driver.ErrBadConn.
func TestStatementOfAnotherDriverRunsAgainOnlyIfItDidNotRun(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	for want, fails := range map[int]error{1: errBored, 3: driver.ErrBadConn} {
		tries := 0
		f := &fake{wrap: contextual}
		db, _ := onFake(t, f, 1)
		f.failing = func(_ int, op string) error {
			if tries++; op == "exec" && tries < 3 {
				return fails
			}
			return nil
		}
		_, err := db.ExecContext(poolsql.WithRetries(t.Context(), 5), "any")
		if tries != want || (err == nil) != (want == 3) {
			t.Errorf("%v: tried %d times: %v", fails, tries, err)
		}
	}
}

func ExampleRetryError() {
	err := error(&pooldriver.RetryError{
		Tries: 3, Took: 42 * time.Millisecond, First: errors.New("unexpected EOF"), Err: errors.New("deadlock detected"),
	})
	fmt.Println(err)
	// Output: poolsql: tried 3 times in 42ms: deadlock detected (at first: unexpected EOF)
}
