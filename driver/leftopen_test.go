package pooldriver_test

import (
	"errors"
	"testing"
	"time"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// many is a query whose rows come as they are read.
const many = "select generate_series(1, 100000000)"

// Rows of a *sql.Conn do not end with a transaction on it. What ends them is told as what it was.
func TestRowsThatOutliveTheirTransactionEndWithItsLimit(t *testing.T) {
	t.Parallel()
	f := open(t, 1, func(cfg *poolsql.Config) { cfg.TransactionTimeout = 300 * time.Millisecond })
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	tx, err := conn.BeginTx(f.ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(f.ctx, many)
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	if err := tx.Commit(); !errors.Is(err, pooldriver.ErrBusy) {
		t.Errorf("COMMIT beside open rows: %v", err)
	}
	for rows.Next() {
	}
	if err := rows.Err(); !errors.Is(err, pooldriver.ErrTransactionTimeout) {
		t.Errorf("%v (%T)", err, err)
	}
}

// The deadline by which rows end that are being canceled is not lifted by what cannot run beside them.
func TestBeginBesideOpenRowsLeavesTheirDeadline(t *testing.T) {
	t.Parallel()
	var n network
	f := open(t, 1, tcp, n.through)
	conn, err := f.db.Conn(f.ctx)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := conn.QueryContext(poolsql.WithTimeout(f.ctx, 300*time.Millisecond), many)
	if err != nil {
		t.Fatal(err)
	}
	n.black.Store(true)
	f.await("the cancel to begin", func() bool { return n.sides.Load() > 0 })
	if _, err := conn.BeginTx(f.ctx, nil); !errors.Is(err, pooldriver.ErrBusy) {
		t.Errorf("BEGIN beside open rows: %v", err)
	}
	began := time.Now()
	for rows.Next() {
	}
	if d := time.Since(began); d > 5*time.Second {
		t.Errorf("the rows ended after %s", d)
	}
	if !errors.Is(rows.Err(), pooldriver.ErrStatementTimeout) {
		t.Errorf("%v", rows.Err())
	}
	rows.Close()
	conn.Close()
	n.black.Store(false)
	f.reap()
}
