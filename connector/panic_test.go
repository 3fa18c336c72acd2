package connector_test

import (
	"context"

	"database/sql/driver"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// panicky is a pgx tracer that panics at a chosen statement, before it is sent or after.
type panicky struct{ at atomic.Pointer[string] }

func (p *panicky) arm(at string) { p.at.Store(&at) }

func (p *panicky) hit(where string) {
	if at := p.at.Load(); at != nil && *at == where {
		p.at.Store(nil)
		panic("tracer: " + where)
	}
}

func (p *panicky) TraceQueryStart(ctx context.Context, _ *pgx.Conn, data pgx.TraceQueryStartData) context.Context {
	p.hit("start " + data.SQL)
	return context.WithValue(ctx, p, data.SQL)
}

func (p *panicky) TraceQueryEnd(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryEndData) {
	p.hit(fmt.Sprint("end ", ctx.Value(p)))
}

func (p *panicky) TracePrepareStart(ctx context.Context, _ *pgx.Conn, data pgx.TracePrepareStartData) context.Context {
	p.hit("prepare " + data.SQL)
	return ctx
}

func (p *panicky) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {}

type badValuer struct{}

func (badValuer) Value() (driver.Value, error) { panic("valuer") }

// survive runs f as net/http runs a handler: a panic ends the call and not the program. It reports whether f panicked.
func survive(f func()) (panicked bool) {
	defer func() { panicked = recover() != nil }()
	f()
	return false
}

// A panic in any call must cost at most the connection it happened on: never a permit.
func TestPanicInAnyCallLosesNothing(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	config, err := pgx.ParseConfig(testdb.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	tracer := &panicky{}
	config.Tracer = tracer
	var hook atomic.Bool
	panicOnce := func() {
		if hook.CompareAndSwap(true, false) {
			panic("hook")
		}
	}
	db, err := connector.Open(connector.Config{
		ConnConfig: config, MaxConns: 1, AcquireTimeout: 5 * time.Second,
		ResetSession: func(context.Context, *pgx.Conn) error { panicOnce(); return nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	t.Cleanup(func() { db.Close(); <-c.Done() })
	ctx := context.Background()
	query := func(sql string, args ...any) {
		rows, err := db.QueryContext(ctx, sql, args...)
		if err != nil {
			t.Error(err)
			return
		}
		defer rows.Close()
		for rows.Next() {
		}
	}
	for name, f := range map[string]func(){
		"valuer in exec":      func() { db.ExecContext(ctx, "select $1::text", badValuer{}) },
		"valuer in query":     func() { query("select $1::text", badValuer{}) },
		"valuer in query row": func() { var s string; db.QueryRowContext(ctx, "select $1::text", badValuer{}).Scan(&s) },
		"valuer in a transaction": func() {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Error(err)
				return
			}
			defer tx.Rollback()
			tx.ExecContext(ctx, "select $1::text", badValuer{})
		},
		"valuer in a statement": func() {
			st, err := db.PrepareContext(ctx, "select $1::text")
			if err != nil {
				t.Error(err)
				return
			}
			defer st.Close()
			st.ExecContext(ctx, badValuer{})
		},
		"tracer before exec":   func() { tracer.arm("start select 11"); db.ExecContext(ctx, "select 11") },
		"tracer after exec":    func() { tracer.arm("end select 12"); db.ExecContext(ctx, "select 12") },
		"tracer before query":  func() { tracer.arm("start select 13"); query("select 13") },
		"tracer at rows' end":  func() { tracer.arm("end select 14"); query("select 14") },
		"tracer at prepare":    func() { tracer.arm("prepare select 15"); st, _ := db.PrepareContext(ctx, "select 15"); _ = st },
		"tracer at the begin":  func() { tracer.arm("start begin"); tx, _ := db.BeginTx(ctx, nil); _ = tx },
		"tracer after begin":   func() { tracer.arm("end begin"); tx, _ := db.BeginTx(ctx, nil); _ = tx },
		"tracer at the commit": func() { tracer.arm("start commit"); tx, _ := db.BeginTx(ctx, nil); tx.Commit() },
		"tracer after commit":  func() { tracer.arm("end commit"); tx, _ := db.BeginTx(ctx, nil); tx.Commit() },
		"tracer at rollback":   func() { tracer.arm("start rollback"); tx, _ := db.BeginTx(ctx, nil); tx.Rollback() },
		"hook before reuse":    func() { hook.Store(true); db.ExecContext(ctx, "select 16") },
		"function of Do":       func() { c.Do(ctx, func(*pgx.Conn) error { panic("do") }) },
		"function of Raw": func() {
			conn, err := db.Conn(ctx)
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			conn.Raw(func(driverConn any) error {
				driverConn.(interface{ Conn() *pgx.Conn }).Conn()
				panic("raw")
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := db.ExecContext(ctx, "select 1"); err != nil { // so that a used connection is there
				t.Fatal(err)
			}
			if !survive(f) {
				t.Error("no panic: the test does not test what it says")
			}
			tracer.at.Store(nil)
			hook.Store(false)
			await(t, func() bool { s := c.Stats(); return s.InUseConns == 0 && s.Waiting == 0 })
			if _, err := db.ExecContext(ctx, "select 2"); err != nil {
				t.Errorf("afterwards: %v", err)
			}
		})
	}
}

func TestPanicInAHookOfANewConnectionIsAnErrorOfTheCaller(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	dsn := testdb.New(t).DSN
	for name, cfg := range map[string]connector.Config{
		"AfterConnect":  {AfterConnect: func(context.Context, *pgx.Conn) error { panic("after") }},
		"BeforeConnect": {BeforeConnect: func(context.Context, *pgx.ConnConfig) error { panic("before") }},
	} {
		cfg.DSN, cfg.MaxConns = dsn, 1
		db, err := connector.Open(cfg)
		if err != nil {
			t.Fatal(err)
		}
		c, _ := connector.FromDB(db)
		if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "panic") {
			t.Errorf("%s: error %v, want one that tells of the panic", name, err)
		}
		db.Close()
		<-c.Done()
	}
}

func TestPanicInShouldPingLosesNothing(t *testing.T) {
	t.Parallel()
	var calls atomic.Int32
	db, c := open(t, connector.Config{MaxConns: 1, ShouldPing: func(context.Context, stdlib.ShouldPingParams) bool {
		if calls.Add(1) == 1 {
			panic("should ping")
		}
		return true
	}})
	use := func() (err error) { _, err = db.Exec("select 1"); return err }
	if err := use(); err != nil {
		t.Fatal(err)
	}
	if !survive(func() { use() }) {
		t.Error("no panic")
	}
	if err := use(); err != nil {
		t.Errorf("afterwards: %v", err)
	}
	await(t, func() bool { return c.Stats().InUseConns == 0 })
}
