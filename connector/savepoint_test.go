package connector_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/connector"
)

// add adds n to an account, or fails if the balance would be odd, as a constraint of the database demands.
func add(ctx context.Context, tx *sql.Tx, id, n int) error {
	_, err := tx.ExecContext(ctx, "update account set balance = balance + $2 where id = $1", id, n)
	return err
}

const twoEvenAccounts = twoAccounts + "; alter table account add check (balance % 2 = 0)"

// inTx runs f in RunTx, and in a transaction that f's caller commits by himself.
func inTx(t *testing.T, f func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error)) {
	t.Helper()
	onPostgres(t, 2, twoEvenAccounts, func(t *testing.T, db *sql.DB) {
		t.Run("RunTx", func(t *testing.T) {
			f(t, db, func(fn func(context.Context, *sql.Tx) error) error {
				return connector.RunTx(t.Context(), db, connector.TxOptions{}, fn)
			})
		})
		if _, err := db.Exec("update account set balance = 100"); err != nil {
			t.Fatal(err)
		}
		t.Run("plain", func(t *testing.T) {
			f(t, db, func(fn func(context.Context, *sql.Tx) error) error {
				tx, err := db.BeginTx(t.Context(), nil)
				if err != nil {
					return err
				}
				defer tx.Rollback()
				if err := fn(t.Context(), tx); err != nil {
					return err
				}
				return tx.Commit()
			})
		})
	})
}

func TestASavepointUndoesWhatFailedAndTheTransactionGoesOn(t *testing.T) {
	t.Parallel()
	inTx(t, func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error) {
		err := run(func(ctx context.Context, tx *sql.Tx) error {
			for _, end := range []func(context.Context) error{
				func(context.Context) error { return nil },
				func(context.Context) error { return errMine },
				func(ctx context.Context) error { return add(ctx, tx, 2, 1) }, // the server refuses
				func(context.Context) error { panic(errMine) },
			} {
				func() {
					defer func() {
						if r := recover(); r != nil && r != errMine {
							t.Errorf("recovered %v", r)
						}
					}()
					var failed error
					err := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
						if err := add(ctx, tx, 1, 10); err != nil {
							t.Error(err)
						}
						failed = end(ctx)
						return failed
					})
					if err != failed {
						t.Errorf("%v, want %v as it is", err, failed)
					}
				}()
			}
			return add(ctx, tx, 2, 2)
		})
		if err != nil {
			t.Error(err)
		}
		expectBalances(t, db, "110 102")
	})
}

func TestGoexitInASavepointUndoesIt(t *testing.T) {
	t.Parallel()
	inTx(t, func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error) {
		err := run(func(ctx context.Context, tx *sql.Tx) error {
			exited := make(chan bool)
			go func() {
				defer close(exited)
				err := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
					if err := add(ctx, tx, 1, 10); err != nil {
						t.Error(err)
					}
					runtime.Goexit()
					return nil
				})
				t.Errorf("returned %v", err)
			}()
			<-exited
			return add(ctx, tx, 2, 2)
		})
		if err != nil {
			t.Error(err)
		}
		expectBalances(t, db, "100 102")
	})
}

func TestSavepointsNestAndFollowEachOther(t *testing.T) {
	t.Parallel()
	inTx(t, func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error) {
		err := run(func(outer context.Context, tx *sql.Tx) error {
			for range 3 {
				err := connector.Savepoint(outer, tx, func(middle context.Context) error {
					for _, ctx := range []context.Context{middle, outer} { // the second time they have one name
						err := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
							return errors.Join(add(ctx, tx, 1, 10), connector.Savepoint(ctx, tx, func(ctx context.Context) error {
								return errors.Join(add(ctx, tx, 1, 1000), errMine)
							}))
						})
						if !errors.Is(err, errMine) {
							t.Errorf("%v, want the function's", err)
						}
						if err := connector.Savepoint(ctx, tx, func(ctx context.Context) error { return add(ctx, tx, 2, 2) }); err != nil {
							t.Error(err)
						}
					}
					return add(middle, tx, 1, 4)
				})
				if err != nil {
					t.Error(err)
				}
			}
			var left int // none may be
			err := tx.QueryRowContext(outer, "select balance from account where id = 2").Scan(&left)
			if _, gone := tx.ExecContext(outer, "release savepoint poolsql_1"); gone == nil {
				t.Error("a savepoint was left")
			} else if !strings.Contains(gone.Error(), "3B001") {
				t.Error(gone)
			}
			return errors.Join(err, errMine)
		})
		if !errors.Is(err, errMine) {
			t.Error(err)
		}
	})
}

func TestNestedSavepointsKeepWhatSucceeded(t *testing.T) {
	t.Parallel()
	inTx(t, func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error) {
		err := run(func(ctx context.Context, tx *sql.Tx) error {
			return connector.Savepoint(ctx, tx, func(ctx context.Context) error {
				failed := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
					return errors.Join(add(ctx, tx, 1, 10), add(ctx, tx, 1, 1))
				})
				if failed == nil {
					t.Error("no error of what the server refused")
				}
				return add(ctx, tx, 2, 2)
			})
		})
		if err != nil {
			t.Error(err)
		}
		expectBalances(t, db, "100 102")
	})
}

func TestAFailureSwallowedInASavepointIsToldAndUndone(t *testing.T) {
	t.Parallel()
	inTx(t, func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error) {
		err := run(func(ctx context.Context, tx *sql.Tx) error {
			err := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
				_ = errors.Join(add(ctx, tx, 1, 10), add(ctx, tx, 1, 1))
				return nil
			})
			if err == nil || !strings.Contains(err.Error(), "a statement failed and the function returned nil") {
				t.Errorf("%v", err)
			}
			return add(ctx, tx, 2, 2)
		})
		if err != nil {
			t.Error(err)
		}
		expectBalances(t, db, "100 102")
	})
}

// The function sees to it that the savepoint's context ends; no statement is cut off, so that plain pgx, which closes the
// connection of such a one, is no exception.
func TestATransactionGoesOnAfterTheContextOfASavepointEnded(t *testing.T) {
	t.Parallel()
	inTx(t, func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error) {
		err := run(func(ctx context.Context, tx *sql.Tx) error {
			for _, end := range []error{errMine, nil} {
				short, cancel := context.WithCancel(ctx)
				err := connector.Savepoint(short, tx, func(short context.Context) error {
					err := add(short, tx, 1, 10)
					cancel()
					return errors.Join(err, end)
				})
				if !errors.Is(err, end) {
					t.Errorf("%v, want %v", err, end)
				}
				if err := connector.Savepoint(short, tx, func(context.Context) error { return nil }); !errors.Is(err, context.Canceled) {
					t.Errorf("under a context that has ended: %v", err)
				}
			}
			return add(ctx, tx, 2, 2)
		})
		if err != nil {
			t.Error(err)
		}
		expectBalances(t, db, "110 102") // what had succeeded is kept
	})
}

func TestAConflictInASavepointRunsTheWholeTransactionAgainWhateverItsFunctionMakesOfIt(t *testing.T) {
	t.Parallel()
	for name, make := range map[string]func(ctx context.Context, tx *sql.Tx, err error) error{
		"returned":    func(_ context.Context, _ *sql.Tx, err error) error { return fmt.Errorf("x: %w", err) },
		"swallowed":   func(context.Context, *sql.Tx, error) error { return nil },
		"replaced":    func(context.Context, *sql.Tx, error) error { return errMine },
		"gone on":     func(ctx context.Context, tx *sql.Tx, _ error) error { return add(ctx, tx, 2, 2) },
		"in the next": func(ctx context.Context, tx *sql.Tx, _ error) error { return connector.Savepoint(ctx, tx, nothing) },
	} {
		t.Run(name, func(t *testing.T) {
			onPostgres(t, 2, twoEvenAccounts, func(t *testing.T, db *sql.DB) {
				runs := 0
				err := connector.RunTx(t.Context(), db, serializable, func(ctx context.Context, tx *sql.Tx) error {
					runs++
					return connector.Savepoint(ctx, tx, func(ctx context.Context) error {
						if err := add(ctx, tx, 2, 2); err != nil {
							return err
						}
						if runs == 1 {
							if _, err := db.Exec("update account set balance = balance + 20 where id = 1"); err != nil {
								t.Error(err)
							}
						}
						err := connector.Savepoint(ctx, tx, func(ctx context.Context) error { return add(ctx, tx, 1, 10) })
						if (err != nil) != (runs == 1) {
							t.Errorf("run %d: %v", runs, err)
						}
						if err != nil {
							return make(ctx, tx, err)
						}
						return nil
					})
				})
				if err != nil || runs != 2 {
					t.Errorf("%v after %d runs, want success after 2", err, runs)
				}
				expectBalances(t, db, "130 102")
			})
		})
	}
}

func nothing(context.Context) error { return nil }

// A conflict that is not the transaction's own, as one in another database, is an error like others.
func TestAConflictFromElsewhereIsUndone(t *testing.T) {
	t.Parallel()
	inTx(t, func(t *testing.T, db *sql.DB, run func(func(context.Context, *sql.Tx) error) error) {
		runs := 0
		err := run(func(ctx context.Context, tx *sql.Tx) error {
			runs++
			err := connector.Savepoint(ctx, tx, func(ctx context.Context) error {
				return errors.Join(add(ctx, tx, 1, 10), state("40001"))
			})
			if !errors.Is(err, state("40001")) {
				t.Error(err)
			}
			return add(ctx, tx, 2, 2)
		})
		if err != nil || runs != 1 {
			t.Errorf("%v after %d runs", err, runs)
		}
		expectBalances(t, db, "100 102")
	})
}
