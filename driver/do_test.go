package pooldriver_test

import (
	"context"
	"database/sql"
	"errors"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/lifecycle"
)

func TestDoGivesBatchesAndCopyTheirTurn(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	f.exec("create table things (id int primary key)")
	err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
		var b pgx.Batch
		for i := range 10 {
			b.Queue("insert into things values ($1)", i)
		}
		return pg.SendBatch(f.ctx, &b).Close()
	})
	if err != nil {
		t.Error(err)
	}
	err = f.c.Do(f.ctx, func(pg *pgx.Conn) error {
		rows := pgx.CopyFromSlice(10, func(i int) ([]any, error) { return []any{100 + i}, nil })
		_, err := pg.CopyFrom(f.ctx, pgx.Identifier{"things"}, []string{"id"}, rows)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	f.free("afterwards")
	if n := f.number("select count(*) from things"); n != 20 {
		t.Errorf("%d rows", n)
	}
}

func TestDoLeavesNothingBehindWhateverItsFunctionDoes(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	f.exec("create table things (id int)")
	errMine := errors.New("mine")
	for _, c := range []struct {
		name string
		f    func(*pgx.Conn) error
		want error
	}{
		{"error", func(*pgx.Conn) error { return errMine }, errMine},
		{"transaction left open", func(pg *pgx.Conn) error { _, err := pg.Exec(f.ctx, "begin; insert into things values (1)"); return err }, nil},
		{"rows left open", func(pg *pgx.Conn) error { _, err := pg.Query(f.ctx, "select generate_series(1, 100000)"); return err }, nil},
		{"connection closed", func(pg *pgx.Conn) error { return pg.Close(f.ctx) }, nil},
	} {
		for range 3 {
			if err := f.c.Do(f.ctx, c.f); !errors.Is(err, c.want) {
				t.Errorf("%s: %v, want %v", c.name, err, c.want)
			}
			f.awaitFree()
		}
	}
	if n := f.number("select count(*) from things"); n != 0 {
		t.Errorf("%d rows of transactions that nobody committed", n)
	}
	f.serves(1)
}

// A session of Do has nobody who checks it in, and needs none.
func TestDoIsNotTakenForAWrapper(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	done := make(chan error, 1)
	err := f.c.Do(f.ctx, func(*pgx.Conn) error {
		go func() { done <- f.c.Do(f.ctx, func(*pgx.Conn) error { return nil }) }()
		f.await("somebody to wait", func() bool { return f.c.Stats().Waiting == 1 })
		return nil
	})
	if err := errors.Join(err, <-done); err != nil {
		t.Error(err)
	}
	if n := f.events.count(lifecycle.KindRebound); n > 0 {
		t.Errorf("%d false reports of a check-in that nobody saw", n)
	}
}

func TestHoldersShowTheirLabelAndWhatTheyRun(t *testing.T) {
	t.Parallel()
	f := patient(t, 2)
	watcher := f.outside()
	ctx, cancel := context.WithCancel(poolsql.WithLabel(f.ctx, "report"))
	done := make(chan error, 1)
	go func() { _, err := f.db.ExecContext(ctx, "select pg_sleep(60), 'secret'"); done <- err }()
	f.awaitSleep(watcher)
	found := false
	for _, c := range f.c.Connections() {
		if c.Label == "report" {
			found = true
			if c.CurrentQuery != "select pg_sleep(?), ?" || c.Running <= 0 || c.State != lifecycle.InUse {
				t.Errorf("seen as %+v", c)
			}
		}
	}
	if !found {
		t.Error("the holder is not shown")
	}
	cancel()
	if err := <-done; !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	err := inTx(poolsql.WithLabel(f.ctx, "shop"), f.db, func(tx *sql.Tx) error {
		for _, c := range f.c.Connections() {
			if c.Label == "shop" && (c.CurrentQuery != "" || c.Running != 0) {
				t.Errorf("between two statements something seems to run: %+v", c)
			}
		}
		return tx.Commit()
	})
	if err != nil {
		t.Error(err)
	}
}
