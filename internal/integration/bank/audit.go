package bank

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// maxFindings is how many of each kind are told.
const maxFindings = 5

// Rules are what the books must agree with. The zero value allows nothing.
type Rules struct {
	// CanceledMayBeLost allows that transfers are missing that were acknowledged to callers who had given up. It is for
	// failovers with synchronous replication: a COMMIT that waits for the standby and is canceled is acknowledged by
	// PostgreSQL all the same, with a warning, and may then be on the lost server only.
	CanceledMayBeLost bool
}

// Audit compares the books with what the callers were told, and returns what is wrong. It must not run while transfers do.
// The error says that the books could not be read.
func Audit(ctx context.Context, conn *pgx.Conn, j *Journal, rules Rules) (wrong []string, err error) {
	there, err := booked(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("audit: read the transfers: %w", err)
	}
	balances, err := balances(ctx, conn)
	if err != nil {
		return nil, fmt.Errorf("audit: read the accounts: %w", err)
	}
	a := audit{rules: rules, there: there, found: map[string]int{}}
	a.checkOutcomes(j.copies())
	a.checkBalances(balances)
	for what, n := range a.found {
		if n > maxFindings {
			a.wrong = append(a.wrong, fmt.Sprintf("%s: %d in all", what, n))
		}
	}
	return a.wrong, nil
}

type audit struct {
	rules Rules
	there map[int64]transfer // what the books have
	found map[string]int     // by what is wrong
	wrong []string
}

func (a *audit) blame(what, format string, args ...any) {
	a.found[what]++
	if a.found[what] <= maxFindings {
		a.wrong = append(a.wrong, what+": "+fmt.Sprintf(format, args...))
	}
}

// checkOutcomes holds each transfer against what its caller was told. That none is there twice is the primary key's work; who
// tries has been heard by the worker.
func (a *audit) checkOutcomes(entries []entry) {
	known := make(map[int64]bool, len(entries))
	for i := range entries {
		e := &entries[i]
		known[e.id] = true
		t, ok := a.there[e.id]
		switch {
		case e.outcome == Done && !ok && e.gaveUp && a.rules.CanceledMayBeLost:
		case e.outcome == Done && !ok:
			a.blame("acknowledged, but not in the books", "transfer %d (%s)", e.id, e.way)
		case e.outcome == NotDone && ok:
			a.blame("told as not done, but in the books", "transfer %d (%s): %v", e.id, e.way, e.err)
		case ok && t != e.transfer:
			a.blame("not what was asked for", "transfer %d (%s): %+v instead of %+v", e.id, e.way, t, e.transfer)
		}
	}
	for id := range a.there {
		if !known[id] {
			a.blame("in the books, but nobody's", "transfer %d", id)
		}
	}
}

// checkBalances rebuilds every account from the transfers. Sums alone would not do: money put into the wrong account leaves
// them as they are.
func (a *audit) checkBalances(balances map[int]int64) {
	want := make(map[int]int64, accounts)
	for account := range accounts {
		want[account] = opening
	}
	for _, t := range a.there {
		want[t.debit] -= t.amount
		want[t.credit] += t.amount
	}
	var sum int64
	for account, balance := range balances {
		sum += balance
		if balance != want[account] {
			a.blame("a balance is not what the transfers make it", "account %d has %d instead of %d", account, balance, want[account])
		}
	}
	if len(balances) != accounts || sum != accounts*opening {
		a.blame("the sum has changed", "%d accounts with %d instead of %d with %d", len(balances), sum, accounts, accounts*opening)
	}
}

func booked(ctx context.Context, conn *pgx.Conn) (map[int64]transfer, error) {
	rows, err := conn.Query(ctx, "select id, debit, credit, amount from transfers")
	if err != nil {
		return nil, err
	}
	there := map[int64]transfer{}
	var t transfer
	_, err = pgx.ForEachRow(rows, []any{&t.id, &t.debit, &t.credit, &t.amount}, func() error {
		there[t.id] = t
		return nil
	})
	return there, err
}

func balances(ctx context.Context, conn *pgx.Conn) (map[int]int64, error) {
	rows, err := conn.Query(ctx, "select id, balance from accounts")
	if err != nil {
		return nil, err
	}
	all := map[int]int64{}
	var id int
	var balance int64
	_, err = pgx.ForEachRow(rows, []any{&id, &balance}, func() error {
		all[id] = balance
		return nil
	})
	return all, err
}
