package main

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// workload is what every call does, and nothing else: one statement or one transaction, so that a call is one lending of
// a connection. Safe for concurrent use.
type workload struct {
	name string // as headings show it: never the user's text, which may hold what is nobody's business
	call func(ctx context.Context, db *sql.DB) error
}

// statementOf is the user's own statement. Its rows are read to the end, as an application would.
func statementOf(text string, v values) workload {
	return workload{name: "your statement", call: func(ctx context.Context, db *sql.DB) error {
		rows, err := db.QueryContext(ctx, text, v.draw()...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	}}
}

// try calls once, so that what cannot work is known before anything is measured. It returns how long that took.
func (w workload) try(ctx context.Context, db *sql.DB, within time.Duration) (time.Duration, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, within, fmt.Errorf("it was given %s", within))
	defer cancel()
	start := time.Now()
	if err := w.call(ctx, db); err != nil {
		return 0, w.failed(err)
	}
	return time.Since(start), nil
}

// SQLSTATEs that have an advice.
const (
	readOnlyTransaction     = "25006"
	protocolViolation       = "08P01"
	tooManyConnections      = "53300"
	serializationFailure    = "40001"
	indeterminateParameters = "42P18"
)

// failed says what a call's failure means, where that is known.
func (w workload) failed(err error) error {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		switch pg.Code {
		case readOnlyTransaction:
			return fmt.Errorf("%s failed: %w\nit writes, which it may not without -write; what it writes, thousands of times, stays", w.name, err)
		case tooManyConnections:
			return fmt.Errorf("%s failed: %w\nsomebody else took connections meanwhile: lower -max, or leave more of them", w.name, err)
		case serializationFailure:
			return fmt.Errorf("%s failed: %w\nit is measured without retries: ask for a lower isolation level in the DSN's options", w.name, err)
		case protocolViolation:
			return fmt.Errorf("%s failed: %w\nthe number of -args has to be that of the placeholders", w.name, err)
		case indeterminateParameters:
			return fmt.Errorf("%s failed: %w\ngive each placeholder a type: $1::int", w.name, err)
		}
	}
	return fmt.Errorf("%s failed: %w", w.name, err)
}

// requireReadOnly fails if the server would let the user's statement write after all: the DSN may have said so.
func requireReadOnly(ctx context.Context, db *sql.DB) error {
	var setting string
	if err := db.QueryRowContext(ctx, "show transaction_read_only").Scan(&setting); err != nil {
		return fmt.Errorf("ask whether transactions are read-only: %w", err)
	}
	if setting != "on" {
		return errors.New("the server does not hold transactions to be read-only, be it for the DSN's options or for a proxy " +
			"in between; if your statement may write, or certainly does not, say -write")
	}
	return nil
}
