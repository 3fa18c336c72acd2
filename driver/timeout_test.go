package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"
	"time"

	"github.com/poolsql/poolsql"
)

func TestStatementTimeoutEndsTheStatementAndNotTheWait(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	tx, err := f.db.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	ctx := poolsql.WithTimeout(f.ctx, 500*time.Millisecond)
	done := make(chan error, 1)
	go func() { _, err := f.db.ExecContext(ctx, "select 1"); done <- err }()
	f.await("somebody to wait", func() bool { return f.c.Stats().Waiting == 1 })
	<-time.After(600 * time.Millisecond) // longer than the statement may take
	if err := tx.Rollback(); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Errorf("the wait was taken for the statement: %v", err)
	}
	if _, err := f.db.ExecContext(ctx, "select pg_sleep(60)"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a statement that takes too long: %v", err)
	}
	f.awaitFree()
	f.serves(1)
}

func TestStatementTimeoutHoldsWhileItsRowsAreRead(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	ctx := poolsql.WithTimeout(f.ctx, 500*time.Millisecond)
	rows, err := f.db.QueryContext(ctx, "select g, case when g > 5000 then pg_sleep(60) end from generate_series(1, 10000) g")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
	}
	if err := rows.Err(); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("rows ended with %v", err)
	}
	rows.Close()
	f.awaitFree()
}

// The timer of one statement must not end the rows of another on the same connection, whichever of the two is released
// first.
func TestTimerOfALaterStatementDoesNotEndOpenRows(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	err := inTx(f.ctx, f.db, func(tx *sql.Tx) error {
		short := poolsql.WithTimeout(f.ctx, 10*time.Millisecond)
		rows, err := tx.QueryContext(f.ctx, "select generate_series(1, 300000)")
		if err != nil {
			return err
		}
		defer rows.Close()
		n := 0
		for rows.Next() {
			if n++; n%10000 == 1 {
				// Refused, as the rows are open; its timer runs out while they are read.
				if _, err := tx.ExecContext(short, "select 1"); err == nil {
					t.Error("a statement ran in the middle of rows")
				}
			}
		}
		if n != 300000 {
			t.Errorf("read %d rows", n)
		}
		if err := rows.Err(); err != nil {
			return err
		}
		return tx.Commit()
	})
	if err != nil {
		t.Error(err)
	}
	f.free("afterwards")
}

func TestTimerIsReleasedWhenRowsClose(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	err := inTx(f.ctx, f.db, func(tx *sql.Tx) error {
		short := poolsql.WithTimeout(f.ctx, time.Second)
		for range 3 {
			if err := tx.QueryRowContext(short, "select 1").Scan(new(int)); err != nil {
				return err
			}
		}
		// Longer than all of them together, had their timers not been released.
		if _, err := tx.ExecContext(f.ctx, "select pg_sleep(1.3)"); err != nil {
			return err
		}
		return tx.Commit()
	})
	if err != nil {
		t.Error(err)
	}
}

// A transaction's timeout is for its statements: what ends it is not cut off.
func TestTimeoutOfATransactionsContextDoesNotEndItsCommit(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	f.exec(`create table slow (id int);
		create function wait() returns trigger language plpgsql as 'begin perform pg_sleep(0.8); return null; end';
		create constraint trigger slowly after insert on slow deferrable initially deferred for each row execute function wait()`)
	tx, err := f.db.BeginTx(poolsql.WithTimeout(f.ctx, 500*time.Millisecond), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(f.ctx, "insert into slow values (1)"); err != nil {
		t.Fatal(err)
	}
	if err := tx.Commit(); err != nil {
		t.Errorf("commit: %v", err)
	}
	if n := f.number("select count(*) from slow"); n != 1 {
		t.Errorf("%d rows", n)
	}
}
