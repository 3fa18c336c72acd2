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

// paths are the ways in which database/sql checks a connection in.
var paths = []struct {
	name string
	run  func(ctx context.Context, db *sql.DB) error
}{
	{"exec", func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, "select 1")
		return err
	}},
	{"exec that fails", func(ctx context.Context, db *sql.DB) error {
		_, err := db.ExecContext(ctx, "select 1/0")
		return unless(err, "22012")
	}},
	{"query that fails", func(ctx context.Context, db *sql.DB) error {
		_, err := db.QueryContext(ctx, "selekt")
		return unless(err, "42601")
	}},
	{"rows read to the end", func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, "select generate_series(1, 3)")
		if err != nil {
			return err
		}
		for rows.Next() {
		}
		return rows.Err()
	}},
	{"rows closed early", func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, "select generate_series(1, 1000)")
		if err != nil {
			return err
		}
		rows.Next()
		return rows.Close()
	}},
	{"rows that fail", func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, "select 1 / (2 - g) from generate_series(1, 3) g")
		if err != nil {
			return err
		}
		for rows.Next() {
		}
		return unless(rows.Err(), "22012")
	}},
	{"row", func(ctx context.Context, db *sql.DB) error {
		return db.QueryRowContext(ctx, "select generate_series(1, 3)").Scan(new(int))
	}},
	{"row that does not scan", func(ctx context.Context, db *sql.DB) error {
		if db.QueryRowContext(ctx, "select 'x'").Scan(new(int)) == nil {
			return errors.New("it did")
		}
		return nil
	}},
	{"no row", func(ctx context.Context, db *sql.DB) error {
		if err := db.QueryRowContext(ctx, "select 1 where false").Scan(new(int)); !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		return nil
	}},
	{"commit", func(ctx context.Context, db *sql.DB) error {
		return inTx(ctx, db, (*sql.Tx).Commit)
	}},
	{"rollback", func(ctx context.Context, db *sql.DB) error {
		return inTx(ctx, db, (*sql.Tx).Rollback)
	}},
	{"commit with rows open", func(ctx context.Context, db *sql.DB) error {
		return inTx(ctx, db, func(tx *sql.Tx) error {
			rows, err := tx.QueryContext(ctx, "select generate_series(1, 1000)")
			if err != nil {
				return err
			}
			defer rows.Close()
			return tx.Commit()
		})
	}},
	{"begin that fails", func(ctx context.Context, db *sql.DB) error {
		if _, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelLinearizable}); err == nil {
			return errors.New("it did not")
		}
		return nil
	}},
	{"conn", func(ctx context.Context, db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, "select 1"); err != nil {
			return err
		}
		return conn.Close()
	}},
	{"conn that ran nothing", func(ctx context.Context, db *sql.DB) error {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		return conn.Close()
	}},
	{"raw", func(ctx context.Context, db *sql.DB) error {
		return raw(ctx, db, func(pg *pgx.Conn) error { return pg.Ping(ctx) })
	}},
	{"statement", func(ctx context.Context, db *sql.DB) error {
		st, err := db.PrepareContext(ctx, "select $1::int")
		if err != nil {
			return err
		}
		defer st.Close()
		if _, err := st.ExecContext(ctx, 1); err != nil {
			return err
		}
		return st.QueryRowContext(ctx, 1).Scan(new(int))
	}},
	{"statement that is not closed", func(ctx context.Context, db *sql.DB) error {
		_, err := db.PrepareContext(ctx, "select 1")
		return err
	}},
	{"ping", func(ctx context.Context, db *sql.DB) error { return db.PingContext(ctx) }},
}

func TestEveryWayToCheckInFreesTheConnectionAtOnce(t *testing.T) {
	t.Parallel()
	f := patient(t, 2)
	f.exec("select 1")
	for _, p := range paths {
		for range 3 { // more often than there are connections
			if err := p.run(f.ctx, f.db); err != nil {
				t.Fatalf("%s: %v", p.name, err)
			}
			f.free(p.name)
		}
	}
	s := f.c.Stats()
	if s.NewConnsCount > 2 || len(s.ClosedConns) > 0 {
		t.Errorf("%d connections opened, closed: %v", s.NewConnsCount, s.ClosedConns)
	}
	if s.AcquireCount != s.ReleaseCount {
		t.Errorf("%d bindings, %d ends of bindings", s.AcquireCount, s.ReleaseCount)
	}
	if n := f.events.count(lifecycle.KindRebound); n > 0 {
		t.Errorf("%d check-ins were not seen", n)
	}
}

func TestTransactionsEndedByTheirContextUseOneConnection(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	pids := map[int]bool{}
	for range 20 {
		ctx, cancel := context.WithCancel(f.ctx)
		tx, err := f.db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		var pid int
		if err := tx.QueryRowContext(f.ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		pids[pid] = true
		cancel()
		f.awaitFree()
		if err := tx.Commit(); !errors.Is(err, sql.ErrTxDone) && !errors.Is(err, context.Canceled) {
			t.Fatalf("commit after the end: %v", err)
		}
	}
	if n := f.c.Stats().NewConnsCount; len(pids) != 1 || n != 1 {
		t.Errorf("%d backends served, %d were opened, want 1", len(pids), n)
	}
}

func TestTransactionLeftOpenBySQLIsRolledBackAndTheConnectionServesOn(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	f.exec("create table left_open (id int)")
	pid := f.number("select pg_backend_pid()")
	for _, leave := range []func() error{
		func() error { _, err := f.db.ExecContext(f.ctx, "begin; insert into left_open values (1)"); return err },
		func() error {
			return raw(f.ctx, f.db, func(pg *pgx.Conn) error {
				_, err := pg.Exec(f.ctx, "begin; insert into left_open values (1)")
				return err
			})
		},
		func() error { // failed, what is more
			_, err := f.db.ExecContext(f.ctx, "begin; select 1/0")
			return unless(err, "22012")
		},
	} {
		if err := leave(); err != nil {
			t.Fatal(err)
		}
		if n := f.number("select count(*) from left_open"); n != 0 {
			t.Errorf("%d rows of a transaction that nobody committed", n)
		}
		f.free("after the roll-back")
	}
	if now := f.number("select pg_backend_pid()"); now != pid {
		t.Error("another connection serves")
	}
}

func TestRowsLeftOpenInRawCostTheConnectionAndNobodyElse(t *testing.T) {
	t.Parallel()
	f := patient(t, 1)
	pid := f.number("select pg_backend_pid()")
	var left pgx.Rows
	err := raw(f.ctx, f.db, func(pg *pgx.Conn) (err error) {
		left, err = pg.Query(f.ctx, "select generate_series(1, 100000)")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if now := f.number("select pg_backend_pid()"); now == pid {
		t.Error("a connection in the middle of a result serves on")
	}
	left.Close()
	f.free("afterwards")
	if closed := f.c.Stats().ClosedConns; closed[lifecycle.EndBusy] != 1 {
		t.Errorf("connections closed: %v", closed)
	}
}

func TestPanicOfATracerInARollBackOffTheCallersPathCostsOneConnection(t *testing.T) {
	t.Parallel()
	tracer := &panickingTracer{}
	f := patient(t, 1, func(cfg *poolsql.Config) { cfg.ConnConfig.Tracer = tracer })
	f.exec("begin")
	f.awaitFree()
	tracer.on.Store(true)
	err := raw(f.ctx, f.db, func(pg *pgx.Conn) error {
		tracer.on.Store(false)
		_, err := pg.Exec(f.ctx, "begin")
		tracer.on.Store(true)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.awaitFree()
	tracer.on.Store(false)
	f.serves(1)
}

func unless(err error, code string) error {
	if codeOf(err) != code {
		return errors.Join(errors.New("not the error that was expected"), err)
	}
	return nil
}

func inTx(ctx context.Context, db *sql.DB, end func(*sql.Tx) error) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "select 1"); err != nil {
		return err
	}
	return end(tx)
}

// raw runs f with the pgx connection of a *sql.Conn of its own.
func raw(ctx context.Context, db *sql.DB, f func(*pgx.Conn) error) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	return conn.Raw(func(driverConn any) error {
		return f(driverConn.(interface{ Conn() *pgx.Conn }).Conn())
	})
}
