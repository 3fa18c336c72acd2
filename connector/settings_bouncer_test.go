package connector_test

import (
	"context"
	"database/sql"
	"math/rand"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// hostileBehindAPooler are what a tenant's code may do to leave something behind with a session of the server that others get.
var hostileBehindAPooler = []func(ctx context.Context, db *sql.DB){
	func(_ context.Context, db *sql.DB) { // a call that carries nothing, which is let through outside of a transaction
		db.ExecContext(context.Background(), "select set_config('app.tenant', 'other', false)")
	},
	func(ctx context.Context, db *sql.DB) {
		if tx, err := db.BeginTx(ctx, nil); err == nil {
			tx.ExecContext(ctx, "select set_config('app.tenant', 'other', false)")
			tx.Commit()
		}
	},
	func(ctx context.Context, db *sql.DB) {
		if tx, err := db.BeginTx(ctx, nil); err == nil {
			tx.ExecContext(ctx, "commit; select set_config('app.tenant', 'other', false)")
			tx.Rollback()
		}
	},
	func(ctx context.Context, db *sql.DB) {
		if tx, err := db.BeginTx(ctx, nil); err == nil {
			tx.ExecContext(ctx, "savepoint a; select set_config('app.tenant', 'other', false); select 1/0")
			tx.ExecContext(ctx, "rollback to a")
			tx.Commit()
		}
	},
	func(ctx context.Context, db *sql.DB) {
		ctx, cancel := context.WithTimeout(ctx, 3*time.Millisecond)
		defer cancel()
		if tx, err := db.BeginTx(ctx, nil); err == nil {
			tx.QueryRowContext(ctx, "select set_config('app.tenant', 'other', false), pg_sleep(1)").Scan(new(string), new(string))
			tx.Rollback()
		}
	},
}

// Behind a pooler that lends sessions of the server for a transaction, each transaction finds its own tenant, and one of nobody
// nothing, whatever others have left with the session.
func TestBehindPgBouncerNoTransactionEverHasAnothersTenant(t *testing.T) {
	b := bounce(t, connector.Config{
		PgBouncer: connector.PoolTransaction, MaxConns: 6, SessionSettings: []string{"app.tenant=tenant"},
	}, "default_pool_size = 2")
	var looks, failed atomic.Int64
	names := []string{"", "acme", "o'neil", "日本", "other"}
	end := time.Now().Add(stressTime(t))
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			rnd := rand.New(rand.NewSource(int64(worker)))
			for time.Now().Before(end) && !t.Failed() {
				name := names[rnd.Intn(len(names))]
				ctx := t.Context()
				if name != "" {
					ctx = priority.WithTenant(ctx, name)
				}
				if rnd.Intn(3) == 0 {
					hostileBehindAPooler[rnd.Intn(len(hostileBehindAPooler))](ctx, b.DB)
					continue
				}
				looks.Add(1)
				got, err := tenantOf(ctx, b.DB, rnd)
				switch {
				case err != nil:
					if failed.Add(1) <= 5 {
						t.Log(err)
					}
				case got != name:
					t.Errorf("%q finds %q", name, got)
				}
			}
		})
	}
	wg.Wait()
	t.Logf("%d looks, %d of them failed", looks.Load(), failed.Load())
	if looks.Load()-failed.Load() < 50 {
		t.Error("too few to mean anything")
	}
}

// tenantOf returns what a transaction finds, in the first statement or a later one.
func tenantOf(ctx context.Context, db *sql.DB, rnd *rand.Rand) (name string, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return "", err
	}
	defer tx.Rollback()
	if rnd.Intn(2) == 0 {
		if _, err := tx.ExecContext(ctx, "savepoint a; select 1; rollback to a"); err != nil {
			return "", err
		}
	}
	err = tx.QueryRowContext(ctx, "select current_setting('app.tenant', true)").Scan(&name)
	return name, err
}
