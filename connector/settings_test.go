package connector_test

import (
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

// tenants is a table with a policy: each tenant sees its own rows, and nobody else any.
func tenants(t *testing.T, names []string) *testdb.DB {
	t.Helper()
	tdb := testdb.New(t)
	admin, err := pgx.Connect(t.Context(), tdb.DSN)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(context.WithoutCancel(t.Context()))
	run := func(sql string, args ...any) {
		t.Helper()
		if _, err := admin.Exec(t.Context(), sql, args...); err != nil {
			t.Fatal(err)
		}
	}
	run("create table accounts (tenant text, note text)")
	for _, name := range names {
		run("insert into accounts values ($1, 'of ' || $1)", name)
	}
	run(`alter table accounts enable row level security, force row level security`)
	run(`create policy own on accounts using (tenant = current_setting('app.tenant', true))`)
	run(`grant all on accounts to public; grant all on schema public to public;
		create procedure undo() language plpgsql as $$ begin rollback; end $$;
		create function fails() returns int language plpgsql as $$ begin raise 'no'; end $$`)
	return tdb
}

// ownedDSN is the DSN of a role that the policy is for.
func ownedDSN(t *testing.T, tdb *testdb.DB) string {
	t.Helper()
	dsn, err := tdb.OrdinaryDSN(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dsn
}

// seen returns whose rows a call under ctx sees.
func seen(ctx context.Context, q interface {
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
}) ([]string, error) {
	// By their bytes: an earlier holder may have left another client_encoding behind, which is not what this is about.
	rows, err := q.QueryContext(ctx, "select encode(convert_to(tenant, 'UTF8'), 'hex') from accounts order by 1")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		text, err := hex.DecodeString(name)
		if err != nil {
			return nil, err
		}
		all = append(all, string(text))
	}
	return all, rows.Err()
}

var tenantNames = []string{"acme", "o'neil", `back\slash`, "héllo", "ПРИВЕТ", "日本", "x'); drop table accounts; --"}

func TestEachCallSeesItsTenantsRowsOnly(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	tdb := tenants(t, tenantNames)
	for _, mode := range []string{"", "simple_protocol", "exec", "describe_exec", "cache_describe"} {
		t.Run(mode, func(t *testing.T) {
			dsn := ownedDSN(t, tdb)
			if mode != "" {
				dsn += "&default_query_exec_mode=" + mode
			}
			db, _ := openRouted(t, connector.Config{DSN: dsn, MaxConns: 1, SessionSettings: []string{"app.tenant=tenant", "app.region"}})
			ctx := t.Context()
			check := func(what string, q interface {
				QueryContext(context.Context, string, ...any) (*sql.Rows, error)
			}, ctx context.Context, want ...string) {
				t.Helper()
				if got, err := seen(ctx, q); err != nil || fmt.Sprint(got) != fmt.Sprint(want) {
					t.Errorf("%s sees %q, %v; want %q", what, got, err, want)
				}
			}
			for _, name := range tenantNames {
				mine := priority.WithTenant(ctx, name)
				check("a query", db, mine, name)
				check("a call of nobody", db, ctx)
				tx, err := db.BeginTx(mine, nil)
				if err != nil {
					t.Fatal(err)
				}
				check("a transaction", tx, mine, name)
				check("another tenant's call in it", tx, priority.WithTenant(ctx, "acme"), "acme")
				check("the transaction again", tx, mine, name)
				tx.Rollback()
				check("a call of nobody after it", db, ctx)
				conn, err := db.Conn(ctx)
				if err != nil {
					t.Fatal(err)
				}
				check("a Conn", conn, mine, name)
				check("a Conn, for another", conn, priority.WithTenant(ctx, "acme"), "acme")
				if _, err := conn.QueryContext(priority.WithTenant(ctx, "acme"), "select 1/0 from accounts"); err == nil && mode == "" {
					t.Error("a division by zero")
				}
				check("a Conn after an error", conn, mine, name)
				if _, err := conn.ExecContext(priority.WithTenant(ctx, "acme"), "select 1"); err != nil {
					t.Error(err)
				}
				check("a Conn after an Exec of another", conn, mine, name)
				conn.Close()
				var n int
				err = db.QueryRowContext(mine, "update accounts set note = note || $1 returning 1", "!").Scan(&n)
				if err != nil || n != 1 {
					t.Errorf("a write: %v", err)
				}
				res, err := db.ExecContext(mine, "update accounts set note = ''")
				if err != nil {
					t.Fatal(err)
				}
				if n, _ := res.RowsAffected(); n != 1 {
					t.Errorf("an Exec without arguments changed %d rows", n)
				}
			}
			var region string
			if err := db.QueryRowContext(priority.WithSetting(ctx, "app.region", "north"), "select current_setting('app.region')").Scan(&region); err != nil || region != "north" {
				t.Errorf("app.region is %q: %v", region, err)
			}
			if err := db.QueryRowContext(ctx, "select current_setting('app.region')").Scan(&region); err != nil || region != "" {
				t.Errorf("app.region is %q: %v", region, err)
			}
			for _, bad := range []context.Context{
				priority.WithSetting(ctx, "app.other", "x"), priority.WithTenant(ctx, "a\x00b"), priority.WithTenant(ctx, "a\xff"),
				priority.WithTenant(ctx, strings.Repeat("geheim", 2000)),
			} {
				if _, err := seen(bad, db); !errors.Is(err, pooldriver.ErrSetting) || strings.Contains(err.Error(), "geheim") {
					t.Errorf("a setting that cannot be told: %v", err)
				}
			}
		})
	}
}

// Where sessions of the server are lent for a transaction, settings hold in transactions, and a call that would need them
// elsewhere is refused.
func TestBehindATransactionPoolerSettingsAreOfTransactionsAlone(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	tdb := tenants(t, []string{"acme", "o'neil"})
	db, _ := openRouted(t, connector.Config{
		DSN: ownedDSN(t, tdb), MaxConns: 1, PgBouncer: connector.PoolTransaction, SessionSettings: []string{"app.tenant=tenant"},
	})
	for _, name := range []string{"acme", "o'neil"} {
		mine := priority.WithTenant(t.Context(), name)
		if _, err := seen(mine, db); !errors.Is(err, pooldriver.ErrNeedsSession) {
			t.Errorf("a query outside of a transaction: %v", err)
		}
		for _, end := range []string{"", "commit", "rollback"} {
			tx, err := db.BeginTx(mine, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, err := seen(mine, tx); err != nil || fmt.Sprint(got) != fmt.Sprint([]string{name}) {
				t.Errorf("a transaction of %s sees %q: %v", name, got, err)
			}
			if end != "" { // behind our back
				tx.ExecContext(mine, end)
				if got, err := seen(t.Context(), tx); len(got) != 0 {
					t.Errorf("after its end a transaction sees %q: %v", got, err)
				}
			}
			tx.Rollback()
			if got, err := seen(t.Context(), db); err != nil || len(got) != 0 {
				t.Errorf("nobody sees %q: %v", got, err)
			}
		}
	}
}

// A hostile is something that a tenant's code does to leave its own tenant, or another, behind.
var hostile = []func(ctx context.Context, db *sql.DB){
	func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "set app.tenant = 'other'") },
	func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "reset all") },
	func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "discard all") },
	func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "begin; set app.tenant = 'other'") },
	func(ctx context.Context, db *sql.DB) {
		db.ExecContext(ctx, "begin; savepoint a; set app.tenant = 'other'; select 1/0")
	},
	func(ctx context.Context, db *sql.DB) { db.QueryContext(ctx, "select fails()") },
	func(ctx context.Context, db *sql.DB) { db.ExecContext(ctx, "call undo()") },
	func(ctx context.Context, db *sql.DB) {
		db.ExecContext(ctx, "set client_encoding = 'SJIS'; set standard_conforming_strings = off")
	},
	func(ctx context.Context, db *sql.DB) {
		db.ExecContext(ctx, "create or replace function pg_temp.set_config(text, text, boolean) returns text language sql as 'select $1'; set search_path = pg_temp, public")
	},
	func(ctx context.Context, db *sql.DB) {
		if tx, err := db.BeginTx(ctx, nil); err == nil {
			tx.ExecContext(ctx, "commit; set app.tenant = 'other'")
			tx.Rollback()
		}
	},
	func(ctx context.Context, db *sql.DB) {
		if conn, err := db.Conn(ctx); err == nil {
			conn.ExecContext(ctx, "begin")
			conn.ExecContext(ctx, "select set_config('app.tenant', 'other', false)")
			conn.Close() // with the transaction open
		}
	},
	func(ctx context.Context, db *sql.DB) {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
		defer cancel()
		db.QueryRowContext(ctx, "select set_config('app.tenant', 'other', false), pg_sleep(1)").Scan(new(string), new(string))
	},
	func(ctx context.Context, db *sql.DB) {
		conn, err := db.Conn(ctx)
		if err != nil {
			return
		}
		defer conn.Close()
		defer func() { _ = recover() }()
		_ = conn.Raw(func(c any) error {
			if pg := c.(interface{ Conn() *pgx.Conn }).Conn(); pg != nil { // nil if ctx is over, say
				pg.Exec(ctx, "set app.tenant = 'other'")
			}
			panic("half way")
		})
	},
	func(ctx context.Context, db *sql.DB) {
		if conn, err := db.Conn(ctx); err == nil {
			_ = conn.Raw(func(c any) error {
				pg, err := c.(*pooldriver.Session).PgxConn()
				if err != nil {
					return err
				}
				_, err = pg.Exec(ctx, "set app.tenant = 'other'")
				return err
			})
			conn.Close()
		}
	},
	func(ctx context.Context, db *sql.DB) { // an argument that cannot be encoded: nothing is sent
		db.ExecContext(ctx, "insert into accounts values ($1, $2::int)", "x", struct{}{})
	},
	func(ctx context.Context, db *sql.DB) {
		if rows, err := db.QueryContext(ctx, "select * from accounts, generate_series(1, 10000)"); err == nil {
			rows.Next()
			rows.Close()
		}
	},
	func(ctx context.Context, db *sql.DB) { // plans that do not fit any more
		db.ExecContext(ctx, "create temp table if not exists mine (a int); select 1")
	},
}

// Whatever a tenant's code does, nobody else ever sees another's rows.
func TestNoTenantEverSeesAnothersRows(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	names := []string{"acme", "o'neil", "héllo", "日本", "other"}
	tdb := tenants(t, names)
	db, c := openRouted(t, connector.Config{DSN: ownedDSN(t, tdb), MaxConns: 3, SessionSettings: []string{"app.tenant=tenant"}})
	var looks, acts, failed atomic.Int64
	end := time.Now().Add(stressTime(t))
	var wg sync.WaitGroup
	for worker := range 8 {
		wg.Go(func() {
			rnd := rand.New(rand.NewSource(int64(worker)))
			for time.Now().Before(end) && !t.Failed() {
				name := names[rnd.Intn(len(names))]
				ctx := priority.WithTenant(t.Context(), name)
				if rnd.Intn(3) == 0 {
					acts.Add(1)
					hostile[rnd.Intn(len(hostile))](ctx, db)
					continue
				}
				looks.Add(1)
				got, err := look(ctx, db, rnd)
				if err != nil {
					if failed.Add(1) <= 5 {
						t.Log(err)
					}
					continue
				}
				if len(got) > 1 || len(got) == 1 && got[0] != name {
					t.Errorf("%s sees %q", name, got)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d looks, %d of them failed, between %d hostile acts; %d connections", looks.Load(), failed.Load(), acts.Load(), c.Stats().NewConnsCount)
	if looks.Load()-failed.Load() < 50 {
		t.Error("too few to mean anything")
	}
}

// look returns what a tenant sees, by one way or another.
func look(ctx context.Context, db *sql.DB, rnd *rand.Rand) ([]string, error) {
	switch rnd.Intn(5) {
	case 0:
		tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: rnd.Intn(2) == 0})
		if err != nil {
			return nil, err
		}
		defer tx.Rollback()
		return seen(ctx, tx)
	case 1:
		conn, err := db.Conn(ctx)
		if err != nil {
			return nil, err
		}
		defer conn.Close()
		if rnd.Intn(2) == 0 {
			conn.ExecContext(ctx, "rollback")
		}
		return seen(ctx, conn)
	case 2:
		var name sql.NullString
		err := db.QueryRowContext(ctx, "update accounts set note = $1 returning (select string_agg(encode(convert_to(tenant, 'UTF8'), 'hex'), '|') from accounts)", "x").Scan(&name)
		if errors.Is(err, sql.ErrNoRows) || !name.Valid {
			return nil, err
		}
		var all []string
		for _, part := range strings.Split(name.String, "|") {
			text, _ := hex.DecodeString(part)
			all = append(all, string(text))
		}
		return all, err
	case 3: // with whoever asks the same
		return seen(priority.WithCoalescing(ctx, priority.Coalescing{MaxAge: time.Minute}), db)
	default:
		return seen(ctx, db)
	}
}

// counting counts the writes to a network connection.
type counting struct {
	net.Conn
	writes *atomic.Int64
}

func (c counting) Write(b []byte) (int, error) {
	c.writes.Add(1)
	return c.Conn.Write(b)
}

func TestSettingsGoWithTheStatement(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	tdb := tenants(t, []string{"acme"})
	var writes atomic.Int64
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
	db, _ := openRouted(t, connector.Config{ConnConfig: pg, MaxConns: 1, SessionSettings: []string{"app.tenant=tenant"}})
	ctx := priority.WithTenant(t.Context(), "acme")
	for range 2 {
		if got, err := seen(ctx, db); err != nil || len(got) != 1 {
			t.Fatal(got, err)
		}
	}
	count := func(what string, want int64, f func() error) {
		t.Helper()
		before := writes.Load()
		if err := f(); err != nil {
			t.Error(err)
		}
		if n := writes.Load() - before; n != want {
			t.Errorf("%s takes %d writes, want %d", what, n, want)
		}
	}
	count("a query", 1, func() error { _, err := seen(ctx, db); return err })
	count("a transaction with a query", 3, func() error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			return err
		}
		if _, err := seen(ctx, tx); err != nil {
			return err
		}
		return tx.Commit()
	})
	count("a statement of the simple protocol", 2, func() error { _, err := db.ExecContext(ctx, "select 1"); return err })
}

// What a call's settings cost a query on a real server: in the same write, and what a round trip of their own would.
func BenchmarkSettings(b *testing.B) {
	tdb := testdb.New(b)
	for _, name := range []string{"none", "same write", "round trip"} {
		b.Run(name, func(b *testing.B) {
			cfg := connector.Config{DSN: tdb.DSN, MaxConns: 1}
			if name != "none" {
				cfg.SessionSettings = []string{"app.tenant=tenant"}
			}
			db, err := connector.Open(cfg)
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			ctx := priority.WithTenant(context.Background(), "acme")
			var args []any
			if name == "round trip" {
				args = append(args, pgx.NamedArgs{}) // which may be anything, and so is not sent with something else
			}
			b.ReportAllocs()
			for b.Loop() {
				rows, err := db.QueryContext(ctx, "select 1", args...)
				if err != nil {
					b.Fatal(err)
				}
				rows.Close()
			}
		})
	}
}
