package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// A follower is a Tracer that keeps what it is told.
type follower struct {
	mu     sync.Mutex
	open   int
	starts []pooldriver.OperationStart
	ends   []pooldriver.OperationEnd
	wrong  []string
}

type followed struct{}

func (f *follower) StartOperation(ctx context.Context, op pooldriver.OperationStart) context.Context {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open++
	f.starts = append(f.starts, op)
	return context.WithValue(ctx, followed{}, op.Kind)
}

func (f *follower) EndOperation(ctx context.Context, op pooldriver.OperationEnd) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.open--
	f.ends = append(f.ends, op)
	if ctx.Value(followed{}) != op.Kind {
		f.wrong = append(f.wrong, fmt.Sprintf("the end of %s came with the context of %v", op.Kind, ctx.Value(followed{})))
	}
}

// take returns what has ended since the last take, and checks that nothing is open and everything has ended in its own
// context.
func (f *follower) take(t *testing.T) []pooldriver.OperationEnd {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.open != 0 || len(f.wrong) > 0 {
		t.Errorf("%d operations have not ended; %s", f.open, strings.Join(f.wrong, "; "))
	}
	ends := f.ends
	f.ends, f.starts = nil, nil
	return ends
}

func traced(t *testing.T, conns int, change ...func(*poolsql.Config)) (*fixture, *follower) {
	t.Helper()
	tracer := new(follower)
	f := open(t, conns, append(change, func(cfg *poolsql.Config) { cfg.Tracer = tracer })...)
	return f, tracer
}

func TestTracerFollowsEachOperation(t *testing.T) {
	t.Parallel()
	f, tracer := traced(t, 2)
	ctx := poolsql.WithTenant(poolsql.WithLabel(poolsql.WithPriority(f.ctx, poolsql.High), "checkout"), "acme")
	kinds := func(what string, want ...string) (ends []pooldriver.OperationEnd) {
		t.Helper()
		ends = tracer.take(t)
		var got []string
		for _, e := range ends {
			got = append(got, e.Kind.String())
			if e.Err != nil || e.Code != "" || e.Conn == 0 || e.PID == 0 || e.Tries != 1 || e.Duration <= 0 || e.Wait > e.Duration {
				t.Errorf("%s: %+v", what, e)
			}
			if e.Kind != pooldriver.OpQuery && e.Rows != -1 {
				t.Errorf("%s: a %s returned %d rows", what, e.Kind, e.Rows)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s: told of %q, want %q", what, got, want)
		}
		return ends
	}

	if _, err := f.db.ExecContext(ctx, "select 'secret', $1::text", "argument"); err != nil {
		t.Fatal(err)
	}
	start := tracer.starts[0]
	want := pooldriver.OperationStart{
		Kind: pooldriver.OpExec, Pool: "poolsql", SQL: "select 'secret', $1::text", Class: poolsql.High, Label: "checkout", Tenant: "acme",
	}
	if start != want {
		t.Errorf("began with %+v, want %+v", start, want)
	}
	kinds("exec", "exec")

	rows, err := f.db.QueryContext(ctx, "select generate_series(1, 5)")
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		rows.Next()
	}
	if n := len(tracer.ends); n != 0 {
		t.Errorf("%d operations ended while rows are open", n)
	}
	rows.Close()
	if ends := kinds("query", "query"); ends[0].Rows != 3 {
		t.Errorf("%d rows were read, want 3", ends[0].Rows)
	}

	if err := f.db.PingContext(ctx); err != nil {
		t.Fatal(err)
	}
	kinds("ping", "ping")
	if err := f.c.Do(ctx, func(*pgx.Conn) error { return nil }); err != nil {
		t.Fatal(err)
	}
	kinds("do", "do")

	tx, err := f.db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	st, err := tx.PrepareContext(ctx, "select $1::int")
	if err != nil {
		t.Fatal(err)
	}
	var n int
	if err := st.QueryRowContext(ctx, 7).Scan(&n); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Fatal(err)
	}
	ends := kinds("transaction", "begin", "prepare", "query", "commit")
	for _, e := range ends {
		if e.Conn != ends[0].Conn || e.PID != ends[0].PID {
			t.Errorf("one transaction on two connections: %+v and %+v", ends[0], e)
		}
	}
	if tx, err = f.db.BeginTx(ctx, nil); err != nil {
		t.Fatal(err)
	}
	_ = tx.Rollback()
	kinds("roll-back", "begin", "rollback")
}

// Rows that are read while other statements of the same *sql.Conn run keep their own trace.
func TestTracesOfRowsAndStatementsDoNotMix(t *testing.T) {
	t.Parallel()
	f, tracer := traced(t, 1, func(cfg *poolsql.Config) { cfg.MaxConns = 2 })
	outer, err := f.db.QueryContext(f.ctx, "select generate_series(1, 3)")
	if err != nil {
		t.Fatal(err)
	}
	for outer.Next() {
		f.exec("select 1")
	}
	var kinds []string
	for _, e := range tracer.take(t) {
		kinds = append(kinds, e.Kind.String())
	}
	if got := strings.Join(kinds, " "); got != "exec exec exec query" {
		t.Errorf("ended in the order %s", got)
	}
}

func TestTracerHearsWhatWentWrong(t *testing.T) {
	t.Parallel()
	f, tracer := traced(t, 1)
	one := func(what, code string) pooldriver.OperationEnd {
		t.Helper()
		ends := tracer.take(t)
		if len(ends) != 1 || ends[0].Code != code || ends[0].Err == nil {
			t.Errorf("%s: %+v, want one with code %s", what, ends, code)
			return pooldriver.OperationEnd{}
		}
		return ends[0]
	}
	_, err := f.db.ExecContext(f.ctx, "select 1/0")
	if e := one("division", "22012"); e.Err != err {
		t.Errorf("the tracer heard %v, the caller %v", e.Err, err)
	}
	rows, err := f.db.QueryContext(f.ctx, "select 1/(3-g) from generate_series(1, 4) g")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	rows.Close()
	if e := one("in the rows", "22012"); e.Rows != 2 {
		t.Errorf("%d rows were read, want 2", e.Rows)
	}

	holder, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	tracer.take(t)
	short, cancel := context.WithTimeout(f.ctx, 50*time.Millisecond)
	defer cancel()
	if _, err := f.db.ExecContext(short, "select 1"); err == nil {
		t.Fatal("two have the only connection")
	}
	if e := one("turned away", "timeout"); e.Conn != 0 || e.Tries != 0 || e.Wait < 40*time.Millisecond {
		t.Errorf("turned away after 50 ms: %+v", e)
	}
	waited := make(chan error, 1)
	go func() { waited <- f.db.PingContext(f.ctx) }()
	f.await("somebody to wait", func() bool { return f.c.Stats().Waiting == 1 })
	const hold = 100 * time.Millisecond
	time.Sleep(hold) // while he waits
	_ = holder.Rollback()
	if err := <-waited; err != nil {
		t.Fatal(err)
	}
	ends := tracer.take(t)
	if last := ends[len(ends)-1]; last.Kind != pooldriver.OpPing || last.Wait < hold || last.Duration < last.Wait {
		t.Errorf("who waited for more than %s: %+v", hold, last)
	}
}

func TestTracerHearsOfPanics(t *testing.T) {
	t.Parallel()
	f, tracer := traced(t, 1)
	func() {
		defer func() { _ = recover() }()
		_ = f.c.Do(f.ctx, func(*pgx.Conn) error { panic("hook") })
	}()
	ends := tracer.take(t)
	if len(ends) != 1 || ends[0].Code != "panic" {
		t.Errorf("%+v", ends)
	}
}

// A raging follower panics when an operation begins, or when one ends.
type raging struct{ atStart, atEnd atomic.Bool }

func (r *raging) StartOperation(ctx context.Context, _ pooldriver.OperationStart) context.Context {
	if r.atStart.Load() {
		panic(bang)
	}
	return ctx
}

func (r *raging) EndOperation(context.Context, pooldriver.OperationEnd) {
	if r.atEnd.Load() {
		panic(bang)
	}
}

func TestPanicOfAFollowerLosesNoConnection(t *testing.T) {
	t.Parallel()
	tracer := new(raging)
	f := open(t, 1, func(cfg *poolsql.Config) { cfg.Tracer = tracer })
	inConn := func(call func(*sql.Conn)) func() {
		return func() {
			conn, err := f.db.Conn(f.ctx)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			call(conn)
		}
	}
	for name, call := range map[string]func(){
		"exec":         func() { _, _ = f.db.ExecContext(f.ctx, "select 1") },
		"query":        func() { rows, _ := f.db.QueryContext(f.ctx, "select 1"); rows.Close() },
		"failed query": func() { _, _ = f.db.QueryContext(f.ctx, "select 1/0") },
		"prepare":      func() { _, _ = f.db.PrepareContext(f.ctx, "select 1") },
		"begin":        func() { _, _ = f.db.BeginTx(f.ctx, nil) },
		"ping":         func() { _ = f.db.PingContext(f.ctx) },
		"do":           func() { _ = f.c.Do(f.ctx, func(*pgx.Conn) error { return nil }) },
		"do, failed":   func() { _ = f.c.Do(f.ctx, func(*pgx.Conn) error { panic("another") }) },
		"held":         inConn(func(conn *sql.Conn) { _, _ = conn.ExecContext(f.ctx, "select 1") }),
	} {
		for when, rage := range map[string]*atomic.Bool{"start": &tracer.atStart, "end": &tracer.atEnd} {
			rage.Store(true)
			if v := survives(call); v != bang {
				t.Errorf("%s, at its %s: panicked with %v", name, when, v)
			}
			rage.Store(false)
			f.free(name + ", at its " + when)
			f.exec("select 1")
		}
	}
}

func TestTracerHearsOfEachTry(t *testing.T) {
	t.Parallel()
	tracer := new(follower)
	f := repeatable(t, 1, func(cfg *poolsql.Config) { cfg.Tracer = tracer })
	tracer.take(t)
	if _, err := f.db.ExecContext(poolsql.WithRetries(f.ctx, 3), "select failing('40001', 3)"); err != nil {
		t.Fatal(err)
	}
	if ends := tracer.take(t); len(ends) != 1 || ends[0].Tries != 3 || ends[0].Err != nil {
		t.Errorf("%+v, want one that was sent 3 times", ends)
	}
}

func TestObserversHearOfRowsAndContexts(t *testing.T) {
	t.Parallel()
	f := open(t, 1)
	ctx := context.WithValue(f.ctx, followed{}, true)
	rows, err := f.db.QueryContext(ctx, "select generate_series(1, 5)")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if _, err := f.db.ExecContext(ctx, "select 1"); err != nil {
		t.Fatal(err)
	}
	if _, err := f.db.ExecContext(ctx, "select 1/0"); err == nil {
		t.Fatal("no error")
	}
	var counts []int
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	for _, e := range f.events.events {
		if e.Kind == lifecycle.KindOperation || e.Kind == lifecycle.KindError {
			counts = append(counts, e.Count)
			if e.Context == nil || e.Context.Value(followed{}) != true {
				t.Errorf("%s came without its caller's context", e.Kind)
			}
		}
	}
	if want := []int{5, -1, -1}; !slices.Equal(counts, want) {
		t.Errorf("read %d rows, want %d", counts, want)
	}
}

// What a tracer puts into the context of an operation, observers find there: so an example of a duration leads to the span of
// that very operation.
func TestObserversAreToldUnderTheContextOfTheTracer(t *testing.T) {
	t.Parallel()
	f, tracer := traced(t, 1)
	for _, sql := range []string{"select 1", "select 1/0", "select 1/(2-g) from generate_series(1, 3) g"} {
		if rows, err := f.db.QueryContext(f.ctx, sql); err == nil {
			for rows.Next() {
			}
			rows.Close()
		}
		_, _ = f.db.ExecContext(f.ctx, sql)
	}
	told := 0
	f.events.mu.Lock()
	defer f.events.mu.Unlock()
	for _, e := range f.events.events {
		if e.Kind == lifecycle.KindOperation || e.Kind == lifecycle.KindError {
			told++
			if _, ok := e.Context.Value(followed{}).(pooldriver.OperationKind); !ok {
				t.Errorf("operation %d, %s with %d rows, is told under another context", told, e.Kind, e.Count)
			}
		}
	}
	if n := len(tracer.take(t)); n != told || n != 6 {
		t.Errorf("the tracer heard of %d operations, observers of %d, want 6", n, told)
	}
}

func TestCommentsReachTheServerAndKeepStatementsFew(t *testing.T) {
	t.Parallel()
	type asked struct {
		stable bool
		label  string
	}
	var mu sync.Mutex
	var calls []asked
	comment := func(ctx context.Context, stable bool) string {
		label := "none"
		if o, ok := ctx.Value(followed{}).(string); ok {
			label = o
		}
		mu.Lock()
		defer mu.Unlock()
		calls = append(calls, asked{stable, label})
		if !stable {
			return fmt.Sprintf("n='%d'", len(calls))
		}
		return "label='" + label + "'"
	}
	running := "select query from pg_stat_activity where pid = pg_backend_pid() and $1::int = 1"
	for mode, stable := range map[pgx.QueryExecMode]bool{
		pgx.QueryExecModeCacheStatement: true, pgx.QueryExecModeCacheDescribe: true, pgx.QueryExecModeDescribeExec: false,
		pgx.QueryExecModeExec: false, pgx.QueryExecModeSimpleProtocol: false,
	} {
		t.Run(mode.String(), func(t *testing.T) {
			f := open(t, 1, func(cfg *poolsql.Config) { cfg.Comment, cfg.ConnConfig.DefaultQueryExecMode = comment, mode })
			for range 5 {
				calls = nil
				var text string
				if err := f.db.QueryRowContext(context.WithValue(f.ctx, followed{}, "a"), running, 1).Scan(&text); err != nil {
					t.Fatal(mode, err)
				}
				want := " /*n='1'*/"
				if stable {
					want = " /*label='a'*/"
				}
				if !strings.HasSuffix(text, want) || len(calls) != 1 || calls[0].stable != stable {
					t.Errorf("%s: the server got %q, and Comment was asked %v", mode, text, calls)
				}
			}
			if n := f.c.Connections()[0].Prepared; stable && mode == pgx.QueryExecModeCacheStatement && n != 1 {
				t.Errorf("%s: %d statements are prepared, want 1", mode, n)
			}
			calls = nil
			if _, err := f.db.ExecContext(f.ctx, "select $1::int", pgx.QueryExecModeExec, 1); err != nil || calls[0].stable {
				t.Errorf("%s: a call that chose a mode of its own: %v, asked %v", mode, err, calls)
			}
			st, err := f.db.PrepareContext(f.ctx, "select $1::int")
			if err != nil {
				t.Fatal(err)
			}
			calls = nil
			if _, err := st.ExecContext(f.ctx, 1); err != nil || len(calls) != 0 {
				t.Errorf("%s: a prepared statement: %v, asked %v", mode, err, calls)
			}
			st.Close()
		})
	}
}

func TestCommentThatIsNoneFailsItsStatement(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{"*/ drop table accounts; /*", "a*", "/a", "a/*b", "a\x00b", "*"} {
		t.Run(fmt.Sprintf("%q", bad), func(t *testing.T) {
			f := open(t, 1, func(cfg *poolsql.Config) {
				cfg.Comment = func(context.Context, bool) string { return bad }
			})
			if _, err := f.db.ExecContext(f.ctx, "select 1"); err == nil || !strings.Contains(err.Error(), "not sent") {
				t.Errorf("%q: %v", bad, err)
			}
			if err := f.db.QueryRowContext(f.ctx, "select 1").Scan(new(int)); err == nil || errors.Is(err, sql.ErrNoRows) {
				t.Errorf("%q: %v", bad, err)
			}
			f.free("a refused comment")
		})
	}
}
