package connector_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// backends returns how many server processes the test's database has, beside the one that is asked.
func backends(t *testing.T, admin *pgx.Conn) (n int) {
	t.Helper()
	if err := admin.QueryRow(context.Background(), `select count(*) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid()`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

// outside connects past the pool.
func outside(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}

func TestPrewarmRunsOnEachNewConnectionAfterAfterConnect(t *testing.T) {
	t.Parallel()
	db, c := open(t, connector.Config{
		MaxConns: 3,
		AfterConnect: func(ctx context.Context, conn *pgx.Conn) error {
			_, err := conn.Exec(ctx, "create temp table warm (step text)")
			return err
		},
		Prewarm: []string{"insert into warm values ('one'); insert into warm values ('two')", "insert into warm values ('three')"},
	})
	if err := c.Warmup(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	var together sync.WaitGroup
	for range 3 {
		together.Go(func() {
			var steps string
			err := db.QueryRow("select string_agg(step, ' ') from warm, pg_sleep(0.1)").Scan(&steps)
			if err != nil || steps != "one two three" {
				t.Errorf("%q, %v", steps, err)
			}
		})
	}
	together.Wait()
	if n := c.Stats().NewConnsCount; n != 3 {
		t.Errorf("%d connections opened, want 3", n)
	}
}

func TestWhatConfigReturnsIsTheCallersOwn(t *testing.T) {
	c := connector.NewConnector(connector.Config{DSN: "postgres://app@localhost/shop", Prewarm: []string{"select 1"}})
	c.Config().Prewarm[0] = "drop table item"
	if got := c.Config().Prewarm[0]; got != "select 1" {
		t.Errorf("new connections run %q", got)
	}
}

func TestAPrewarmThatFailsIsNamedAndLeavesNoConnection(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	admin := outside(t, d.DSN)
	db, err := connector.Open(connector.Config{DSN: d.DSN, MaxConns: 2, Prewarm: []string{"select 1", "select * from nowhere"}})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	for name, err := range map[string]error{"a call": db.Ping(), "Warmup": c.Warmup(t.Context(), 2)} {
		var pgErr *pgconn.PgError
		if err == nil || !strings.Contains(err.Error(), "Prewarm[1]: ") || !errors.As(err, &pgErr) || pgErr.Code != "42P01" {
			t.Errorf("%s: %v", name, err)
		}
	}
	await(t, func() bool { return c.Stats().TotalConns == 0 && backends(t, admin) == 0 })
}

func TestAPrewarmThatHangsEndsWithTheConnectTimeout(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	admin := outside(t, d.DSN)
	db, err := connector.Open(connector.Config{
		DSN: d.DSN, MaxConns: 2, ConnectTimeout: 300 * time.Millisecond, Prewarm: []string{"select pg_sleep(60)"},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	if err := db.Ping(); err == nil || !strings.Contains(err.Error(), "connect timeout of 300ms ran out") || !strings.Contains(err.Error(), "Prewarm[0]: ") {
		t.Errorf("%v", err)
	}
	await(t, func() bool { return c.Stats().TotalConns == 0 && backends(t, admin) == 0 })
}

// A connection that was opened and never used is slower at first: its caches are cold.
func TestWarmupUsesEachConnectionOnce(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	admin := outside(t, d.DSN)
	db, err := connector.Open(connector.Config{DSN: d.DSN, MaxConns: 4})
	if err != nil {
		t.Fatal(err)
	}
	c, _ := connector.FromDB(db)
	defer func() { db.Close(); <-c.Done() }()
	if err := c.Warmup(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	var used int
	if err := admin.QueryRow(t.Context(), `select count(*) from pg_stat_activity
		where datname = current_database() and pid <> pg_backend_pid() and state = 'idle' and query <> ''`).Scan(&used); err != nil {
		t.Fatal(err)
	}
	if s := c.Stats(); used != 3 || s.IdleConns != 3 || s.TotalConns != 3 {
		t.Errorf("%d were used, %d are idle of %d; want 3", used, s.IdleConns, s.TotalConns)
	}
}
