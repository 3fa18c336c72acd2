package bank

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/priority"
)

// A way is one of those in which a program may do a transfer. It returns what the transfer's caller was told. sent is false
// if what would have made the transfer last, the statement or the COMMIT, was certainly not asked for.
type way struct {
	name string
	do   func(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error)
	// commits says that the outcome is that of a COMMIT, which is to be told as unknown where it is.
	commits bool
}

var ways = []way{
	{name: "statement", do: byStatement},
	{name: "text", do: byText},
	{name: "query", do: byQuery},
	repeatable,
	{name: "transaction", do: byTransaction, commits: true},
	{name: "conn", do: byConn, commits: true},
	{name: "prepared", do: byPrepared, commits: true},
	{name: "runtx", do: byRunTx, commits: true},
}

var repeatable = way{name: "repeatable", do: byRepeatable}

// retries is how often a repeatable statement may be tried again. Faults are short and have an end.
const retries = 8

func byStatement(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	_, err = db.ExecContext(ctx, move, t.id, t.debit, t.credit, t.amount)
	return true, err
}

// byText has no arguments: pgx then speaks the simple protocol.
func byText(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	_, err = db.ExecContext(ctx, t.literally(move))
	return true, err
}

func byQuery(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	rows, err := db.QueryContext(ctx, moveReturn, t.id, t.debit, t.credit, t.amount)
	if err != nil {
		return true, err
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		n++
	}
	if err := rows.Err(); err != nil {
		// Wrapped, as this is not always the driver's word: if the context has ended meanwhile, database/sql returns its
		// error, even where the statement is done and has been answered.
		return true, fmt.Errorf("rows: %w", err)
	}
	if n != len(t.postings()) {
		return true, errWrongRows
	}
	return true, nil
}

func byRepeatable(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	_, err = db.ExecContext(priority.WithRetries(ctx, retries), moveRepeatably, t.id, t.debit, t.credit, t.amount)
	return true, err
}

func byTransaction(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	return finish(ctx, tx, t)
}

// byConn keeps the session for a statement before the transaction.
func byConn(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return false, err
	}
	defer conn.Close()
	var balance int64
	if err := conn.QueryRowContext(ctx, look, t.debit).Scan(&balance); err != nil {
		return false, err
	}
	tx, err := conn.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return false, err
	}
	return finish(ctx, tx, t)
}

func byPrepared(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return false, err
	}
	defer tx.Rollback()
	stmt, err := tx.PrepareContext(ctx, note)
	if err != nil {
		return false, err
	}
	defer stmt.Close()
	if _, err := stmt.ExecContext(ctx, t.id, t.debit, t.credit, t.amount); err != nil {
		return false, err
	}
	if err := t.post(ctx, tx); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// byRunTx may do the transfer several times, of which all but the last had no effect. RunTx promises that nothing was
// committed by any of them, unless its error says that this is unknown.
func byRunTx(ctx context.Context, db *sql.DB, t *transfer) (sent bool, err error) {
	err = connector.RunTx(ctx, db, connector.TxOptions{}, t.write)
	return err == nil || errors.Is(err, pooldriver.ErrCommitUnknown), err
}

// finish does the transfer in tx, and ends it.
func finish(ctx context.Context, tx *sql.Tx, t *transfer) (sent bool, err error) {
	defer tx.Rollback()
	if err := t.write(ctx, tx); err != nil {
		return false, err
	}
	return true, tx.Commit()
}

// write does the transfer in steps.
func (t *transfer) write(ctx context.Context, tx *sql.Tx) error {
	if _, err := tx.ExecContext(ctx, note, t.id, t.debit, t.credit, t.amount); err != nil {
		return err
	}
	return t.post(ctx, tx)
}

func (t *transfer) post(ctx context.Context, tx *sql.Tx) error {
	for _, p := range t.postings() {
		if _, err := tx.ExecContext(ctx, adjust, p.account, p.amount); err != nil {
			return err
		}
	}
	return nil
}

// errWrongRows says that a statement was answered without an error and did something else.
var errWrongRows = errors.New("a transfer returned another number of rows than it has sides")
