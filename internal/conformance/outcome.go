package conformance

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"regexp"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// known are the errors that programs compare with.
var known = []struct {
	err  error
	name string
}{
	{context.Canceled, "context.Canceled"},
	{context.DeadlineExceeded, "context.DeadlineExceeded"},
	{sql.ErrNoRows, "sql.ErrNoRows"},
	{sql.ErrTxDone, "sql.ErrTxDone"},
	{sql.ErrConnDone, "sql.ErrConnDone"},
	{driver.ErrBadConn, "driver.ErrBadConn"},
	{pgx.ErrTxCommitRollback, "pgx.ErrTxCommitRollback"},
	{pgx.ErrTxClosed, "pgx.ErrTxClosed"},
	{net.ErrClosed, "net.ErrClosed"},
	{pooldriver.ErrBusy, "poolsql: busy"},
	{lifecycle.ErrClosed, "poolsql: closed"},
}

// class says of an error what a program could find out about it: the SQLSTATE, the errors that it matches, and, of one
// that is neither, its text.
func class(err error) string {
	if err == nil {
		return "ok"
	}
	var found []string
	var pgErr *pgconn.PgError
	if errors.As(err, &pgErr) {
		found = append(found, "SQLSTATE "+pgErr.Code)
	}
	var lost *pooldriver.LostError
	if errors.As(err, &lost) {
		found = append(found, "poolsql: connection lost, not sent")
	}
	for _, k := range known {
		if errors.Is(err, k.err) {
			found = append(found, k.name)
		}
	}
	if len(found) > 0 {
		return strings.Join(found, " and ")
	}
	return "error " + anonymous(err.Error())
}

var pointers = regexp.MustCompile(`0x[0-9a-f]+`)

// anonymous takes out of a text what differs from run to run.
func anonymous(text string) string { return pointers.ReplaceAllString(text, "0x…") }

// values reads the present row into values of whatever type the driver gives.
func values(rows *sql.Rows, n int) string {
	dest := make([]any, n)
	into := make([]any, n)
	for i := range dest {
		into[i] = &dest[i]
	}
	if err := rows.Scan(into...); err != nil {
		return class(err)
	}
	texts := make([]string, n)
	for i, v := range dest {
		texts[i] = value(v)
	}
	return strings.Join(texts, ", ")
}

// value is a value with its type.
func value(v any) string {
	switch v := v.(type) {
	case []byte:
		return fmt.Sprintf("[]byte(%q)", v)
	case string:
		return fmt.Sprintf("string(%q)", v)
	case time.Time:
		return fmt.Sprintf("time.Time(%s %s)", v.Format(time.RFC3339Nano), v.Location())
	default:
		return fmt.Sprintf("%T(%v)", v, v)
	}
}
