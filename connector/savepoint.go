package connector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
)

// Savepoint runs fn inside a savepoint of tx: if fn returns an error, panics or calls runtime.Goexit, what it did in tx is
// undone, and the transaction can go on as if fn had not run. It works in RunTx and in any transaction of PostgreSQL, and
// inside another Savepoint, which should be given the ctx of the outer fn. Statements of fn go through tx.
//
// It returns fn's error as it is. If the way back to the savepoint failed too, as it does while rows that fn opened are open,
// that is added to fn's error; the transaction is lost then: RunTx commits nothing of it, and any other is rolled back. If a
// statement failed and fn returns nil all the same, Savepoint undoes what fn did and says so.
//
// Only what concerns fn alone is undone. After a serialization failure or a deadlock of tx the transaction stays failed:
// whatever else is sent in it is refused. In RunTx the whole transaction is run again, whatever its function makes of
// Savepoint's error; elsewhere it must be rolled back by whoever began it.
//
// ctx bounds what fn does, if fn uses it. When it ends, the transaction can still go on, as long as the context that it was
// begun with lives and the driver keeps the connection of a canceled statement, as poolsql does. The statements
// SAVEPOINT, RELEASE and ROLLBACK TO are not cut off by ctx, and bounded by [DefaultEndTimeout] each.
//
// Used by one goroutine at a time for each tx: savepoints nest.
func Savepoint(ctx context.Context, tx *sql.Tx, fn func(ctx context.Context) error) error {
	switch {
	case tx == nil:
		return errors.New("poolsql: Savepoint: the transaction is nil")
	case fn == nil:
		return errors.New("poolsql: Savepoint: the function is nil")
	case ctx.Err() != nil:
		return fmt.Errorf("poolsql: Savepoint: the context had ended before the savepoint was set: %w", ended(ctx))
	}
	depth, _ := ctx.Value(depthKey{}).(int)
	depth++
	s := &savepoint{ctx: context.WithoutCancel(ctx), tx: tx, name: "poolsql_" + strconv.Itoa(depth)}
	if err := s.exec("savepoint " + s.name); err != nil {
		return err
	}
	err := s.call(context.WithValue(ctx, depthKey{}, depth), fn)
	if err != nil {
		return s.undo(err)
	}
	return s.release()
}

// depthKey is the key under which a context carries how many savepoints it is in. Savepoints are named by their depth,
// so that their statements are few texts, and neither caches nor pg_stat_statements fill with them. Should somebody not
// pass the context on, two nested ones have one name, which PostgreSQL takes for the inner one until that is released.
type depthKey struct{}

// A savepoint is one that was set.
type savepoint struct {
	ctx  context.Context // for its values: it does not end
	tx   *sql.Tx
	name string
}

// exec runs a statement about the savepoint.
func (s *savepoint) exec(statement string) error {
	ctx, cancel := context.WithTimeout(s.ctx, DefaultEndTimeout)
	defer cancel()
	_, err := s.tx.ExecContext(ctx, statement)
	return err
}

// call runs the function.
func (s *savepoint) call(ctx context.Context, fn func(context.Context) error) error {
	returned := false
	defer func() {
		if !returned { // whoever recovers may want to go on with the transaction; if he cannot, his next statement tells
			if failure := s.back(); failure != nil {
				s.lose(fmt.Errorf("poolsql: Savepoint: the function did not return, and ROLLBACK TO SAVEPOINT failed: %w", failure))
			}
		}
	}()
	err := fn(ctx)
	returned = true
	return err
}

// undo undoes what the function did, which failed with err.
func (s *savepoint) undo(err error) error {
	if conflict(err) && s.txFailed() { // else it was a conflict in another database
		s.doom(err)
		return err
	}
	failure := s.back()
	if failure == nil || errors.Is(failure, sql.ErrTxDone) {
		return err
	}
	if !severed(err) {
		err = fmt.Errorf("%w; then ROLLBACK TO SAVEPOINT failed, and the transaction is lost: %w", err, failure)
	}
	s.lose(err)
	return err
}

// back goes back to the savepoint and removes it, which the way back alone does not.
func (s *savepoint) back() error {
	if err := s.exec("rollback to savepoint " + s.name); err != nil {
		return err
	}
	return s.exec("release savepoint " + s.name)
}

// release ends the savepoint of a function that returned nil.
func (s *savepoint) release() error {
	err := s.exec("release savepoint " + s.name)
	switch {
	case err == nil:
		return nil
	case !hasState(err, func(code string) bool { return code == txIsFailed }):
		return s.undo(fmt.Errorf("poolsql: RELEASE SAVEPOINT failed: %w", err))
	}
	if doomed := s.doomed(); doomed != nil { // by a savepoint inside this one
		return doomed
	}
	return s.undo(fmt.Errorf("poolsql: Savepoint: a statement failed and the function returned nil all the same; what it did is "+
		"undone; return the statement's error: %w", err))
}

// txIsFailed is the SQLSTATE of everything that is sent in a transaction after a statement of it failed.
const txIsFailed = "25P02"

// txFailed asks the server whether a statement of the transaction failed, which nothing but a rollback mends.
func (s *savepoint) txFailed() bool {
	return hasState(s.exec("select 1"), func(code string) bool { return code == txIsFailed })
}

// lose sees to it that nothing of the transaction is committed, as what the function did cannot be undone without the rest.
func (s *savepoint) lose(err error) {
	if !s.doom(err) {
		_ = s.tx.Rollback() // whoever began it hears at his next statement, or at Commit, that it is over
	}
}

// doom lets RunTx know, if that runs the transaction, that it is of no use any more, and reports whether it does.
func (s *savepoint) doom(err error) bool {
	a, ok := s.ctx.Value(attemptKey{}).(*attempt)
	if !ok || a.tx != s.tx {
		return false
	}
	a.doomed.CompareAndSwap(nil, &err)
	return true
}

// doomed returns why the transaction is of no use any more, nil if that is not known.
func (s *savepoint) doomed() error {
	a, ok := s.ctx.Value(attemptKey{}).(*attempt)
	if !ok || a.tx != s.tx || a.doomed.Load() == nil {
		return nil
	}
	return *a.doomed.Load()
}
