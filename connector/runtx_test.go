package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// onPostgres runs f on poolsql and on plain pgx, each on a fresh database that setup has run on. At the end nothing may
// be in use.
func onPostgres(t *testing.T, maxConns int, setup string, f func(t *testing.T, db *sql.DB)) {
	t.Helper()
	for _, target := range []string{"poolsql", "pgx"} {
		t.Run(target, func(t *testing.T) {
			testdb.NoLeaks(t)
			dsn := testdb.New(t).DSN
			var db *sql.DB
			if target == "poolsql" {
				var err error
				if db, err = connector.Open(connector.Config{DSN: dsn, MaxConns: maxConns}); err != nil {
					t.Fatal(err)
				}
				c, _ := connector.FromDB(db)
				defer func() { <-c.Done() }()
				defer func() {
					await(t, func() bool { return c.Stats().InUseConns == 0 })
				}()
			} else {
				cfg, err := pgx.ParseConfig(dsn)
				if err != nil {
					t.Fatal(err)
				}
				db = stdlib.OpenDB(*cfg)
				db.SetMaxOpenConns(maxConns)
			}
			defer db.Close()
			if _, err := db.Exec(setup); err != nil {
				t.Fatal(err)
			}
			f(t, db)
		})
	}
}

const twoAccounts = "create table account (id int primary key, balance int not null); insert into account values (1, 100), (2, 100)"

// balances returns what the accounts hold, in order.
func balances(t *testing.T, db *sql.DB) string {
	t.Helper()
	var all string
	if err := db.QueryRow("select string_agg(balance::text, ' ' order by id) from account").Scan(&all); err != nil {
		t.Fatal(err)
	}
	return all
}

func expectBalances(t *testing.T, db *sql.DB, want string) {
	t.Helper()
	if got := balances(t, db); got != want {
		t.Errorf("balances %s, want %s", got, want)
	}
}

var serializable = connector.TxOptions{Isolation: sql.LevelSerializable}

func TestASerializationFailureOfAStatementRunsTheFunctionAgain(t *testing.T) {
	onPostgres(t, 2, twoAccounts, func(t *testing.T, db *sql.DB) {
		runs := 0
		err := connector.RunTx(t.Context(), db, serializable, func(ctx context.Context, tx *sql.Tx) error {
			runs++
			var balance int
			if err := tx.QueryRowContext(ctx, "select balance from account where id = 1").Scan(&balance); err != nil {
				return err
			}
			if runs == 1 { // somebody comes between
				if _, err := db.Exec("update account set balance = balance + 11 where id = 1"); err != nil {
					t.Error(err)
				}
			}
			if _, err := tx.ExecContext(ctx, "update account set balance = $1 where id = 1", balance*2); err != nil {
				return fmt.Errorf("double: %w", err)
			}
			return nil
		})
		if err != nil || runs != 2 {
			t.Errorf("%v after %d runs, want success after 2", err, runs)
		}
		expectBalances(t, db, "222 100")
	})
}

func TestASerializationFailureOfTheCommitRunsTheFunctionAgain(t *testing.T) {
	onPostgres(t, 2, twoAccounts, func(t *testing.T, db *sql.DB) {
		// withdraw takes from one account what both hold together.
		withdraw := func(ctx context.Context, tx *sql.Tx, from int) error {
			_, err := tx.ExecContext(ctx, "update account set balance = balance - (select sum(balance) from account) where id = $1", from)
			return err
		}
		runs := 0
		err := connector.RunTx(t.Context(), db, serializable, func(ctx context.Context, tx *sql.Tx) error {
			runs++
			if err := withdraw(ctx, tx, 1); err != nil {
				return fmt.Errorf("run %d: not to fail before COMMIT: %v", runs, err)
			}
			if runs > 1 {
				return nil
			}
			other, err := db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelSerializable})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(withdraw(context.Background(), other, 2), other.Commit()); err != nil {
				t.Fatal(err)
			}
			return nil
		})
		if err != nil || runs != 2 {
			t.Errorf("%v after %d runs, want success after 2", err, runs)
		}
		expectBalances(t, db, "100 -100") // the other first, then nothing to take
	})
}

func TestADeadlockRunsTheVictimAgain(t *testing.T) {
	onPostgres(t, 2, twoAccounts, func(t *testing.T, db *sql.DB) {
		var meet, done sync.WaitGroup
		meet.Add(2)
		var mu sync.Mutex
		runs := 0
		for _, order := range [][2]int{{1, 2}, {2, 1}} {
			done.Go(func() {
				err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
					mu.Lock()
					runs++
					mu.Unlock()
					for i, id := range order {
						if _, err := tx.ExecContext(ctx, "update account set balance = balance + 1 where id = $1", id); err != nil {
							return err
						}
						if i == 0 && connector.Attempt(ctx) == 1 {
							meet.Done()
							meet.Wait()
						}
					}
					return nil
				})
				if err != nil {
					t.Error(err)
				}
			})
		}
		done.Wait()
		if runs < 3 || runs > 10 { // more than 3 if the second run of the one meets the first of the other
			t.Errorf("%d runs, want 3 or a few more", runs)
		}
		expectBalances(t, db, "102 102")
	})
}

func TestAConnectionLostBeforeCommitRunsTheFunctionAgain(t *testing.T) {
	onPostgres(t, 2, twoAccounts, func(t *testing.T, db *sql.DB) {
		runs := 0
		err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
			runs++
			var pid int
			if err := tx.QueryRowContext(ctx, "update account set balance = balance + 1 where id = 1 returning pg_backend_pid()").Scan(&pid); err != nil {
				return err
			}
			if runs == 1 {
				var gone bool
				if err := db.QueryRow("select pg_terminate_backend($1, 10000)", pid).Scan(&gone); err != nil || !gone {
					t.Error(gone, err)
				}
			}
			_, err := tx.ExecContext(ctx, "update account set balance = balance + 1 where id = 2")
			return err
		})
		if err != nil || runs != 2 {
			t.Errorf("%v after %d runs, want success after 2", err, runs)
		}
		expectBalances(t, db, "101 101")
	})
}
