package observability_test

import (
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A tally is what the callers of a load were told.
type tally struct{ well, divided, canceled, refused, early, other atomic.Int64 }

// call is a statement of any class that goes well, or divides by zero, or comes to its deadline, in the queue or after it.
func (n *tally) call(db *sql.DB) func(context.Context) error {
	return func(ctx context.Context) error {
		class := priority.Classes()[rand.IntN(int(priority.NumClasses))]
		statement := [...]string{"select $1::int", "select pg_sleep(0.002 * $1::int)", "select 1 / ($1::int - 1)"}[rand.IntN(3)]
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), [...]time.Duration{time.Minute, time.Minute, 8 * time.Millisecond}[rand.IntN(3)])
		defer cancel()
		err := as(class, "load", exec(db, statement, 1))(ctx)
		var refused *lifecycle.AcquireError
		var server *pgconn.PgError
		switch {
		case err == nil:
			n.well.Add(1)
		case err == context.DeadlineExceeded: // bare: database/sql looked before it asked the pool
			n.early.Add(1)
		case errors.As(err, &refused):
			n.refused.Add(1)
		case errors.As(err, &server) && server.Code == "22012":
			n.divided.Add(1)
		case errors.Is(err, context.DeadlineExceeded):
			n.canceled.Add(1)
		default:
			n.other.Add(1)
		}
		return err
	}
}

// compare holds what the callers were told against what was measured.
func (n *tally) compare(t *testing.T, e exposition) {
	t.Helper()
	const operations = "db_client_operation_duration_seconds_count"
	load := `db_query_summary="load"`
	for _, c := range []struct {
		what string
		told int64
		got  float64
	}{
		{"all", n.well.Load() + n.divided.Load() + n.canceled.Load(), e.sum(operations, load)},
		{"divided by zero", n.divided.Load(), e.sum(operations, load, `error_type="22012"`)},
		{"failed", n.divided.Load() + n.canceled.Load(), e.sum(operations, load, `error_type=`)},
	} {
		if c.told == 0 || c.got != float64(c.told) {
			t.Errorf("%s: the callers were told of %d, and the metrics have %v", c.what, c.told, c.got)
		}
	}
	if n.well.Load() == 0 || n.refused.Load() == 0 || n.canceled.Load() == 0 || n.other.Load() > 0 {
		t.Errorf("well %d, refused %d, canceled %d, something else %d: want some of the first three", n.well.Load(), n.refused.Load(), n.canceled.Load(), n.other.Load())
	}
}
