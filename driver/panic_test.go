package pooldriver_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

const bang = "bang"

type panickingValuer struct{}

func (panickingValuer) Value() (driver.Value, error) { panic(bang) }

// panickingTracer panics, while on, at the begin of what goes to the server, or at its end.
type panickingTracer struct {
	on    atomic.Bool
	atEnd bool
}

func (p *panickingTracer) start() {
	if p.on.Load() && !p.atEnd {
		panic(bang)
	}
}

func (p *panickingTracer) end() {
	if p.on.Load() && p.atEnd {
		panic(bang)
	}
}

func (p *panickingTracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	p.start()
	return ctx
}

func (p *panickingTracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) { p.end() }

func (p *panickingTracer) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	p.start()
	return ctx
}

func (p *panickingTracer) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {
	p.end()
}

// survives runs f as net/http runs a handler, and returns what it panicked with.
func survives(f func()) (v any) {
	defer func() { v = recover() }()
	f()
	return nil
}

func TestPanicOfAValuerLosesNoConnection(t *testing.T) {
	t.Parallel()
	f := patient(t, 2)
	st, err := f.db.PrepareContext(f.ctx, "select $1::text")
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	for name, call := range map[string]func(){
		"exec":            func() { _, _ = f.db.ExecContext(f.ctx, "select $1::text", panickingValuer{}) },
		"query":           func() { _, _ = f.db.QueryContext(f.ctx, "select $1::text", panickingValuer{}) },
		"row":             func() { f.db.QueryRowContext(f.ctx, "select $1::text", panickingValuer{}) },
		"statement exec":  func() { _, _ = st.ExecContext(f.ctx, panickingValuer{}) },
		"statement query": func() { _, _ = st.QueryContext(f.ctx, panickingValuer{}) },
		"transaction": func() {
			tx, err := f.db.BeginTx(f.ctx, nil)
			if err != nil {
				t.Error(err)
			}
			defer tx.Rollback()
			// After a panic in Query, database/sql holds a lock of the transaction's for ever, which no driver can help.
			_, _ = tx.ExecContext(f.ctx, "select $1::text", panickingValuer{})
		},
		"conn": func() {
			conn, err := f.db.Conn(f.ctx)
			if err != nil {
				t.Error(err)
			}
			defer conn.Close()
			_, _ = conn.ExecContext(f.ctx, "select $1::text", panickingValuer{})
		},
		"raw": func() { _ = raw(f.ctx, f.db, func(*pgx.Conn) error { panic(bang) }) },
		"do":  func() { _ = f.c.Do(f.ctx, func(*pgx.Conn) error { panic(bang) }) },
	} {
		for range 3 { // more often than there are connections
			if v := survives(call); v != bang {
				t.Errorf("%s: panicked with %v", name, v)
			}
			f.free(name)
		}
	}
	f.serves(2)
}

func TestPanicOfATracerLosesNoConnection(t *testing.T) {
	t.Parallel()
	for _, atEnd := range []bool{false, true} {
		name := map[bool]string{false: "at the start", true: "at the end"}[atEnd]
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tracer := &panickingTracer{atEnd: atEnd}
			f := patient(t, 2, func(cfg *poolsql.Config) { cfg.ConnConfig.Tracer = tracer })
			calls := tracedCalls(f, tracer)
			for name, call := range calls {
				for range 3 {
					v := survives(call)
					tracer.on.Store(false)
					if v != bang {
						t.Errorf("%s: panicked with %v", name, v)
					}
					f.awaitFree()
				}
			}
			f.serves(2)
		})
	}
}

// tracedCalls are the entry points at which a tracer is heard. Each turns it on when it is time.
func tracedCalls(f *fixture, tracer *panickingTracer) map[string]func() {
	begin := func() *sql.Tx {
		tx, err := f.db.BeginTx(f.ctx, nil)
		if err != nil {
			f.t.Error(err)
		}
		tracer.on.Store(true)
		return tx
	}
	calls := map[string]func(){
		"exec":  func() { tracer.on.Store(true); _, _ = f.db.ExecContext(f.ctx, "select 1") },
		"query": func() { tracer.on.Store(true); _, _ = f.db.QueryContext(f.ctx, "select $1::int", 1) },
		"prepare": func() {
			tracer.on.Store(true)
			_, _ = f.db.PrepareContext(f.ctx, "select 2")
		},
		"begin":    func() { tracer.on.Store(true); _, _ = f.db.BeginTx(f.ctx, nil) },
		"commit":   func() { _ = begin().Commit() },
		"rollback": func() { _ = begin().Rollback() },
	}
	if tracer.atEnd { // at the start the tracer is not heard any more
		calls["rows close"] = func() {
			rows, err := f.db.QueryContext(f.ctx, "select generate_series(1, 10)")
			if err != nil {
				f.t.Error(err)
			}
			tracer.on.Store(true)
			rows.Close()
		}
	}
	return calls
}

func TestPanicInAHookLosesNoConnection(t *testing.T) {
	t.Parallel()
	for _, hook := range []struct {
		name   string
		panics bool // or becomes an error, as the hook runs on no caller's goroutine
		set    func(cfg *poolsql.Config, bangs func())
	}{
		{"AfterConnect", false, func(cfg *poolsql.Config, bangs func()) {
			cfg.AfterConnect = func(context.Context, *pgx.Conn) error { bangs(); return nil }
		}},
		{"BeforeConnect", false, func(cfg *poolsql.Config, bangs func()) {
			cfg.BeforeConnect = func(context.Context, *pgx.ConnConfig) error { bangs(); return nil }
		}},
		{"ResetSession", true, func(cfg *poolsql.Config, bangs func()) {
			cfg.ResetSession = func(context.Context, *pgx.Conn) error { bangs(); return nil }
		}},
		{"ShouldPing", true, func(cfg *poolsql.Config, bangs func()) {
			cfg.ShouldPing = func(context.Context, stdlib.ShouldPingParams) bool { bangs(); return false }
		}},
	} {
		t.Run(hook.name, func(t *testing.T) {
			t.Parallel()
			var on atomic.Bool
			f := patient(t, 2, func(cfg *poolsql.Config) {
				hook.set(cfg, func() {
					if on.Load() {
						panic(bang)
					}
				})
			})
			if hook.panics {
				f.serves(2)
			}
			for range 3 {
				if !hook.panics {
					f.c.Reset() // so that a connection has to be opened
				}
				on.Store(true)
				var err error
				v := survives(func() { _, err = f.db.ExecContext(f.ctx, "select 1") })
				on.Store(false)
				if hook.panics && v != bang || !hook.panics && err == nil {
					t.Errorf("panicked with %v, failed with %v", v, err)
				}
				f.free("after the panic")
				f.await("the pool to try again", func() bool {
					_, err := f.db.ExecContext(f.ctx, "select 1")
					return err == nil
				})
			}
			f.serves(2)
		})
	}
}

// Whoever recovers a panic may go on with the transaction or the Conn. What he then sends must not run elsewhere: outside
// of his transaction, it would be committed at once.
func TestNothingRunsElsewhereAfterAPanicInATransaction(t *testing.T) {
	t.Parallel()
	f := patient(t, 2)
	f.exec("create table kept (id int)")
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	survives(func() { _, _ = tx.ExecContext(f.ctx, "select $1::text", panickingValuer{}) })
	var lost *pooldriver.LostError
	if _, err := tx.ExecContext(f.ctx, "insert into kept values (1)"); !errors.As(err, &lost) {
		t.Errorf("a statement after the panic: %v", err)
	}
	if err := tx.Commit(); !errors.As(err, &lost) {
		t.Errorf("commit after the panic: %v", err)
	}
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	survives(func() { _, _ = conn.ExecContext(f.ctx, "select $1::text", panickingValuer{}) })
	if _, err := conn.ExecContext(f.ctx, "insert into kept values (2)"); !errors.As(err, &lost) {
		t.Errorf("a statement on the Conn after the panic: %v", err)
	}
	conn.Close()
	if n := f.number("select count(*) from kept"); n != 0 {
		t.Errorf("%d statements ran outside of what they belonged to", n)
	}
	f.serves(2)
}

func codeOf(err error) string {
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		return pgErr.Code
	}
	return ""
}
