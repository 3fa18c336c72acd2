package connector_test

import (
	"context"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// A leaver's context ends when the server has prepared a statement, and before another one is closed for it.
type leaver struct {
	leave atomic.Pointer[context.CancelFunc]
}

func (*leaver) TracePrepareStart(ctx context.Context, _ *pgx.Conn, _ pgx.TracePrepareStartData) context.Context {
	return ctx
}
func (l *leaver) TracePrepareEnd(context.Context, *pgx.Conn, pgx.TracePrepareEndData) {
	if f := l.leave.Swap(nil); f != nil {
		(*f)()
	}
}
func (*leaver) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}
func (*leaver) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}

// Whose context ends between the two halves of an eviction leaves no statement behind on the server for ever.
func TestAnEvictionThatWasCutOffIsMadeUpFor(t *testing.T) {
	testdb.NoLeaks(t)
	pg, err := pgx.ParseConfig(testdb.New(t).DSN)
	if err != nil {
		t.Fatal(err)
	}
	l := new(leaver)
	pg.Tracer = l
	db, c := openRouted(t, connector.Config{ConnConfig: pg, MaxConns: 1, StatementCacheCapacity: 2})
	for n := range 10 {
		ctx, cancel := context.WithCancel(t.Context())
		if n%2 == 1 {
			l.leave.Store(&cancel)
		}
		_, err := db.ExecContext(ctx, fmt.Sprintf("select $1::int + %d", n), n)
		if left := n%2 == 1; left && n > 2 && err == nil {
			t.Errorf("statement %d ran though its caller had left", n)
		} else if !left && err != nil {
			t.Errorf("statement %d: %v", n, err)
		}
		cancel()
	}
	exec(t, db, t.Context(), "select $1::int", 1)
	var there int
	if err := db.QueryRowContext(t.Context(), "select count(*) from pg_prepared_statements").Scan(&there); err != nil {
		t.Fatal(err)
	}
	if s := c.Connections(); there > 2 || s[0].Prepared != there || c.Stats().NewConnsCount != 1 {
		t.Errorf("the server has %d statements, and %+v", there, s)
	}
}

// A plan that does not fit any more fails its transaction once, and not each one on that connection from then on.
func TestAfterAChangeOfItsTableAStatementFailsOneTransactionAtMost(t *testing.T) {
	testdb.NoLeaks(t)
	tdb := testdb.New(t)
	db, _ := openRouted(t, connector.Config{DSN: tdb.DSN, MaxConns: 1})
	ctx := t.Context()
	exec(t, db, ctx, "create table wide (a int)")
	transaction := func() error {
		tx, err := db.BeginTx(ctx, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer tx.Rollback()
		rows, err := tx.QueryContext(ctx, "select * from wide where a = $1", 1)
		if err != nil {
			return err
		}
		return rows.Close()
	}
	if err := transaction(); err != nil {
		t.Fatal(err)
	}
	exec(t, db, ctx, "alter table wide add b int")
	if err := transaction(); err == nil {
		t.Error("the plan fits")
	}
	for range 2 {
		if err := transaction(); err != nil {
			t.Errorf("a later transaction: %v", err)
		}
	}
}
