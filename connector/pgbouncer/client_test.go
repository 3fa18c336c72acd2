package pgbouncer_test

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector/pgbouncer"
	"github.com/poolsql/poolsql/internal/testdb"
)

// client returns one of the console that dsn leads to.
func client(t *testing.T, dsn string) *pgbouncer.Client {
	t.Helper()
	c, err := pgbouncer.New(dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// find returns the row of all that is right.
func find[T any](t *testing.T, all []T, err error, right func(T) bool) T {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range all {
		if right(one) {
			return one
		}
	}
	t.Fatalf("not in %+v", all)
	panic("unreachable")
}

func TestTheConsoleOfAPgBouncerThatRunsIsUnderstood(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	p := testdb.PgBouncer(t, db.Server, "transaction", "default_pool_size = 2", "reserve_pool_size = 1", "stats_period = 1")
	c := client(t, p.DSN(db.Name)) // whatever database it names
	ctx := t.Context()

	version, err := c.Version(ctx)
	if err != nil || !version.AtLeast(1, 8) || version.AtLeast(2, 0) {
		t.Errorf("version %s, %v", version, err)
	}
	t.Log("PgBouncer ", version)

	holder, waiter := connect(t, p.DSN(db.Name)), connect(t, p.DSN(db.Name))
	others := connect(t, p.DSN(db.Name))
	simple := pgx.QueryExecModeSimpleProtocol
	for _, conn := range []*pgx.Conn{holder, others} {
		if _, err := conn.Exec(ctx, "begin; select pg_sleep(0.01)", simple); err != nil {
			t.Fatal(err)
		}
	}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		if _, err := waiter.Exec(ctx, "select 1", simple); err != nil {
			t.Error(err)
		}
	})
	mine := func(p pgbouncer.Pool) bool { return p.Database == db.Name }
	var pool pgbouncer.Pool
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		all, err := c.Pools(ctx)
		if pool = find(t, all, err, mine); pool.ClientsWaiting == 1 && pool.MaxWait > 0 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("nobody waits: %+v", pool)
		}
	}
	if pool.PoolMode != "transaction" || pool.User == "" || pool.ClientsActive != 2 || pool.ServersActive != 2 ||
		pool.Servers() != 2 || pool.MaxWait > 10*time.Second {
		t.Errorf("%+v", pool)
	}
	if version.AtLeast(1, 18) != pool.CancelsActive.Valid || version.AtLeast(1, 18) != pool.ServersCanceled.Valid {
		t.Errorf("of %s: %+v", version, pool)
	}
	for _, conn := range []*pgx.Conn{holder, others} {
		if _, err := conn.Exec(ctx, "commit", simple); err != nil {
			t.Fatal(err)
		}
	}
	waiting.Wait()

	stats, err := c.Stats(ctx)
	s := find(t, stats, err, func(s pgbouncer.Stats) bool { return s.Database == db.Name })
	if s.Transactions < 3 || s.Queries < 5 || s.Received == 0 || s.Sent == 0 || s.WaitTime <= 0 ||
		s.TransactionTime < 20*time.Millisecond || s.QueryTime < 20*time.Millisecond || s.QueryTime > time.Minute {
		t.Errorf("%+v", s)
	}
	if version.AtLeast(1, 23) != s.ServerAssignments.Valid || version.AtLeast(1, 24) != s.Binds.Valid {
		t.Errorf("of %s: %+v", version, s)
	}
	lists, err := c.Lists(ctx)
	if err != nil || lists.Databases < 2 || lists.Users < 1 || lists.Pools < 2 || lists.UsedClients < 4 || lists.UsedServers < 2 {
		t.Errorf("%+v, %v", lists, err)
	}
	if version.AtLeast(1, 19) != lists.Peers.Valid {
		t.Errorf("of %s: %+v", version, lists)
	}
	databases, err := c.Databases(ctx)
	d := find(t, databases, err, func(d pgbouncer.Database) bool { return d.Name == db.Name })
	if d.Database != db.Name || d.Host != "127.0.0.1" || d.Port == 0 || d.PoolSize != 2 || d.CurrentConnections != 2 || d.Paused ||
		d.Disabled || !d.ReservePool.Valid || d.ReservePool.V != 1 {
		t.Errorf("%+v", d)
	}
	settings, err := c.Settings(ctx)
	if err != nil || settings["pool_mode"] != "transaction" {
		t.Errorf("pool_mode %q, %v", settings["pool_mode"], err)
	}
	if _, ok := settings["max_prepared_statements"]; ok != version.AtLeast(1, 21) {
		t.Errorf("of %s: max_prepared_statements %t", version, ok)
	}
}

func TestAConsoleThatIsGoneOrRefusesOrIsNoneIsAnErrorWithoutSecrets(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	p := testdb.PgBouncer(t, db.Server, "session")
	for name, dsn := range map[string]string{
		"nobody listens":     "postgres://u:SECRET@127.0.0.1:1/pgbouncer?connect_timeout=3",
		"the wrong password": strings.Replace(p.ConsoleDSN(), "@", "SECRET@", 1),
		"a server":           db.TCPDSN,
	} {
		_, err := client(t, dsn).Pools(t.Context())
		if err == nil || strings.Contains(err.Error(), "SECRET") || !strings.Contains(err.Error(), "SHOW POOLS") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := pgbouncer.New("postgres://u:SECRET@[::/pgbouncer"); err == nil || strings.Contains(err.Error(), "SECRET") {
		t.Error(err)
	}
	c := client(t, p.ConsoleDSN())
	if _, err := c.Version(t.Context()); err != nil {
		t.Fatal(err)
	}
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Version(ended); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if _, err := c.Version(t.Context()); !errors.Is(err, pgbouncer.ErrClosed) {
		t.Error(err)
	}
}

func connect(t *testing.T, dsn string) *pgx.Conn {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	return conn
}
