package pooldriver_test

import (
	"database/sql/driver"
	"errors"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// After Raw, the limits of the same *sql.Conn hold as before.
func TestLimitsHoldAgainAfterRaw(t *testing.T) {
	t.Parallel()
	f := open(t, 1, func(cfg *poolsql.Config) { cfg.StatementTimeout = 200 * time.Millisecond })
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	err = conn.Raw(func(c any) error {
		_, err := c.(interface{ Conn() *pgx.Conn }).Conn().Exec(f.ctx, "select 1")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(f.ctx, "select pg_sleep(60)"); !errors.Is(err, pooldriver.ErrStatementTimeout) {
		t.Errorf("%v (%T)", err, err)
	}
}

// A connection that its holder has taken away for good makes room for another.
func TestHijackedConnectionIsReplaced(t *testing.T) {
	t.Parallel()
	f := open(t, 1)
	err := f.c.Do(f.ctx, func(pg *pgx.Conn) error {
		_, err := pg.PgConn().Hijack()
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	f.serves(1)
}

// To database/sql the word would mean that the statement may be tried again, and that the *sql.Conn is of no use.
func TestErrBadConnIsNotInTheErrorOfABeginOnALostConnection(t *testing.T) {
	t.Parallel()
	f := open(t, 1)
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	var pid int
	if err := conn.QueryRowContext(f.ctx, "select pg_backend_pid()").Scan(&pid); err != nil {
		t.Fatal(err)
	}
	if _, err := f.outside().Exec(f.ctx, "select pg_terminate_backend($1, 5000)", pid); err != nil {
		t.Fatal(err)
	}
	if _, err := conn.ExecContext(f.ctx, "select 1"); err == nil {
		t.Fatal("the connection lives")
	}
	var lost *pooldriver.LostError
	for range 2 {
		if _, err := conn.BeginTx(f.ctx, nil); !errors.As(err, &lost) || errors.Is(err, driver.ErrBadConn) {
			t.Errorf("%v (%T)", err, err)
		}
	}
}
