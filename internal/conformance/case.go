package conformance

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// patience bounds what a case waits for. Nothing takes that long unless it never happens.
const patience = 20 * time.Second

// A Need is what a case asks of the way to the database. Proxies lack some.
type Need uint8

// The needs.
const (
	NeedSession  Need = 1 << iota // state of a connection that outlives a transaction: temporary tables, settings
	NeedProtocol                  // parts of the protocol that proxies do not pass: LISTEN, cancel requests
)

// A Case is one small program.
type Case struct {
	Name  string
	Needs Need
	// Setup is what the program finds in the database, where the zero value finds nothing.
	Setup string
	// Conns is how many connections it may have. Defaults to 4.
	Conns int
	// Modes are the execution modes in which it runs. Defaults to all.
	Modes []pgx.QueryExecMode
	Run   func(r *Run)
}

// Cases returns the table.
func Cases() []Case {
	var all []Case
	for _, part := range [][]Case{
		queryCases, argumentCases, optionCases, typeCases, scanCases, statementCases, beginCases, txCases, connCases,
		rawCases, rowsCases, planCases, cancelCases, deadlineCases, closeCases,
	} {
		all = append(all, part...)
	}
	return all
}

// A Target is a way to a database.
type Target struct {
	Name string
	// Open returns a *sql.DB of at most conns connections to the database with this DSN, in this execution mode.
	Open func(t testing.TB, dsn string, mode pgx.QueryExecMode, conns int) *sql.DB
	// Waiting returns how many callers wait for a connection.
	Waiting func(*sql.DB) int
}

// A Run is one run of a case on one target. Used by one goroutine at a time.
type Run struct {
	T    testing.TB
	Ctx  context.Context
	DB   *sql.DB
	Mode pgx.QueryExecMode

	target  Target
	watcher *pgx.Conn // to look at the server from outside
	steps   []step
	seen    map[string]int
}

type step struct{ name, saw string }

// Note notes what was seen at a step. Steps of the same name are numbered.
func (r *Run) Note(name, format string, args ...any) {
	r.seen[name]++
	if n := r.seen[name]; n > 1 {
		name = fmt.Sprintf("%s#%d", name, n)
	}
	r.steps = append(r.steps, step{name, fmt.Sprintf(format, args...)})
}

// Err notes the class of an error.
func (r *Run) Err(name string, err error) { r.Note(name, "%s", class(err)) }

// Must ends the test if something that no target should fail at has failed.
func (r *Run) Must(err error) {
	r.T.Helper()
	if err != nil {
		r.T.Fatalf("%s: %v", r.target.Name, err)
	}
}

// Caught notes the error of f, or that it panicked.
func (r *Run) Caught(name string, f func() error) {
	defer func() {
		if v := recover(); v != nil {
			r.Note(name, "panic: %v", v)
		}
	}()
	r.Err(name, f())
}

// An executor is a *sql.DB, a *sql.Tx or a *sql.Conn.
type executor interface {
	ExecContext(context.Context, string, ...any) (sql.Result, error)
	QueryContext(context.Context, string, ...any) (*sql.Rows, error)
	QueryRowContext(context.Context, string, ...any) *sql.Row
}

// Exec runs a statement and notes what came of it.
func (r *Run) Exec(name string, on executor, query string, args ...any) {
	res, err := on.ExecContext(r.Ctx, query, args...)
	r.result(name, res, err)
}

func (r *Run) result(name string, res sql.Result, err error) {
	if err != nil {
		r.Err(name, err)
		return
	}
	n, err := res.RowsAffected()
	_, idErr := res.LastInsertId()
	r.Note(name, "%d rows affected, %s; id: %s", n, class(err), class(idErr))
}

// Query runs a statement and notes, as one step, its columns, all its rows and how they ended.
func (r *Run) Query(name string, on executor, query string, args ...any) {
	rows, err := on.QueryContext(r.Ctx, query, args...)
	r.rows(name, rows, err)
}

func (r *Run) rows(name string, rows *sql.Rows, err error) {
	if err != nil {
		r.Err(name, err)
		return
	}
	defer rows.Close()
	columns, err := rows.Columns()
	saw := []string{fmt.Sprintf("%q %s", columns, class(err))}
	for rows.Next() {
		saw = append(saw, values(rows, len(columns)))
	}
	end, closed := rows.Err(), rows.Close()
	r.Note(name, "%s | %s, close: %s", strings.Join(saw, " | "), class(end), class(closed))
}

// Value returns one value that a statement yields, as text.
func (r *Run) Value(on executor, query string, args ...any) string {
	r.T.Helper()
	var v sql.NullString
	if err := on.QueryRowContext(r.Ctx, query, args...).Scan(&v); err != nil {
		return class(err)
	}
	return v.String
}

// Await waits until the server answers query, asked from outside, with true.
func (r *Run) Await(query string, args ...any) {
	r.T.Helper()
	r.until(query, func() bool {
		var ok bool
		r.Must(r.watcher.QueryRow(r.Ctx, query, args...).Scan(&ok))
		return ok
	})
}

// AwaitWaiting waits until n callers wait for a connection.
func (r *Run) AwaitWaiting(n int) {
	r.T.Helper()
	r.until("callers to wait", func() bool { return r.target.Waiting(r.DB) == n })
}

// until polls: neither the server nor database/sql tells when something has begun.
func (r *Run) until(what string, done func() bool) {
	r.T.Helper()
	deadline := time.Now().Add(patience)
	for !done() {
		if time.Now().After(deadline) {
			r.T.Fatalf("%s: waited in vain for: %s", r.target.Name, what)
		}
		time.Sleep(time.Millisecond)
	}
}
