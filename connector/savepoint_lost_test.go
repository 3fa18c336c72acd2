package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
)

func TestASavepointWhoseTransactionIsGoneTellsBoth(t *testing.T) {
	t.Parallel()
	onPostgres(t, 2, twoEvenAccounts, func(t *testing.T, db *sql.DB) {
		for _, c := range []error{errMine, nil} {
			err := connector.RunTx(t.Context(), db, connector.TxOptions{MaxAttempts: 1}, func(ctx context.Context, tx *sql.Tx) error {
				return connector.Savepoint(ctx, tx, func(ctx context.Context) error {
					var pid int
					if err := tx.QueryRowContext(ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
						t.Error(err)
					}
					if _, err := db.Exec("select pg_terminate_backend($1, 10000)", pid); err != nil {
						t.Error(err)
					}
					return c
				})
			})
			if err == nil || err == errMine || !errors.Is(err, c) && c != nil || !strings.Contains(err.Error(), "SAVEPOINT failed") {
				t.Errorf("after %v: %v", c, err)
			}
		}
		for name, err := range map[string]error{
			"transaction is nil": connector.Savepoint(t.Context(), nil, nothing),
			"function is nil":    connector.Savepoint(t.Context(), new(sql.Tx), nil),
		} {
			if err == nil || !strings.Contains(err.Error(), name) {
				t.Errorf("%v, want one that says %q", err, name)
			}
		}
	})
}

// On poolsql even a statement that was cut off leaves the connection to the transaction.
func TestATransactionGoesOnAfterAStatementInASavepointWasCutOff(t *testing.T) {
	t.Parallel()
	db, _ := open(t, connector.Config{MaxConns: 1})
	if _, err := db.Exec(twoEvenAccounts); err != nil {
		t.Fatal(err)
	}
	err := connector.RunTx(t.Context(), db, connector.TxOptions{}, func(ctx context.Context, tx *sql.Tx) error {
		short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
		defer cancel()
		err := connector.Savepoint(short, tx, func(ctx context.Context) error {
			_, err := tx.ExecContext(ctx, "select pg_sleep(60)")
			return errors.Join(add(context.WithoutCancel(ctx), tx, 1, 10), err)
		})
		if !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("%v, want one that is DeadlineExceeded", err)
		}
		return add(ctx, tx, 2, 2)
	})
	if err != nil {
		t.Error(err)
	}
	expectBalances(t, db, "100 102")
}

// What a savepoint cannot undo must not be committed by somebody who believes that it did.
func TestWhatASavepointCannotUndoIsNotCommitted(t *testing.T) {
	t.Parallel()
	onPostgres(t, 2, twoEvenAccounts, func(t *testing.T, db *sql.DB) {
		for _, how := range []string{"fails", "panics", "returns nil"} {
			// part changes an account in a savepoint, leaves rows open, and takes no notice of what becomes of it.
			part := func(ctx context.Context, tx *sql.Tx) {
				defer func() { _ = recover() }()
				err := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
					if err := add(ctx, tx, 1, 2); err != nil {
						t.Error(err)
					}
					if _, err := tx.QueryContext(ctx, "select generate_series(1, 10)"); err != nil {
						t.Error(err)
					}
					switch how {
					case "fails":
						return errMine
					case "panics":
						panic("x")
					default:
						return nil
					}
				})
				if err == nil || !strings.Contains(err.Error(), "SAVEPOINT failed") {
					t.Errorf("%s: %v", how, err)
				}
			}
			err := connector.RunTx(t.Context(), db, connector.TxOptions{MaxAttempts: 1}, func(ctx context.Context, tx *sql.Tx) error {
				part(ctx, tx)
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), "SAVEPOINT failed") {
				t.Errorf("%s in RunTx: %v", how, err)
			}
			tx, err := db.BeginTx(t.Context(), nil)
			if err != nil {
				t.Fatal(err)
			}
			part(t.Context(), tx)
			if err := tx.Commit(); !errors.Is(err, sql.ErrTxDone) {
				t.Errorf("%s: Commit said %v", how, err)
			}
		}
		expectBalances(t, db, "100 100")
	})
}
