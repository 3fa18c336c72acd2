package pooldriver

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
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
	if o := priority.Peek(ctx); o != nil && o.ReadOnly {
		opts.ReadOnly = true // whoever serves it
	}
	begin, err := beginSQL(opts)
	if err != nil {
		return nil, err
	}
	if s.opts.Pooler == PoolerStatement {
		return nil, &SessionError{Statement: "a transaction", Pooler: PoolerStatement, Instead: insteadDirect}
	}
	var statement time.Duration
	began := mono.Now()
	err = s.operation(ctx, Call{Kind: OpBegin, Text: begin}, func(limited context.Context, c *Conn) (bool, error) {
		var err error
		if c.pg == nil {
			// Its context is the transaction's, and must live as long; a statement's timeout is not for it.
			s.tx, err = c.can.begin(ctx, c.inner, opts)
		} else {
			var settings string
			var carried string
			if carried, err = c.opts.carryAtBegin(priority.Peek(ctx)); err != nil {
				return false, err
			}
			settings, statement = c.opts.toldAtBegin(priority.Peek(ctx))
			idle := c.pg.PgConn().TxStatus() == 'I'
			_, err = c.boundedBy(limited, begin+settings+carried, c.opts.EndTimeout)
			if err = c.harmless(limited, err); err == nil {
				err = s.carriedByBegin(priority.Peek(ctx))
			}
			if err != nil && idle {
				c.undoBegin(ctx)
			}
		}
		s.inTx = err == nil
		return false, err
	})
	if err != nil {
		return nil, err
	}
	s.txCtx, s.txReads = ctx, opts.ReadOnly
	s.conn.inTx.Store(true)
	s.conn.told(statement)
	s.boundTx(ctx, began)
	return (*tx)(s), nil
}

// undoBegin ends the transaction that a BEGIN has begun which failed by what went with it: who was told that there is none, and
// keeps the connection, would run on in it, and lose all that he does.
func (c *Conn) undoBegin(ctx context.Context) {
	if c.closed() || c.pg.PgConn().TxStatus() == 'I' {
		return
	}
	if _, err := c.bounded(ctx, "rollback", c.opts.EndTimeout); err != nil {
		c.broken = true
	}
}

// boundTx notes when the transaction has to be over: when its context says so, or when the pool does.
func (s *Session) boundTx(ctx context.Context, began mono.Time) {
	s.txBegan = began
	if deadline, ok := ctx.Deadline(); ok {
		s.txEnds, s.txLimit, s.txAfter = deadline, LimitContext, 0
	}
	o := priority.Peek(ctx)
	exempt := s.conn.pg == nil || (o != nil && o.Exempt)
	if s.txIdle = s.conn.opts.IdleInTransactionTimeout; exempt {
		s.txIdle = 0
	}
	limit := s.conn.opts.TransactionTimeout
	if limit == 0 || exempt {
		return
	}
	ends := time.Now().Add(limit)
	if s.txEnds.IsZero() || ends.Before(s.txEnds) {
		s.txEnds, s.txLimit, s.txAfter = ends, LimitTransaction, limit
	}
	s.conn.txEnds.Store(int64(mono.Now().Add(limit)))
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
	return t.end(OpCommit, func(inner driver.Tx) error { return inner.Commit() })
}

// Rollback implements driver.Tx.
func (t *tx) Rollback() error {
	return t.end(OpRollback, func(inner driver.Tx) error { return inner.Rollback() })
}

func (t *tx) end(kind OperationKind, endInner func(driver.Tx) error) error {
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
	inner, ended := s.tx, s.ended
	// Nothing that the context carries may bound the end: neither its deadline nor its timeout.
	return s.operation(context.WithoutCancel(s.txCtx), Call{Kind: kind, Text: kind.String()}, func(ctx context.Context, c *Conn) (bool, error) {
		s.inTx, s.txCtx, s.tx, s.txEnds = false, nil, nil, time.Time{}
		defer c.txEnded()
		if c.pg == nil {
			return false, endInner(inner)
		}
		if c.unsettled() {
			if err := c.settle(ctx); err != nil {
				return false, &unsentError{err}
			}
		}
		if c.opts.TransactionTimeout > 0 {
			c.txEnds.Store(0) // to close the connection now would be to leave open whether the transaction is committed
		}
		if ended != 0 && c.news(s.began.Sub(ended)) { // whoever finds out now knows that it is not
			if err := c.ping(ctx, true); err != nil && c.closed() {
				return false, &unsentError{err}
			}
		}
		mark := c.mark()
		c.limit.Store(0) // nor does the server limit what a COMMIT has to do: deferred triggers, or a standby's answer
		tag, err := c.bounded(ctx, kind.String(), c.opts.EndTimeout)
		err = c.truth(mark, err)
		if err != nil && !isServerAnswer(err) {
			c.broken = true // what state it is in nobody knows
		}
		if kind == OpCommit {
			err = s.commitOutcome(tag.String(), err)
		}
		return false, err
	})
}

// commitOutcome tells a commit that failed from one of which nobody knows.
func (s *Session) commitOutcome(tag string, err error) error {
	switch {
	case err == nil && tag == "ROLLBACK":
		return pgx.ErrTxCommitRollback
	case err == nil || neverRan(err) || (isServerAnswer(err) && !s.conn.closed()):
		return err
	default: // a server that ends the session instead of answering may have done so before the commit or after
		return &CommitError{Conn: s.h.ID(), PID: s.conn.pid, Took: mono.Since(s.began), Err: err}
	}
}

// isServerAnswer reports whether err is what the server answered, after which the connection goes on.
func isServerAnswer(err error) bool {
	var pgErr *pgconn.PgError
	return errors.As(err, &pgErr)
}
