package testdb

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// CaughtUp returns when the standby has applied all that was committed on the
// primary before the call, so that a read on the standby sees it. It fails when
// one of them is stopped, when the standby has been promoted, and after 30
// seconds.
func (p *Pair) CaughtUp(ctx context.Context) error {
	lsn, err := p.mark(ctx)
	if err != nil {
		return fmt.Errorf("testdb: how far the primary is: %w", err)
	}
	err = p.standby.admin(ctx, func(conn *pgx.Conn) error {
		return await(ctx, func(ctx context.Context) (applied bool, err error) {
			var follows bool
			err = conn.QueryRow(ctx,
				"select pg_is_in_recovery(), coalesce(pg_last_wal_replay_lsn() >= $1::text::pg_lsn, false)", lsn,
			).Scan(&follows, &applied)
			if err == nil && !follows {
				err = errors.New("it has been promoted")
			}
			return applied, err
		})
	})
	if err != nil {
		return fmt.Errorf("testdb: wait for the standby to catch up: %w", err)
	}
	return nil
}

// mark commits a message on the primary and returns a position in its WAL, which
// is behind everything that was committed before. Without the message commits
// that nobody flushed yet (synchronous_commit = off) would not be in what the
// standby can get. It waits for no standby: that would be the caller's business.
func (p *Pair) mark(ctx context.Context) (lsn string, err error) {
	err = p.primary.admin(ctx, func(conn *pgx.Conn) error {
		err := pgx.BeginFunc(ctx, conn, func(tx pgx.Tx) error {
			_, err := tx.Exec(ctx, "set local synchronous_commit = local")
			if err != nil {
				return err
			}
			_, err = tx.Exec(ctx, "select pg_logical_emit_message(true, $1, '')", sideApplication)
			return err
		})
		if err != nil {
			return err
		}
		return conn.QueryRow(ctx, "select pg_current_wal_flush_lsn()::text").Scan(&lsn)
	})
	return lsn, err
}

// Promote makes the standby a server of its own, and returns when it accepts
// writes. Its sessions stay, and become writable. Before that it applies all that
// it has received. It does nothing to the primary: a failover stops that first.
// A standby that has been promoted cannot be promoted again.
func (p *Pair) Promote(ctx context.Context) error {
	err := p.standby.admin(ctx, func(conn *pgx.Conn) error {
		var done bool
		err := conn.QueryRow(ctx, "select pg_promote(true, $1)", int(awaitLimit.Seconds())).Scan(&done)
		if err == nil && !done {
			err = errAwaited
		}
		return err
	})
	if err != nil {
		return fmt.Errorf("testdb: promote the standby: %w", err)
	}
	return nil
}
