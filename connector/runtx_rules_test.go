package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// spend is a function's first half, which must never be seen.
func spend(t *testing.T, ctx context.Context, tx *sql.Tx) {
	t.Helper()
	if _, err := tx.ExecContext(ctx, "update account set balance = 0"); err != nil {
		t.Error(err)
	}
}

func TestWhateverEndsTheFunctionEndsTheTransaction(t *testing.T) {
	t.Parallel()
	onPostgres(t, 2, twoAccounts, func(t *testing.T, db *sql.DB) {
		run := func(end func() error) error {
			return connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
				spend(t, ctx, tx)
				return end()
			})
		}
		if err := run(func() error { return errMine }); err != errMine {
			t.Errorf("%v, want the function's error as it is", err)
		}
		expectBalances(t, db, "100 100")

		func() {
			defer func() {
				if r := recover(); r != errMine {
					t.Errorf("recovered %v, want what the function panicked with", r)
				}
			}()
			err := run(func() error { panic(errMine) })
			t.Errorf("returned %v", err)
		}()
		expectBalances(t, db, "100 100")

		exited := make(chan bool)
		go func() {
			defer close(exited)
			err := run(func() error { runtime.Goexit(); return nil })
			t.Errorf("returned %v", err)
		}()
		<-exited
		expectBalances(t, db, "100 100")
	})
}

func TestAFunctionThatEndsItsTransactionIsToldAndNeverRunAgain(t *testing.T) {
	t.Parallel()
	onPostgres(t, 2, twoAccounts, func(t *testing.T, db *sql.DB) {
		conflict := refusal("40001")
		for _, c := range []struct {
			name     string
			f        func(tx *sql.Tx) error
			also     error
			balances string
		}{
			{"rollback", func(tx *sql.Tx) error { return tx.Rollback() }, nil, "100 100"},
			{"rollback and error", func(tx *sql.Tx) error { defer tx.Rollback(); return errMine }, errMine, "100 100"},
			{"commit", func(tx *sql.Tx) error { return tx.Commit() }, nil, "0 0"},
			{"commit and failure", func(tx *sql.Tx) error { return errors.Join(tx.Commit(), conflict) }, conflict, "0 0"},
		} {
			if _, err := db.Exec("update account set balance = 100"); err != nil {
				t.Fatal(err)
			}
			runs := 0
			err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
				runs++
				spend(t, ctx, tx)
				return c.f(tx)
			})
			if !errors.Is(err, connector.ErrTxEnded) || !errors.Is(err, c.also) && c.also != nil || runs != 1 {
				t.Errorf("%s: %v after %d runs", c.name, err, runs)
			}
			expectBalances(t, db, c.balances)
		}
	})
}

func TestASwallowedFailureIsNotTakenForSuccess(t *testing.T) {
	t.Parallel()
	onPostgres(t, 1, twoAccounts, func(t *testing.T, db *sql.DB) {
		for name, f := range map[string]func(context.Context, *sql.Tx) error{
			"statement": func(ctx context.Context, tx *sql.Tx) error {
				_, _ = tx.ExecContext(ctx, "select 1/0")
				return nil
			},
			"rows left open": func(ctx context.Context, tx *sql.Tx) error {
				rows, err := tx.QueryContext(ctx, "select 1000 / (1000 - n) from generate_series(1, 2000) as n")
				if err != nil {
					return err
				}
				rows.Next()
				return nil
			},
		} {
			err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
				spend(t, ctx, tx)
				return f(ctx, tx)
			})
			if !errors.Is(err, pgx.ErrTxCommitRollback) || !strings.Contains(err.Error(), "a statement failed and the function returned nil") {
				t.Errorf("%s: %v", name, err)
			}
			expectBalances(t, db, "100 100")
		}
	})
}

func TestRowsLeftOpenAreClosedAndTheTransactionCommitted(t *testing.T) {
	t.Parallel()
	onPostgres(t, 1, twoAccounts, func(t *testing.T, db *sql.DB) {
		err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
			spend(t, ctx, tx)
			rows, err := tx.QueryContext(ctx, "select n from generate_series(1, 20000) as n")
			if err == nil {
				rows.Next()
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
		expectBalances(t, db, "0 0")
	})
}

func TestAContextThatEndsBeforeCommitCommitsNothing(t *testing.T) {
	t.Parallel()
	onPostgres(t, 2, twoAccounts, func(t *testing.T, db *sql.DB) {
		ctx, cancel := context.WithCancelCause(t.Context())
		err := connector.RunTx(ctx, db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
			spend(t, ctx, tx)
			cancel(errMine)
			return nil
		})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errMine) || !strings.Contains(err.Error(), "before COMMIT was sent") {
			t.Errorf("%v", err)
		}
		expectBalances(t, db, "100 100")
		err = connector.RunTx(ctx, db, connector.TxOptions{}, func(context.Context, *sql.Tx) error {
			t.Error("the function ran under a context that had ended")
			return nil
		})
		if !errors.Is(err, context.Canceled) || !errors.Is(err, errMine) {
			t.Errorf("%v", err)
		}
	})
}

func TestOptionsReachTheServerOrAreRefused(t *testing.T) {
	t.Parallel()
	onPostgres(t, 1, twoAccounts, func(t *testing.T, db *sql.DB) {
		show := func(opts connector.TxOptions) (shown string, err error) {
			err = connector.RunTx(t.Context(), db, opts, func(ctx context.Context, tx *sql.Tx) error {
				return tx.QueryRowContext(ctx, `select concat_ws(', ', current_setting('transaction_isolation'),
					current_setting('transaction_read_only'), current_setting('transaction_deferrable'))`).Scan(&shown)
			})
			return shown, err
		}
		for want, opts := range map[string]connector.TxOptions{
			"read committed, off, off": {},
			"repeatable read, on, off": {Isolation: sql.LevelRepeatableRead, ReadOnly: true},
			"serializable, on, on":     {Isolation: sql.LevelSerializable, ReadOnly: true, Deferrable: true},
		} {
			if got, err := show(opts); err != nil || got != want {
				t.Errorf("%+v: %s, %v; want %s", opts, got, err, want)
			}
		}
		for want, opts := range map[string]connector.TxOptions{
			"MaxAttempts is -1": {MaxAttempts: -1},
			"Deferrable is set with isolation Serializable and ReadOnly false":   {Isolation: sql.LevelSerializable, Deferrable: true},
			"Deferrable is set with isolation Repeatable Read and ReadOnly true": {Isolation: sql.LevelRepeatableRead, ReadOnly: true, Deferrable: true},
		} {
			if _, err := show(opts); err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%+v: %v, want one that says %q", opts, err, want)
			}
		}
		if err := connector.RunTx(t.Context(), db, connector.TxOptions{}, nil); err == nil || !strings.Contains(err.Error(), "function is nil") {
			t.Errorf("no function: %v", err)
		}
		if err := connector.RunTx(t.Context(), nil, connector.TxOptions{}, func(context.Context, *sql.Tx) error { return nil }); err == nil || !strings.Contains(err.Error(), "db is nil") {
			t.Errorf("no database: %v", err)
		}
	})
}

// There is one connection, and the function holds it.
func TestAFunctionThatWaitsForItselfIsRefused(t *testing.T) {
	t.Parallel()
	db, _ := open(t, connector.Config{MaxConns: 1, AcquireTimeout: time.Minute})
	began := time.Now()
	err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, _ *sql.Tx) error {
		return db.QueryRowContext(ctx, "select 1").Scan(new(int))
	})
	if !errors.Is(err, priority.ErrDeadlock) || time.Since(began) > 30*time.Second {
		t.Errorf("after %s: %v", time.Since(began), err)
	}
}
