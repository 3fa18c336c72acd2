package connector

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/priority"
)

// DefaultMaxAttempts is how often RunTx runs a transaction unless told otherwise. The pauses between so many attempts are
// about a second together: a conflict that lasts longer is none that repeating solves.
const DefaultMaxAttempts = 10

// ErrTxEnded is matched by RunTx's error when the function committed or rolled back its transaction. RunTx cannot tell
// which of the two, and does not run the function again.
var ErrTxEnded = errors.New("the function ended its transaction, which is RunTx's to end: it must call neither Commit " +
	"nor Rollback, but return nil or an error")

// TxOptions are how RunTx runs a transaction. The zero value is a transaction as the server has it by default, run
// [DefaultMaxAttempts] times at most.
type TxOptions struct {
	// Isolation is the isolation level. Defaults to the server's, which is read committed unless somebody changed it.
	Isolation sql.IsolationLevel
	// ReadOnly makes the server refuse whatever writes.
	ReadOnly bool
	// Deferrable makes the transaction wait at its first statement for a snapshot on which it cannot fail to serialize,
	// nor make others fail: for long reports. It is sent as SET TRANSACTION DEFERRABLE. It is an error unless Isolation is
	// sql.LevelSerializable and ReadOnly is set, since elsewhere PostgreSQL takes no notice of it.
	Deferrable bool
	// MaxAttempts is how often the function runs at most; 1 is once, whatever happens. Defaults to DefaultMaxAttempts.
	MaxAttempts int
}

// check returns what is wrong with o, and sets what is unset.
func (o *TxOptions) check() error {
	switch {
	case o.MaxAttempts < 0:
		return fmt.Errorf("poolsql: RunTx: MaxAttempts is %d: must be positive, or 0 for %d", o.MaxAttempts, DefaultMaxAttempts)
	case o.Deferrable && (o.Isolation != sql.LevelSerializable || !o.ReadOnly):
		return fmt.Errorf("poolsql: RunTx: Deferrable is set with isolation %s and ReadOnly %t: it has a meaning with "+
			"sql.LevelSerializable and ReadOnly only", o.Isolation, o.ReadOnly)
	case o.MaxAttempts == 0:
		o.MaxAttempts = DefaultMaxAttempts
	}
	return nil
}

// RunTx runs fn in a transaction of db, which it commits if fn returns nil, and rolls back if fn returns an error, panics
// or calls runtime.Goexit. When the transaction failed and certainly had no effect, for a reason that may be gone the next
// time, it runs fn again in a new one: after a serialization failure (SQLSTATE 40001) or a deadlock (40P01), in a
// statement or in COMMIT, and when the connection was lost before COMMIT was sent. In between it pauses for a few
// milliseconds, up to a second after many attempts.
//
// So fn may run several times, and what it does outside of tx is not undone: it should do nothing there but set variables
// anew. It should use tx and the ctx that it is given, return every error of a statement (wrapped or not), leave Commit and
// Rollback to RunTx, in SQL too, and not keep tx. Rows that it leaves open are read to their end and closed before COMMIT;
// if they fail there, so does COMMIT.
//
// The ctx that fn gets says that it holds a connection (see [priority.WithOwner]): should fn use db besides tx, poolsql
// warns, and refuses with [priority.ErrDeadlock] what could only wait for itself. Goroutines that fn starts, and that use db,
// need [priority.WithoutOwner]. [Attempt] tells in it how often fn ran.
//
// What RunTx returns:
//
//   - nil: the transaction is committed.
//   - fn's error, as it is: the transaction is rolled back. A rollback that failed is added to it, if it says anything
//     new; errors.Is and errors.As find fn's error in either case.
//   - an error of the database, as it is: BEGIN, or what is checked at COMMIT, failed. If no connection could be had that
//     is a [*lifecycle.AcquireError] from poolsql; fn has not run, and is not tried again: the pool has waited already.
//   - a [*TxRetryError]: the attempts are used up, or the time. Nothing is committed.
//   - an error that [pooldriver.ErrCommitUnknown] matches: COMMIT was sent, and no answer came. The transaction is
//     committed or not, so fn is never run again. On poolsql it is a [*pooldriver.CommitError].
//   - an error that [ErrTxEnded] matches: fn ended the transaction.
//   - an error that pgx.ErrTxCommitRollback matches: a statement failed and fn returned nil all the same. Nothing is
//     committed.
//   - an error that the context's error and cause match: ctx ended before RunTx sent COMMIT. If fn had sent one by itself,
//     against the rule, the transaction is committed all the same.
//
// An error of fn that has a TxRetryError in it, or ErrCommitUnknown, or a [*lifecycle.AcquireError], comes from another
// transaction or connection, which did its own waiting and trying: fn is not run again.
//
// A pause that would not end before ctx's deadline is not begun. RunTx knows errors by their method SQLState() string, so
// it works on any *sql.DB, be it poolsql's, plain pgx's or another driver's. Safe for concurrent use.
func RunTx(ctx context.Context, db *sql.DB, opts TxOptions, fn func(ctx context.Context, tx *sql.Tx) error) error {
	switch {
	case db == nil:
		return errors.New("poolsql: RunTx: db is nil")
	case fn == nil:
		return errors.New("poolsql: RunTx: the function is nil")
	case ctx.Err() != nil:
		return fmt.Errorf("poolsql: RunTx: the context had ended before the transaction began: %w", ended(ctx))
	}
	if err := opts.check(); err != nil {
		return err
	}
	ctx = priority.WithOwner(ctx)
	began := time.Now()
	var last error
	for n := 1; ; n++ {
		next, err := runOnce(ctx, db, &opts, n, fn)
		gaveUp := TxRetryError{Attempts: n, Elapsed: time.Since(began), Err: err}
		switch {
		case next == unbegun && last != nil:
			gaveUp.Attempts, gaveUp.Err, gaveUp.Stopped = n-1, last, err
			return &gaveUp
		case next != again || opts.MaxAttempts == 1:
			return err
		case n == opts.MaxAttempts:
			return &gaveUp
		}
		if gaveUp.Stopped = pause(ctx, n); gaveUp.Stopped != nil {
			return &gaveUp
		}
		last = err
	}
}

// A verdict is what follows from an attempt.
type verdict uint8

const (
	final   verdict = iota // its result is RunTx's
	again                  // it had no effect, and the next may fare better
	unbegun                // there was no connection for it
)

// An attempt is one run of the function of RunTx, whose context carries it.
type attempt struct {
	tx     *sql.Tx
	number int
	doomed atomic.Pointer[error] // why the attempt must not be committed, whatever the function makes of it
}

type attemptKey struct{}

// Attempt returns how often the function of RunTx that was given ctx has run, itself included: 1 at first. It is 0 for a
// context that does not come from RunTx.
func Attempt(ctx context.Context) int {
	if a, ok := ctx.Value(attemptKey{}).(*attempt); ok {
		return a.number
	}
	return 0
}

func runOnce(ctx context.Context, db *sql.DB, opts *TxOptions, n int, fn func(context.Context, *sql.Tx) error) (verdict, error) {
	tx, err := begin(ctx, db, opts)
	switch {
	case err == nil:
	case notConnected(err):
		return unbegun, err
	case lost(err) || severed(err):
		return again, err
	default:
		return final, err
	}
	a := &attempt{tx: tx, number: n}
	err = a.call(ctx, fn)
	if doomed := a.doomed.Load(); doomed != nil {
		err = also(err, *doomed)
	}
	if err != nil {
		return a.rollback(ctx, err)
	}
	return a.commit(ctx)
}

func begin(ctx context.Context, db *sql.DB, opts *TxOptions) (*sql.Tx, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{Isolation: opts.Isolation, ReadOnly: opts.ReadOnly})
	if err != nil || !opts.Deferrable {
		return tx, err
	}
	if _, err := tx.ExecContext(ctx, "set transaction deferrable"); err != nil {
		_ = tx.Rollback() // which cannot matter
		return nil, err
	}
	return tx, nil
}

// call runs the function.
func (a *attempt) call(ctx context.Context, fn func(context.Context, *sql.Tx) error) error {
	returned := false
	defer func() {
		if !returned { // it panicked, or called runtime.Goexit as t.FailNow does; either goes on
			_ = a.tx.Rollback()
		}
	}()
	err := fn(context.WithValue(ctx, attemptKey{}, a), a.tx)
	returned = true
	return err
}

// rollback ends the transaction of a function that failed with err.
func (a *attempt) rollback(ctx context.Context, err error) (verdict, error) {
	failure := a.tx.Rollback()
	if errors.Is(failure, sql.ErrTxDone) {
		if ctx.Err() == nil { // else database/sql rolled back when ctx ended
			return final, fmt.Errorf("%w; and %w", err, ErrTxEnded)
		}
		failure = nil
	}
	switch {
	case settled(err):
	case conflict(err) || lost(err) || failure != nil && severed(err):
		return again, err
	}
	if failure == nil || ctx.Err() != nil || severed(err) || interrupted(err) {
		return final, err
	}
	return final, fmt.Errorf("%w; then ROLLBACK failed, so that the server rolls back when it sees the connection's end: %w", err, failure)
}

// commit ends the transaction of a function that returned nil.
func (a *attempt) commit(ctx context.Context) (verdict, error) {
	if ctx.Err() != nil {
		_ = a.tx.Rollback()
		return final, uncommitted(ctx)
	}
	err := a.tx.Commit()
	switch {
	case err == nil || errors.Is(err, pooldriver.ErrCommitUnknown):
		return final, err
	case errors.Is(err, sql.ErrTxDone) || errors.Is(err, pgx.ErrTxClosed):
		if ctx.Err() != nil {
			return final, uncommitted(ctx)
		}
		return final, fmt.Errorf("poolsql: RunTx: %w", ErrTxEnded)
	case conflict(err):
		return again, err
	case errors.Is(err, pgx.ErrTxCommitRollback):
		return final, fmt.Errorf("poolsql: RunTx: nothing was committed: a statement failed and the function returned nil all the "+
			"same; return its error, or run what may fail inside Savepoint: %w", err)
	case ctx.Err() != nil && a.unsent(err):
		return final, uncommitted(ctx)
	case errors.As(err, new(*pooldriver.LostError)) && !errors.Is(err, pgconn.ErrConnClosed):
		return again, err
	case refused(err):
		return final, err
	default:
		return final, fmt.Errorf("poolsql: RunTx: %w: COMMIT was not answered; the transaction may be committed or not: "+
			"look for what it wrote before doing it again: %w", pooldriver.ErrCommitUnknown, err)
	}
}

// unsent reports whether Commit, which failed with err when ctx had ended, returned before it sent anything. A
// transaction that is still there to be rolled back proves it: the context's own error does not, which pgx also returns
// for a COMMIT that was cut off. Nor does pgx's ErrConnClosed, which says that it is safe to retry, and which pgx 5.12.0
// also returns when the connection ends while the answer is awaited; commit takes it for unknown everywhere.
func (a *attempt) unsent(err error) bool {
	return interrupted(err) && (pgconn.SafeToRetry(err) || !errors.Is(a.tx.Rollback(), sql.ErrTxDone))
}

func uncommitted(ctx context.Context) error {
	return fmt.Errorf("poolsql: RunTx: the context ended before COMMIT was sent: %w", ended(ctx))
}

// ended returns the error of ctx, and its cause where that says more.
func ended(ctx context.Context) error {
	if err, cause := ctx.Err(), context.Cause(ctx); cause != err {
		return fmt.Errorf("%w: %w", err, cause)
	}
	return ctx.Err()
}
