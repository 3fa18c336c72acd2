package poolotel_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// openAround opens a database with otelsql around poolsql's connector.
func openAround(t *testing.T, cfg connector.Config, opts ...otelsql.Option) (*sql.DB, *connector.Connector, spans) {
	t.Helper()
	all := newSpans()
	pool := connector.NewConnector(cfg)
	db := otelsql.OpenDB(pool, append(opts, otelsql.WithTracerProvider(all))...)
	t.Cleanup(func() { db.Close(); <-pool.Done() })
	return db, pool, all
}

// use runs one of everything on db.
func use(ctx context.Context, t *testing.T, db *sql.DB) {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var n int
	must(db.QueryRowContext(ctx, "select 1411122223").Scan(&n))
	_, err := db.ExecContext(ctx, "create table if not exists a (id int)")
	must(err)
	st, err := db.PrepareContext(ctx, "select $1::int")
	must(err)
	must(st.QueryRowContext(ctx, 1411122223).Scan(&n))
	must(st.Close())
	tx, err := db.BeginTx(ctx, nil)
	must(err)
	_, err = tx.ExecContext(ctx, "insert into a values ($1)", 1411122223)
	must(errors.Join(err, tx.Commit(), db.PingContext(ctx)))
}

// otelsqlSpans are those that otelsql makes of use.
var otelsqlSpans = []string{
	"sql.conn.query", "sql.conn.exec", "sql.conn.prepare", "sql.stmt.query", "sql.conn.begin_tx", "sql.tx.commit",
}

func TestOtelsqlAroundPoolsqlMakesNoSpanForASession(t *testing.T) {
	testdb.NoLeaks(t)
	ofSessions := []string{"sql.connector.connect", "sql.conn.reset_session"}
	for _, c := range []struct {
		name    string
		opts    []otelsql.Option
		idle    int
		without []string
	}{
		{"with our options", poolotel.OtelsqlOptions(), 1 << 16, ofSessions},
		{"with our options and few idle sessions", poolotel.OtelsqlOptions(), 0, ofSessions},
		{"without them there are such spans", nil, 1 << 16, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			db, _, all := openAround(t, connector.Config{DSN: testdb.New(t).DSN, MaxConns: 2}, c.opts...)
			db.SetMaxIdleConns(c.idle)
			caller := all.under(t.Context(), func(ctx context.Context) { use(ctx, t, db) })
			ended := all.take()
			got := names(ended)
			for _, name := range otelsqlSpans {
				if !slices.Contains(got, name) {
					t.Errorf("there is no %s: %q", name, got)
				}
			}
			for _, name := range ofSessions {
				if slices.Contains(got, name) == slices.Contains(c.without, name) {
					t.Errorf("%s is among the spans: %t", name, slices.Contains(got, name))
				}
			}
			for _, s := range ended {
				if s.Parent.SpanID() != caller.SpanID() {
					t.Errorf("%s is not under its caller", s.Name)
				}
				if text := fmt.Sprintf("%+v", s); c.without != nil && strings.Contains(text, "1411122223") {
					t.Errorf("it tells a literal: %s", text)
				}
			}
		})
	}
}

func TestOtelsqlAroundPoolsqlTellsNothingOfWhatTheServerSaid(t *testing.T) {
	testdb.NoLeaks(t)
	server := testdb.New(t)
	db, _, all := openAround(t, connector.Config{
		DSN: server.DSN, MaxConns: 1, AcquireTimeout: 500 * time.Millisecond,
	}, poolotel.OtelsqlOptions()...)
	ctx := t.Context()
	conn, err := db.Conn(ctx)
	if err != nil {
		t.Fatal(err)
	}
	// a text that the server quotes
	quote := func(ctx context.Context, on interface {
		ExecContext(context.Context, string, ...any) (sql.Result, error)
	}) {
		all.take()
		_, err = on.ExecContext(ctx, "select '1411122223x'::int")
	}
	sleep := func(ctx context.Context) {
		all.take()
		_, err = conn.ExecContext(ctx, "select pg_sleep(1411122223)")
	}
	for _, c := range []struct {
		name, kind, state string
		do                func()
	}{
		{"the server refuses", "22P02", "22P02", func() { quote(ctx, conn) }},
		{"no connection in time", "timeout", "", func() { quote(ctx, db) }},
		{"the caller leaves", "canceled", "57014", func() {
			ctx, cancel := context.WithCancel(ctx)
			var leaver sync.WaitGroup
			defer leaver.Wait()
			leaver.Go(func() { defer cancel(); atWork(t, server) })
			sleep(ctx)
		}},
		{"the statement takes too long", "timeout", "57014", func() {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			sleep(ctx)
		}},
		{"rows are open", "busy", "", func() {
			rows, _ := conn.QueryContext(ctx, "select generate_series(1, 3)")
			defer rows.Close()
			quote(ctx, conn)
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.do(); err == nil {
				t.Fatal("it did not fail")
			}
			s := all.take()[0]
			kind, state := value(s, "error.type").AsString(), value(s, "db.response.status_code").AsString()
			if kind != c.kind || state != c.state {
				t.Errorf("%s, want %s and %q: %v", attributes(s), c.kind, c.state, err)
			}
			if text := fmt.Sprintf("%+v", s); strings.Contains(text, "1411122223") {
				t.Errorf("it tells a literal: %s", text)
			}
		})
	}
	conn.Close()
}

func TestOtelsqlAroundPoolsqlKeepsWhatPoolsqlPromises(t *testing.T) {
	testdb.NoLeaks(t)
	var rebound sync.Map
	db, pool, _ := openAround(t, connector.Config{
		DSN: testdb.New(t).DSN, MaxConns: 3,
		Observer: lifecycle.ObserverFunc(func(e lifecycle.Event) {
			if e.Kind == lifecycle.KindRebound {
				rebound.Store(e.Kind, true)
			}
		}),
	}, poolotel.OtelsqlOptions()...)
	db.SetMaxIdleConns(1 << 16)
	ctx := priority.WithLabel(t.Context(), "checkout")

	found, err := connector.FromDB(db)
	if err != nil || found != pool {
		t.Errorf("FromDB found %p (%v), want %p", found, err, pool)
	}
	if n := pool.Stats().NewConnsCount; n != 0 {
		t.Errorf("looking cost %d connections", n)
	}

	var wg sync.WaitGroup
	for range 30 {
		wg.Go(func() {
			for range 10 {
				keepsItsConnection(ctx, t, db)
			}
		})
	}
	wg.Wait()
	if s := pool.Stats(); s.InUseConns != 0 || s.TotalConns > 3 || s.Waiting != 0 {
		t.Errorf("%d in use of %d open, %d waiting", s.InUseConns, s.TotalConns, s.Waiting)
	}
	if _, told := rebound.Load(lifecycle.KindRebound); told {
		t.Error("a session was not told of its check-in")
	}
}

// keepsItsConnection holds that a transaction, and a *sql.Conn, stay on one connection.
func keepsItsConnection(ctx context.Context, t *testing.T, db *sql.DB) {
	pids := func(on interface {
		QueryRowContext(context.Context, string, ...any) *sql.Row
	}) (err error) {
		var first, second int
		err = errors.Join(
			on.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&first), on.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&second))
		if first != second {
			t.Errorf("it ran on %d and then on %d", first, second)
		}
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err == nil {
		err = errors.Join(pids(tx), tx.Commit())
	}
	if err != nil {
		t.Error(err)
	}
	conn, err := db.Conn(ctx)
	if err == nil {
		err = errors.Join(pids(conn), conn.Close())
	}
	if err != nil {
		t.Error(err)
	}
}

// otelsql's rows have no ColumnTypeScanType, so with it around anything the type to scan into is not known. With poolsql by
// itself it is.
func TestOtelsqlAroundAnythingLosesTheScanTypes(t *testing.T) {
	testdb.NoLeaks(t)
	cfg := connector.Config{DSN: testdb.New(t).DSN, MaxConns: 1}
	around, _, _ := openAround(t, cfg, poolotel.OtelsqlOptions()...)
	plain, _, _ := openTraced(t, cfg)
	for _, c := range []struct {
		name string
		db   *sql.DB
		want reflect.Type
	}{{"otelsql", around, reflect.TypeFor[any]()}, {"our tracer", plain, reflect.TypeFor[int64]()}} {
		rows, err := c.db.QueryContext(t.Context(), "select 1::bigint")
		if err != nil {
			t.Fatal(err)
		}
		types, err := rows.ColumnTypes()
		if err != nil || len(types) != 1 || types[0].ScanType() != c.want || types[0].DatabaseTypeName() != "INT8" {
			t.Errorf("%s: %s (%v), want %s", c.name, types[0].ScanType(), err, c.want)
		}
		if err := rows.Close(); err != nil {
			t.Error(err)
		}
	}
}

// With both, our spans are below otelsql's, and say what these do not.
func TestOurSpansAreBelowOtelsqls(t *testing.T) {
	testdb.NoLeaks(t)
	all := newSpans()
	cfg := connector.Config{DSN: testdb.New(t).DSN, MaxConns: 1}
	cfg.Tracer = poolotel.NewTracer(poolotel.WithTracerProvider(all))
	pool := connector.NewConnector(cfg)
	db := otelsql.OpenDB(pool, append(poolotel.OtelsqlOptions(), otelsql.WithTracerProvider(all))...)
	defer func() { db.Close(); <-pool.Done() }()
	all.under(t.Context(), func(ctx context.Context) {
		if _, err := db.ExecContext(ctx, "select 1"); err != nil {
			t.Fatal(err)
		}
	})
	parents := map[string]trace.SpanID{}
	ids := map[string]trace.SpanID{}
	for _, s := range all.take() {
		parents[s.Name], ids[s.Name] = s.Parent.SpanID(), s.SpanContext.SpanID()
	}
	if len(ids) != 2 || !parents["exec"].IsValid() || parents["exec"] != ids["sql.conn.exec"] {
		t.Errorf("spans %v under %v", ids, parents)
	}
}
