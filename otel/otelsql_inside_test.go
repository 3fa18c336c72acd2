package poolotel_test

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/XSAM/otelsql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// inside returns a connector of pgx with otelsql around each physical connection, for Config.Connector.
func inside(t *testing.T, dsn string, opts ...otelsql.Option) driver.Connector {
	t.Helper()
	c, err := otelsql.WrapDriver(stdlib.GetDefaultDriver(), opts...).(driver.DriverContext).OpenConnector(dsn)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// openInside opens a database whose connections otelsql is around.
func openInside(t *testing.T, cfg connector.Config, dsn string) (*sql.DB, *connector.Connector, spans) {
	t.Helper()
	all := newSpans()
	cfg.Connector = inside(t, dsn, otelsql.WithTracerProvider(all))
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := connector.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(); <-pool.Done() })
	return db, pool, all
}

func TestOtelsqlInsidePoolsqlWorks(t *testing.T) {
	testdb.NoLeaks(t)
	db, pool, all := openInside(t, connector.Config{MaxConns: 2}, testdb.New(t).DSN)
	caller := all.under(t.Context(), func(ctx context.Context) { use(ctx, t, db) })
	ended := all.take()
	for _, name := range append([]string{"sql.connector.connect"}, otelsqlSpans...) {
		i := slices.IndexFunc(ended, func(s stub) bool { return s.Name == name })
		if i < 0 {
			t.Errorf("there is no %s: %q", name, names(ended))
			continue
		}
		if dial := name == "sql.connector.connect"; (ended[i].Parent.SpanID() == caller.SpanID()) == dial {
			t.Errorf("%s is under its caller: %t; a connection is nobody's", name, !dial)
		}
	}
	connects := 0
	for _, s := range ended {
		if s.Name == "sql.connector.connect" {
			connects++
		}
	}
	if n := pool.Stats().NewConnsCount; uint64(connects) != n {
		t.Errorf("%d spans of %d connections that were opened", connects, n)
	}
	keepsItsConnection(t.Context(), t, db)
	if s := pool.Stats(); s.InUseConns != 0 || s.TotalConns > 2 {
		t.Errorf("%d in use of %d", s.InUseConns, s.TotalConns)
	}
}

// What the package's documentation says is lost with otelsql inside is lost, and poolsql says so where it can.
func TestWhatIsLostWithOtelsqlInside(t *testing.T) {
	testdb.NoLeaks(t)
	dsn := testdb.New(t).DSN
	db, pool, _ := openInside(t, connector.Config{MaxConns: 1}, dsn)
	ctx := t.Context()

	t.Run("scan types", func(t *testing.T) {
		rows, err := db.QueryContext(ctx, "select 1::bigint")
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		types, err := rows.ColumnTypes()
		if err != nil || types[0].ScanType() != reflect.TypeFor[any]() {
			t.Errorf("%v, %v", types, err)
		}
	})
	t.Run("pgx itself", func(t *testing.T) {
		err := pool.Do(ctx, func(*pgx.Conn) error { t.Error("it was lent"); return nil })
		if err == nil || !strings.Contains(err.Error(), "not pgx's") {
			t.Errorf("%v", err)
		}
	})
	t.Run("the server's process and the statement cache", func(t *testing.T) {
		for range 3 {
			if _, err := db.ExecContext(ctx, "select $1::int", 1); err != nil {
				t.Fatal(err)
			}
		}
		if s, c := pool.Stats(), pool.Connections(); s.StatementHits != 0 || len(c) != 1 || c[0].PID != 0 {
			t.Errorf("%d hits, %+v", s.StatementHits, c)
		}
	})
	t.Run("the connection of a statement that is canceled", func(t *testing.T) {
		before := pool.Stats().NewConnsCount
		short, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		_, err := db.ExecContext(short, "select pg_sleep(30)")
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v", err)
		}
		if err := db.PingContext(ctx); err != nil {
			t.Fatal(err)
		}
		if n := pool.Stats().NewConnsCount - before; n != 1 {
			t.Errorf("%d connections were opened in its place, want 1", n)
		}
	})
	t.Run("limits and hooks", func(t *testing.T) {
		cfg := connector.Config{Connector: inside(t, dsn), StatementTimeout: time.Second, ResetQuery: "discard all"}
		if err := cfg.Validate(); err == nil || strings.Count(err.Error(), "beside Connector") != 2 {
			t.Errorf("%v", err)
		}
	})
}

// What is not pgx's is not lost: classes, tenants, the queue, our own spans and metrics.
func TestOurSpansAreAroundOtelsqlsInside(t *testing.T) {
	testdb.NoLeaks(t)
	all := newSpans()
	cfg := connector.Config{
		MaxConns: 1, Connector: inside(t, testdb.New(t).DSN, otelsql.WithTracerProvider(all)),
		Tracer: poolotel.NewTracer(poolotel.WithTracerProvider(all), poolotel.WithoutSpansOf(pooldriver.OpPing)),
	}
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := connector.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { db.Close(); <-pool.Done() }()
	if err := db.PingContext(t.Context()); err != nil {
		t.Fatal(err)
	}
	all.take()
	if _, err := db.ExecContext(priority.WithLabel(t.Context(), "checkout"), "select 1"); err != nil {
		t.Fatal(err)
	}
	ended := all.take()
	inner := slices.IndexFunc(ended, func(s stub) bool { return s.Name == "sql.conn.exec" })
	outer := slices.IndexFunc(ended, func(s stub) bool { return s.Name == "checkout" })
	if inner < 0 || outer < 0 || ended[inner].Parent.SpanID() != ended[outer].SpanContext.SpanID() {
		t.Errorf("spans %q", names(ended))
	}
}
