package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/poolsql/poolsql/examples/internal/timing"
)

// kind is one of the three kinds of callers.
type kind int

const (
	lookups   kind = iota // a customer waits for a balance
	transfers             // a customer moves money
	reports               // nobody waits: the reporting jobs of the night, started at noon
	kinds                 // how many kinds there are
)

func (k kind) String() string { return [...]string{"lookups", "transfers", "reports"}[k] }

const (
	// Customers come at their own pace, and reports ask again as soon as they are answered: that is what a
	// reporting job does, and why it fills every pool that lets it.
	lookupPace   = 8 * time.Millisecond
	transferPace = 100 * time.Millisecond

	// errorPause keeps a caller whose database is gone from asking it thousands of times a second.
	errorPause = 50 * time.Millisecond

	// lastCalls bounds how long the calls that are under way when the measured time ends may still take.
	lastCalls = 30 * time.Second

	transferTries = 10
)

// load is the work that both sides do.
type load struct {
	bank     bank
	callers  [kinds]int
	duration time.Duration
	receipts *receipts
}

// tally is what a load has done so far. Safe for concurrent use.
type tally struct {
	of [kinds]recorder
}

// run does the load on db and fills t. It returns when the measured time is over and every call has ended, so that no
// slow call is left out of the figures, or with an error when ctx ended first.
func (l load) run(ctx context.Context, db *sql.DB, t *tally) error {
	calls, cancel := context.WithTimeoutCause(ctx, l.duration+lastCalls,
		fmt.Errorf("calls still ran %v after the measured time", lastCalls))
	defer cancel()
	end := time.Now().Add(l.duration)

	var callers sync.WaitGroup
	for k := range kinds {
		for i := range l.callers[k] {
			callers.Go(func() {
				c := caller{load: l, db: db, kind: k, recorder: &t.of[k]}
				c.run(inClass(calls, k), end, l.callers[k], i)
			})
		}
	}
	callers.Wait()
	return context.Cause(calls)
}

// caller is one goroutine of the load. Used by one goroutine at a time.
type caller struct {
	load
	db       *sql.DB
	kind     kind
	recorder *recorder
}

// run calls until end, as number i of n callers of the kind.
func (c caller) run(ctx context.Context, end time.Time, n, i int) {
	pace := [kinds]time.Duration{lookups: lookupPace, transfers: transferPace}[c.kind]
	// Spread over one pace, so that the callers do not come all at once.
	next := time.Now().Add(pace * time.Duration(i) / time.Duration(n))
	for timing.Pause(ctx, time.Until(next)) && time.Now().Before(end) {
		start := time.Now()
		err := c.call(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			c.recorder.fail(err)
			next = time.Now().Add(errorPause)
			continue
		}
		now := time.Now()
		c.recorder.done(now.Sub(start), now.Before(end))
		// A caller that was answered late asks again at once, but does not make up for what it missed.
		if next = next.Add(pace); next.Before(now) {
			next = now
		}
	}
}

func (c caller) call(ctx context.Context) error {
	switch c.kind {
	case lookups:
		return c.lookup(ctx)
	case transfers:
		return c.transfer(ctx)
	default:
		return c.report(ctx)
	}
}

// lookup reads the balance of one account.
func (c caller) lookup(ctx context.Context) error {
	var balance int64
	return c.db.QueryRowContext(ctx, c.bank.sql("select balance from bank.accounts where id = $1"),
		1+rand.IntN(c.bank.accounts)).Scan(&balance)
}

// report sums up all the accounts by branch. Transfers move money but make none, so whenever it is asked it must see
// the sum that the bank opened with.
func (c caller) report(ctx context.Context) error {
	rows, err := c.db.QueryContext(ctx, c.bank.sql(`
		select branch_id, sum(balance)::bigint, avg(balance)::float8, max(balance)
		from bank.accounts group by branch_id order by branch_id`))
	if err != nil {
		return err
	}
	defer rows.Close()

	var total int64
	for rows.Next() {
		var branch int
		var sum, richest int64
		var average float64
		if err := rows.Scan(&branch, &sum, &average, &richest); err != nil {
			return err
		}
		total += sum
	}
	if err := rows.Err(); err != nil {
		return err
	}
	if total != c.bank.opening() {
		return fmt.Errorf("a report saw %s in all accounts instead of %s", money(total), money(c.bank.opening()))
	}
	return nil
}

// order is a transfer that a customer asks for.
type order struct {
	id                       int64
	from, to, teller, branch int
	delta                    int64 // cents
}

// transfer moves money between two accounts, and does it again when the database says that it had to undo it.
func (c caller) transfer(ctx context.Context) error {
	teller := 1 + rand.IntN(tellerCount)
	o := order{
		id:     c.receipts.next(),
		from:   1 + rand.IntN(c.bank.accounts),
		teller: teller,
		branch: branchOf(teller),
		delta:  1 + rand.Int64N(10_000),
	}
	// Never to itself: any of the other accounts, all alike.
	o.to = 1 + (o.from+rand.IntN(c.bank.accounts-1))%c.bank.accounts

	var err error
	for range transferTries {
		if err = c.try(ctx, o); !undone(err) {
			return err
		}
	}
	return fmt.Errorf("transfer undone %d times: %w", transferTries, err)
}

// undone reports whether the database rolled the transaction back for the sake of another: it may be tried again.
func undone(err error) bool {
	var pg *pgconn.PgError
	return errors.As(err, &pg) && (pg.Code == "40001" || pg.Code == "40P01")
}

// try does the order in one transaction and keeps the receipt.
func (c caller) try(ctx context.Context, o order) error {
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()

	for _, step := range o.steps() {
		result, err := tx.ExecContext(ctx, c.bank.sql(step.text), step.args...)
		if err != nil {
			return err
		}
		if n, err := result.RowsAffected(); err != nil || n != 1 {
			return errors.Join(fmt.Errorf("a step of a transfer changed %d rows instead of one", n), err)
		}
	}
	if err := tx.Commit(); err != nil {
		// Unless the database says that it undid the transfer, it may have done it and failed to tell.
		if !undone(err) {
			c.receipts.doubt(o.id)
		}
		return err
	}
	c.receipts.acknowledge(o.id)
	return nil
}

type step struct {
	text string
	args []any
}

// steps gives the statements of a transfer. All transfers lock in one order: accounts by number, teller, branch. So
// none can wait in a circle; and the few branches, which all transfers share, are locked for the shortest time.
func (o order) steps() []step {
	const moveText = "update bank.accounts set balance = balance + $2 where id = $1"
	first, second := step{moveText, []any{o.from, -o.delta}}, step{moveText, []any{o.to, o.delta}}
	if o.to < o.from {
		first, second = second, first
	}
	return []step{
		first,
		second,
		{"insert into bank.history (id, from_account, to_account, teller_id, branch_id, delta) values ($1, $2, $3, $4, $5, $6)",
			[]any{o.id, o.from, o.to, o.teller, o.branch, o.delta}},
		{"update bank.tellers set turnover = turnover + $2 where id = $1", []any{o.teller, o.delta}},
		{"update bank.branches set turnover = turnover + $2 where id = $1", []any{o.branch, o.delta}},
	}
}
