package pooldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Begin implements driver.Conn.
func (s *Session) Begin() (driver.Tx, error) {
	return s.BeginTx(context.Background(), driver.TxOptions{})
}

// BeginTx implements driver.ConnBeginTx. The transaction's context does not end its BEGIN, COMMIT or ROLLBACK, which
// have a bound of their own: it would cost the connection. database/sql rolls back when the context ends.
func (s *Session) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if s.inTx {
		return nil, errors.New("poolsql: the session is in a transaction already")
	}
	begin, err := beginSQL(opts)
	if err != nil {
		return nil, err
	}
	err = s.operation(ctx, begin, func(limited context.Context, c *Conn) (bool, error) {
		var err error
		if c.pg == nil {
			// Its context is the transaction's, and must live as long; a statement's timeout is not for it.
			s.tx, err = c.can.begin(ctx, c.inner, opts)
		} else {
			_, err = c.boundedBy(limited, begin, c.opts.EndTimeout)
			err = c.harmless(limited, err)
		}
		s.inTx = err == nil
		return false, err
	})
	if err != nil {
		return nil, err
	}
	s.txCtx = ctx
	return (*tx)(s), nil
}

// beginSQL returns the statement that begins a transaction with these options. All of them are constants.
func beginSQL(opts driver.TxOptions) (string, error) {
	type pair struct{ readWrite, readOnly string }
	var p pair
	switch sql.IsolationLevel(opts.Isolation) {
	case sql.LevelDefault:
		p = pair{"begin", "begin read only"}
	case sql.LevelReadUncommitted:
		p = pair{"begin isolation level read uncommitted", "begin isolation level read uncommitted read only"}
	case sql.LevelReadCommitted:
		p = pair{"begin isolation level read committed", "begin isolation level read committed read only"}
	case sql.LevelRepeatableRead, sql.LevelSnapshot:
		p = pair{"begin isolation level repeatable read", "begin isolation level repeatable read read only"}
	case sql.LevelSerializable:
		p = pair{"begin isolation level serializable", "begin isolation level serializable read only"}
	default:
		return "", fmt.Errorf("unsupported isolation: %v", opts.Isolation)
	}
	if opts.ReadOnly {
		return p.readOnly, nil
	}
	return p.readWrite, nil
}

// A tx is a session seen as the transaction that it is in.
type tx Session

// Commit implements driver.Tx. An error that is no answer of the server leaves open whether the transaction was
// committed.
func (t *tx) Commit() error {
	return t.end("commit", func(inner driver.Tx) error { return inner.Commit() })
}

// Rollback implements driver.Tx.
func (t *tx) Rollback() error {
	return t.end("rollback", func(inner driver.Tx) error { return inner.Rollback() })
}

func (t *tx) end(sql string, endInner func(driver.Tx) error) error {
	s := (*Session)(t)
	if lost := s.lost; lost != nil {
		if s.passing { // the transaction's end is all that is seen of its check-in
			s.lost = nil
		}
		return lost
	}
	if !s.inTx {
		return pgx.ErrTxClosed
	}
	inner := s.tx
	// Nothing that the context carries may bound the end: neither its deadline nor its timeout.
	return s.operation(context.WithoutCancel(s.txCtx), sql, func(ctx context.Context, c *Conn) (bool, error) {
		s.inTx, s.txCtx, s.tx = false, nil, nil
		if c.pg == nil {
			return false, endInner(inner)
		}
		tag, err := c.bounded(ctx, sql, c.opts.EndTimeout)
		if err != nil && !isServerAnswer(err) {
			c.broken = true // what state it is in nobody knows
		}
		if err == nil && sql == "commit" && tag.String() == "ROLLBACK" {
			err = pgx.ErrTxCommitRollback
		}
		return false, err
	})
}

// isServerAnswer reports whether err is what the server answered, after which the connection goes on.
func isServerAnswer(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr)
}
