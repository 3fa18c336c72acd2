package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/examples/internal/display"
)

// receipts keeps the number of every transfer of which the database said that it is done. Safe for concurrent use.
type receipts struct {
	mu sync.Mutex
	// guarded by mu

	last         int64
	acknowledged map[int64]bool
	doubted      map[int64]bool
}

// next gives a number that no transfer has had yet.
func (r *receipts) next() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	return r.last
}

// acknowledge notes a transfer whose commit succeeded.
func (r *receipts) acknowledge(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.acknowledged == nil {
		r.acknowledged = make(map[int64]bool)
	}
	r.acknowledged[id] = true
}

// doubt notes a transfer whose commit failed in a way that leaves open whether it was done.
func (r *receipts) doubt(id int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.doubted == nil {
		r.doubted = make(map[int64]bool)
	}
	r.doubted[id] = true
}

func (r *receipts) copies() (acknowledged, doubted map[int64]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.acknowledged), maps.Clone(r.doubted)
}

// ledger is the state of the bank at one moment, and what is wrong with it. Sums are in cents.
type ledger struct {
	balances     int64 // of all accounts
	moved        int64 // by all rows of history
	tellers      int64 // turnover of all tellers
	branches     int64 // turnover of all branches
	rows         int   // of history
	acknowledged int   // transfers of which the callers were told that they are done
	wrong        []string
}

// audit reads the books and compares them with each other and with the receipts. The error says that they could not
// be read; what they show to be wrong is in the ledger. It must not run while transfers do.
func audit(ctx context.Context, conn *pgx.Conn, b bank, r *receipts) (ledger, error) {
	acknowledged, doubted := r.copies()
	l := ledger{acknowledged: len(acknowledged)}
	err := conn.QueryRow(ctx, b.sql(`select
		(select coalesce(sum(balance),  0)::bigint from bank.accounts),
		(select coalesce(sum(delta),    0)::bigint from bank.history),
		(select coalesce(sum(turnover), 0)::bigint from bank.tellers),
		(select coalesce(sum(turnover), 0)::bigint from bank.branches)`)).
		Scan(&l.balances, &l.moved, &l.tellers, &l.branches)
	if err != nil {
		return l, fmt.Errorf("audit the sums: %w", err)
	}
	if l.balances != b.opening() {
		l.blame("all accounts hold %s, but the bank opened with %s", money(l.balances), money(b.opening()))
	}
	if err := l.checkAgainstHistory(ctx, conn, b); err != nil {
		return l, err
	}
	return l, l.checkReceipts(ctx, conn, b, acknowledged, doubted)
}

func (l *ledger) blame(format string, args ...any) {
	l.wrong = append(l.wrong, fmt.Sprintf(format, args...))
}

// checkAgainstHistory rebuilds every account, teller, and branch from history and counts those that differ. Sums alone
// would not do: money put into the wrong account leaves them as they are.
func (l *ledger) checkAgainstHistory(ctx context.Context, conn *pgx.Conn, b bank) error {
	checks := []struct {
		what     string
		expected int
		text     string
	}{
		{"account", b.accounts, `
			select count(*), count(*) filter (where a.balance <> $1::bigint + coalesce(m.delta, 0))
			from bank.accounts a left join (
				select id, sum(delta) as delta from (
					select to_account as id, delta from bank.history
					union all
					select from_account, -delta from bank.history
				) moves group by id
			) m using (id)`},
		{"teller", tellerCount, `
			select count(*), count(*) filter (where t.turnover <> $1::bigint + coalesce(m.delta, 0))
			from bank.tellers t left join (
				select teller_id as id, sum(delta) as delta from bank.history group by teller_id
			) m using (id)`},
		{"branch", branchCount, `
			select count(*), count(*) filter (where b.turnover <> $1::bigint + coalesce(m.delta, 0))
			from bank.branches b left join (
				select branch_id as id, sum(delta) as delta from bank.history group by branch_id
			) m using (id)`},
	}
	for _, c := range checks {
		opening := 0
		if c.what == "account" {
			opening = openingBalance
		}
		var found, differ int
		if err := conn.QueryRow(ctx, b.sql(c.text), opening).Scan(&found, &differ); err != nil {
			return fmt.Errorf("audit each %s: %w", c.what, err)
		}
		if found != c.expected {
			l.blame("%s rows: %s found, %s expected", c.what, display.Number(found), display.Number(c.expected))
		}
		if differ > 0 {
			l.blame("%s rows that disagree with history: %s", c.what, display.Number(differ))
		}
	}
	return nil
}

// checkReceipts reads the number of every transfer in history. Each that was acknowledged must be there exactly once,
// and no other, save those in doubt, which may be there once or not at all.
func (l *ledger) checkReceipts(ctx context.Context, conn *pgx.Conn, b bank, acknowledged, doubted map[int64]bool) error {
	rows, err := conn.Query(ctx, b.sql("select id, count(*) from bank.history group by id"))
	if err != nil {
		return fmt.Errorf("audit history: %w", err)
	}
	missing := maps.Clone(acknowledged)
	var repeated, foreign []int64
	var id int64
	var times int
	_, err = pgx.ForEachRow(rows, []any{&id, &times}, func() error {
		l.rows += times
		if times > 1 {
			repeated = append(repeated, id)
		}
		if !acknowledged[id] && !doubted[id] {
			foreign = append(foreign, id)
		}
		delete(missing, id)
		return nil
	})
	if err != nil {
		return fmt.Errorf("audit history: %w", err)
	}
	l.blameTransfers("acknowledged, but not in history", slices.Collect(maps.Keys(missing)))
	l.blameTransfers("in history more than once", repeated)
	l.blameTransfers("in history, but never acknowledged", foreign)
	return nil
}

func (l *ledger) blameTransfers(what string, ids []int64) {
	if len(ids) == 0 {
		return
	}
	l.blame("transfers %s: %s (such as number %d)", what, display.Number(len(ids)), slices.Min(ids))
}
