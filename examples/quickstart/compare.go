package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/poolsql/poolsql/examples/internal/database"
	"github.com/poolsql/poolsql/examples/internal/display"
	"github.com/poolsql/poolsql/examples/internal/program"
)

// sideResult is what one side did.
type sideResult struct {
	name        string
	of          [kinds]figures
	connections int // that the server counted when the load ended
	after       ledger
}

// compare opens the bank, runs the load on both sides, and reports. It tells whether all was well: no error that
// nobody expects, nothing lost. Whatever happens, it leaves neither a database nor a schema behind.
func compare(ctx context.Context, s settings, stdout, stderr io.Writer) (sound bool, err error) {
	db, err := database.Open(ctx, "quickstart", s.dsn, stderr)
	if err != nil {
		return false, err
	}
	defer func() { err = errors.Join(err, program.LeftBehind(db.Close())) }()

	// The load never uses this connection: it prepares, it counts, and it audits, apart from both pools.
	auditor, err := db.Connect(ctx, "auditor")
	if err != nil {
		return false, err
	}
	defer auditor.Close(context.WithoutCancel(ctx))

	b := bank{schema: db.Schema, accounts: s.accounts}
	defer func() { err = errors.Join(err, program.LeftBehind(db.Drop(ctx))) }()
	if !db.Embedded() {
		fmt.Fprintf(stderr, "in a schema of its own, %s, which is dropped at the end\n", b.schema)
	}
	start := time.Now()
	if err := openBank(ctx, auditor, b); err != nil {
		return false, err
	}
	fmt.Fprintf(stderr, "loaded %s accounts in %.1fs\n", display.Number(s.accounts), time.Since(start).Seconds())

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
func runSide(ctx context.Context, s side, l load, d *database.Database, conns int, auditor *pgx.Conn, stderr io.Writer) (sideResult, error) {
	result := sideResult{name: s.name}
	if err := tidy(ctx, auditor, l.bank); err != nil {
		return result, err
	}
	db, err := s.open(d.ConnConfig(s.name), conns)
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
	if result.connections, err = connections(ctx, auditor, d.ApplicationName(s.name)); err != nil {
		return result, err
	}
	if err := db.Close(); err != nil {
		return result, fmt.Errorf("close: %w", err)
	}
	result.after, err = audit(ctx, auditor, l.bank, l.receipts)
	return result, err
}

// connections counts those that the server has from whoever bears the name.
func connections(ctx context.Context, conn *pgx.Conn, applicationName string) (n int, err error) {
	// Workers of a parallel query bear the name of their leader.
	err = conn.QueryRow(ctx,
		"select count(*) from pg_stat_activity where application_name = $1 and backend_type = 'client backend'",
		applicationName).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("count the connections: %w", err)
	}
	return n, nil
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
