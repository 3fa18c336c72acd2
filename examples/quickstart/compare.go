package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
)

// cleanUpWithin bounds what is done after the end, or after Ctrl-C, so that it cannot hang.
const cleanUpWithin = 15 * time.Second

// sideResult is what one side did.
type sideResult struct {
	name        string
	of          [kinds]figures
	connections int // that the server counted when the load ended
	after       ledger
}

// cleanUpError says that something was left behind.
type cleanUpError struct{ error }

func (e cleanUpError) Unwrap() error { return e.error }

func leftBehind(err error) error {
	if err == nil {
		return nil
	}
	return cleanUpError{err}
}

// compare opens the bank, runs the load on both sides, and reports. It tells whether all was well: no error that
// nobody expects, nothing lost. Whatever happens, it leaves neither a database nor a schema behind.
func compare(ctx context.Context, s settings, stdout, stderr io.Writer) (sound bool, err error) {
	db, err := openDatabase(ctx, s.dsn, stderr)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, leftBehind(db.close())) }()

	// The load never uses this connection: it prepares, it counts, and it audits, apart from both pools.
	auditor, err := pgx.ConnectConfig(ctx, db.config("auditor"))
	if err != nil {
		return false, fmt.Errorf("connect to the database: %w", err)
	}
	defer auditor.Close(context.WithoutCancel(ctx))

	b := bank{schema: db.schema, accounts: s.accounts}
	defer func() { err = errors.Join(err, leftBehind(db.drop(ctx, b))) }()
	start := time.Now()
	if err := openBank(ctx, auditor, b); err != nil {
		return false, err
	}
	fmt.Fprintf(stderr, "loaded %s accounts in %.1fs\n", number(s.accounts), time.Since(start).Seconds())

	l := load{bank: b, callers: s.callers, duration: s.duration, receipts: &receipts{}}
	r := report{settings: s}
	if r.before, err = audit(ctx, auditor, b, l.receipts); err != nil {
		return false, err
	}
	for i, side := range sides {
		if r.sides[i], err = runSide(ctx, side, l, db, s.conns, auditor, stderr); err != nil {
			return false, fmt.Errorf("%s: %w", side.name, err)
		}
	}
	return r.write(stdout), nil
}

// runSide runs the load through one side and audits the books after it.
func runSide(ctx context.Context, s side, l load, d *database, conns int, auditor *pgx.Conn, stderr io.Writer) (sideResult, error) {
	result := sideResult{name: s.name}
	if err := tidy(ctx, auditor, l.bank); err != nil {
		return result, err
	}
	db, err := s.open(d.config(s.name), conns)
	if err != nil {
		return result, err
	}
	defer db.Close()
	if err := connect(ctx, db, conns); err != nil {
		return result, fmt.Errorf("connect: %w", err)
	}

	t := &tally{}
	bar := startProgress(stderr, s.name, l.duration, t)
	err = l.run(ctx, db, t)
	bar.stop()
	if err != nil {
		return result, err
	}
	for k := range kinds {
		result.of[k] = t.of[k].figures(l.duration)
	}
	if result.connections, err = d.connections(ctx, auditor, s.name); err != nil {
		return result, err
	}
	if err := db.Close(); err != nil {
		return result, fmt.Errorf("close: %w", err)
	}
	result.after, err = audit(ctx, auditor, l.bank, l.receipts)
	return result, err
}

// connect has all connections opened before the clock starts, so that the figures are about waiting, not dialing.
func connect(ctx context.Context, db *sql.DB, n int) error {
	for range n {
		c, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		defer c.Close() // at the end, not before: each must be another one
		if err := c.PingContext(ctx); err != nil {
			return err
		}
	}
	return nil
}
