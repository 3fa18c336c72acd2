package pooldriver_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// Nothing is answered any more, on any connection, and none can be opened. Whoever waits returns in time, and the slot is
// usable again soon after.
func TestBlackHole(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		for _, deadlines := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, deadlines: %t", name, deadlines), func(t *testing.T) {
				t.Parallel()
				blackHole(t, transport, deadlines)
			})
		}
	}
}

func blackHole(t *testing.T, transport func(*poolsql.Config), deadlines bool) {
	var n network
	const conns = 3
	f := open(t, conns, transport, n.through)
	f.serves(conns)
	n.noDeadlines.Store(!deadlines)
	statement := func(verbatim bool, run func(context.Context) error) {
		t.Helper()
		f.serves(conns)
		go func() {
			time.Sleep(100 * time.Millisecond)
			n.black.Store(true)
		}()
		const limit = 300 * time.Millisecond
		watch := startWatch()
		ctx, cancel := context.WithTimeout(f.ctx, limit)
		defer cancel()
		errs := make(chan error, conns)
		for range conns {
			go func() { errs <- run(ctx) }()
		}
		for range conns {
			err := <-errs
			watch.within(t, limit+1100*time.Millisecond, "a statement in a black hole") // 1 s, and some
			if err == nil || (!verbatim && !errors.Is(err, context.DeadlineExceeded)) {
				t.Errorf("a statement in a black hole: %v", err)
			}
			var e *pooldriver.TimeoutError
			if errors.As(err, &e) && !e.Closed && !e.Unsent {
				t.Errorf("the connection is said to live on: %v", err)
			}
			if s := f.c.Stats(); s.TotalConns > conns {
				t.Errorf("%d connections", s.TotalConns)
			}
		}
		f.settled()
		n.black.Store(false)
		f.reap()
	}
	statement(false, func(ctx context.Context) error {
		_, err := f.db.ExecContext(ctx, "select pg_sleep(60)")
		timedOut(t, err, pooldriver.LimitContext, true)
		return err
	})
	statement(false, func(ctx context.Context) error { // large enough for a write that waits
		_, err := f.db.ExecContext(ctx, "select length($1), pg_sleep(60)", strings.Repeat("x", 8<<20))
		return err
	})
	statement(false, func(ctx context.Context) error { // in the middle of rows
		rows, err := f.db.QueryContext(ctx, "select g, case when g > 1000 then pg_sleep(60) end from generate_series(1, 2000) g")
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
		}
		return rows.Err()
	})
	statement(true, func(ctx context.Context) error { // pgx may say no more than that the connection was closed
		return f.c.Do(ctx, func(pg *pgx.Conn) error {
			_, err := pg.Exec(ctx, "select pg_sleep(60)")
			return err
		})
	})
	f.serves(conns)
}

// Without any deadline of the caller's it is the watchdog that ends the wait.
func TestBlackHoleWithoutADeadline(t *testing.T) {
	t.Parallel()
	for name, transport := range transports {
		for _, deadlines := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, deadlines: %t", name, deadlines), func(t *testing.T) {
				t.Parallel()
				var n network
				const conns, limit = 3, 700 * time.Millisecond
				f := open(t, conns, transport, n.through, statementTimeout(limit))
				f.serves(conns)
				n.noDeadlines.Store(!deadlines)
				n.black.Store(true)
				errs := make(chan error, conns)
				watch := startWatch()
				for range conns {
					go func() { _, err := f.db.ExecContext(f.ctx, "select 1"); errs <- err }()
				}
				for range conns {
					err := <-errs
					watch.within(t, limit+1100*time.Millisecond, "a statement in a black hole")
					timedOut(t, err, pooldriver.LimitStatement, true)
					if !errors.Is(err, pooldriver.ErrStatementTimeout) {
						t.Errorf("%v", err)
					}
				}
				f.settled()
				n.black.Store(false)
				f.serves(conns)
				f.reap()
			})
		}
	}
}

// A pool can be closed in a black hole: its connections say goodbye to nobody.
func TestPoolIsClosedInABlackHole(t *testing.T) {
	t.Parallel()
	var n network
	f := open(t, 3, tcp, n.through)
	idleConns(f, 3)
	n.black.Store(true)
	watch := startWatch()
	ctx, cancel := context.WithTimeout(f.ctx, patience)
	defer cancel()
	if err := f.c.Drain(ctx); err != nil {
		t.Error(err)
	}
	watch.within(t, 2*time.Second, "the drain")
}
