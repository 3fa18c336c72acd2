package connector_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// choosy is a setting that the server checks: it takes "none", and refuses "nonsense".
func choosy(dsn string) connector.Config {
	return connector.Config{
		DSN: dsn, MaxConns: 1, SessionSettings: []string{"plpgsql.extra_warnings=tenant"},
	}
}

const choose = "do $$ begin end $$" // before it the server does not know the setting

// A BEGIN whose settings the server refuses leaves no transaction behind: who keeps the connection would write into it, be told
// that all is well, and lose it.
func TestABeginWhoseSettingsAreRefusedLeavesNoTransaction(t *testing.T) {
	testdb.NoLeaks(t)
	tdb := testdb.New(t)
	for _, pooler := range []connector.PoolMode{connector.NoPgBouncer, connector.PoolTransaction} {
		t.Run(fmt.Sprint(pooler), func(t *testing.T) {
			cfg := choosy(tdb.DSN)
			cfg.PgBouncer = pooler
			db, _ := openRouted(t, cfg)
			ctx := t.Context()
			exec(t, db, ctx, choose)
			exec(t, db, ctx, "create table if not exists kept (n int)")
			exec(t, db, ctx, "truncate kept")
			held := conn(t, db, ctx)
			tx, err := held.BeginTx(priority.WithTenant(ctx, "nonsense"), nil)
			if err == nil {
				tx.Rollback()
				t.Fatal("the server takes anything")
			}
			if _, err := held.ExecContext(ctx, "insert into kept values (1)"); err != nil {
				t.Errorf("a write after it: %v", err)
			}
			held.Close()
			var n int
			if err := db.QueryRowContext(ctx, "select count(*) from kept").Scan(&n); err != nil || n != 1 {
				t.Errorf("%d of what was written is there: %v", n, err)
			}
		})
	}
}

// A setting that is refused before a statement whose plan has to go first costs that statement, and no answer goes to another.
func TestARefusedSettingBeforeAStalePlanLeavesTheNextStatementItsAnswer(t *testing.T) {
	testdb.NoLeaks(t)
	tdb := testdb.New(t)
	db, c := openRouted(t, choosy(tdb.DSN))
	ctx := priority.WithTenant(t.Context(), "none")
	const query = "select a from wide where a = $1"
	exec(t, db, ctx, choose)
	exec(t, db, ctx, "create table wide (a int)")
	exec(t, db, ctx, query, 1)
	exec(t, db, ctx, "alter table wide rename a to b")
	if _, err := db.ExecContext(ctx, query, 1); err == nil {
		t.Error("the column is there")
	}
	if _, err := db.ExecContext(priority.WithTenant(ctx, "nonsense"), query, 1); err == nil || strings.Contains(err.Error(), "42703") {
		t.Errorf("a setting that the server refuses: %v", err)
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	for n := range 5 {
		var got, is int
		err := tx.QueryRowContext(ctx, "select $1::int, 1", n).Scan(&got, &is)
		if err != nil || got != n || is != 1 {
			t.Fatalf("statement %d has the answer %d, %v", n, got, err)
		}
	}
	if err := tx.Commit(); err != nil {
		t.Error(err)
	}
	exec(t, db, ctx, "alter table wide rename b to a")
	exec(t, db, ctx, query, 1)
	if s := c.Stats(); s.NewConnsCount != 1 {
		t.Errorf("it took %d connections", s.NewConnsCount)
	}
}

// Behind a pooler a transaction is told its settings with BEGIN, and no statement in it anything more; whoever carries nothing
// finds nothing, whatever somebody has set for the session.
func TestBehindATransactionPoolerStatementsInATransactionCostNothingMore(t *testing.T) {
	testdb.NoLeaks(t)
	tdb := tenants(t, []string{"acme", "other"})
	var writes atomic.Int64
	transaction := func(settings []string) int64 {
		pg, err := pgx.ParseConfig(ownedDSN(t, tdb))
		if err != nil {
			t.Fatal(err)
		}
		pg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := new(net.Dialer).DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return counting{conn, &writes}, nil
		}
		db, _ := openRouted(t, connector.Config{
			ConnConfig: pg, MaxConns: 1, PgBouncer: connector.PoolTransaction, SessionSettings: settings,
		})
		exec(t, db, t.Context(), "select set_config('app.tenant', 'other', false)")
		ctx := t.Context()
		if settings != nil {
			ctx = priority.WithTenant(ctx, "acme")
		}
		before := writes.Load()
		for range 2 {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				t.Fatal(err)
			}
			for range 3 {
				got, err := seen(ctx, tx)
				if err != nil || settings != nil && fmt.Sprint(got) != "[acme]" {
					t.Errorf("it sees %q: %v", got, err)
				}
			}
			if err := tx.Commit(); err != nil {
				t.Error(err)
			}
		}
		took := writes.Load() - before
		if settings == nil {
			return took
		}
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		if got, err := seen(t.Context(), tx); err != nil || len(got) != 0 {
			t.Errorf("nobody sees %q: %v", got, err)
		}
		return took
	}
	if with, without := transaction([]string{"app.tenant=tenant"}), transaction(nil); with != without {
		t.Errorf("with settings it takes %d writes, without %d", with, without)
	}
}

// Where nobody can tell the server, who carries a setting hears so.
func TestASettingIsRefusedWhereTheDriverIsAnother(t *testing.T) {
	db, _ := openRouted(t, connector.Config{Connector: idleConnector{}, MaxConns: 1})
	_, err := db.ExecContext(priority.WithSetting(t.Context(), "app.region", "north"), "select 1")
	if !errors.Is(err, pooldriver.ErrSetting) {
		t.Errorf("a setting that nobody tells: %v", err)
	}
	if _, err := db.ExecContext(t.Context(), "select 1"); err != nil {
		t.Errorf("a call without: %v", err)
	}
}
