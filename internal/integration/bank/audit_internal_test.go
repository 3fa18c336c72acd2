package bank

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
)

// newBooks gives a bank with one transfer in each of the ways, and the journal of them.
func newBooks(t *testing.T) (*pgx.Conn, *Journal) {
	t.Helper()
	testdb.NoLeaks(t)
	ctx := t.Context()
	dsn := testdb.New(t).DSN
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close(context.Background()) })
	if err := Create(ctx, conn); err != nil {
		t.Fatal(err)
	}
	db, err := connector.Open(connector.Config{DSN: dsn, MaxConns: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	j := newJournal()
	for i, way := range ways {
		tr := transfer{id: int64(i + 1), debit: i, credit: i + 1, amount: 10}
		sent, err := way.do(ctx, db, &tr)
		if err != nil || !sent {
			t.Fatalf("%s: sent %t, %v", way.name, sent, err)
		}
		j.write(entry{transfer: tr, outcome: Done, way: way.name})
	}
	return conn, j
}

func TestEveryWayKeepsTheBooksInOrder(t *testing.T) {
	conn, j := newBooks(t)
	wrong, err := Audit(t.Context(), conn, j, Rules{})
	if err != nil || len(wrong) > 0 {
		t.Errorf("%v: %q", err, wrong)
	}
}

func TestTheAuditFindsWhatIsWrong(t *testing.T) {
	for _, c := range []struct {
		name, tamper string
		write        *entry
		fault        string // empty if there is none
	}{
		{name: "lost", tamper: "delete from transfers where id = 1", fault: "acknowledged, but not in the books: transfer 1"},
		{name: "money made", tamper: "update accounts set balance = balance + 1 where id = 0", fault: "the sum has changed"},
		{name: "wrong account", tamper: "update accounts set balance = balance + case id when 0 then 1 else -1 end where id < 2",
			fault: "a balance is not what the transfers make it: account 0"},
		{name: "other amount", tamper: "update transfers set amount = 11 where id = 2", fault: "not what was asked for: transfer 2"},
		{name: "nobody's", tamper: "insert into transfers values (99, 1, 2, 0)", fault: "in the books, but nobody's: transfer 99"},
		{name: "told as not done", tamper: "insert into transfers values (99, 1, 2, 0)",
			write: &entry{transfer: transfer{id: 99, debit: 1, credit: 2}, outcome: NotDone},
			fault: "told as not done, but in the books: transfer 99"},
		{name: "unknown and done", tamper: "insert into transfers values (99, 1, 2, 0)",
			write: &entry{transfer: transfer{id: 99, debit: 1, credit: 2}, outcome: Unknown}},
		{name: "unknown and not done", tamper: "select", write: &entry{transfer: transfer{id: 99}, outcome: Unknown}},
	} {
		t.Run(c.name, func(t *testing.T) {
			conn, j := newBooks(t)
			if _, err := conn.Exec(t.Context(), c.tamper); err != nil {
				t.Fatal(err)
			}
			if c.write != nil {
				j.write(*c.write)
			}
			wrong, err := Audit(t.Context(), conn, j, Rules{})
			if err != nil {
				t.Fatal(err)
			}
			if c.fault == "" && len(wrong) > 0 {
				t.Errorf("found fault with what is right: %q", wrong)
			}
			if !slices.ContainsFunc(wrong, func(s string) bool { return strings.Contains(s, c.fault) }) && c.fault != "" {
				t.Errorf("got %q, want one that says %q", wrong, c.fault)
			}
		})
	}
}

func TestCanceledCommitsMayBeLostWhereTheRulesSaySo(t *testing.T) {
	conn, j := newBooks(t)
	for _, e := range []entry{
		{transfer: transfer{id: 98}, outcome: Done, gaveUp: true},
		{transfer: transfer{id: 99}, outcome: Done},
	} {
		j.write(e)
	}
	wrong, err := Audit(t.Context(), conn, j, Rules{CanceledMayBeLost: true})
	if err != nil || len(wrong) != 1 || !strings.Contains(wrong[0], "transfer 99") {
		t.Errorf("%v: %q, want transfer 99 alone to be missed", err, wrong)
	}
}
