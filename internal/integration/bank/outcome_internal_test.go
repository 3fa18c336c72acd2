package bank

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestEachErrorIsReadAsWhatItPromises(t *testing.T) {
	refused := &lifecycle.AcquireError{Refused: &priority.RefusedError{Cause: io.ErrUnexpectedEOF}}
	closed := pooldriver.Interruption{Closed: true}
	for _, c := range []struct {
		err  error
		want Outcome
	}{
		{nil, Done},
		{context.Canceled, NotDone},
		{sql.ErrTxDone, NotDone},
		{refused, NotDone},
		{fmt.Errorf("begin: %w", refused), NotDone},
		{&pooldriver.LostError{}, NotDone},
		{&pgconn.PgError{Code: "40001"}, NotDone},
		{&pgconn.PgError{Code: "53100"}, NotDone},
		{&pooldriver.TimeoutError{Limit: pooldriver.LimitStatement}, NotDone},
		{&pooldriver.CanceledError{}, NotDone},
		{&pooldriver.TimeoutError{Limit: pooldriver.LimitStatement, Interruption: closed}, Unknown},
		{&pooldriver.CanceledError{Interruption: closed}, Unknown},
		{&pooldriver.CanceledError{Interruption: pooldriver.Interruption{Closed: true, Unsent: true}}, NotDone},
		{&pooldriver.CommitError{Err: io.EOF}, Unknown},
		{&pooldriver.UnknownError{Err: &pgconn.PgError{Code: "40001"}}, Unknown},
		{&pgconn.PgError{Code: "57P01"}, Unknown},
		{&pgconn.PgError{Code: "08006"}, Unknown},
		{fmt.Errorf("timeout: %w", context.DeadlineExceeded), Unknown},
		{&pooldriver.RetryError{Tries: 1, First: &pgconn.PgError{Code: "40001"}, Err: refused}, NotDone},
		{&pooldriver.RetryError{Tries: 1, First: io.ErrUnexpectedEOF, Err: refused}, Unknown},
		{&pooldriver.RetryError{Tries: 3, First: &pgconn.PgError{Code: "40001"}, Err: refused}, Unknown},
		{safe(true), NotDone},
		{safe(false), Unknown},
		{io.ErrUnexpectedEOF, Unknown},
		{errors.Join(io.ErrUnexpectedEOF, refused), Unknown},
		{errors.Join(refused, context.Canceled), NotDone},
	} {
		if got := judge(c.err); got != c.want {
			t.Errorf("%v: %s, want %s", c.err, got, c.want)
		}
	}
}

// safe is an error that says whether the statement may be repeated, whatever the one that it wraps says.
type safe bool

func (s safe) Error() string     { return "lost" }
func (s safe) SafeToRetry() bool { return bool(s) }
func (s safe) Unwrap() error     { return safe(!s) }
