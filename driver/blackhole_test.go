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
	for name, transport := range transports {
		for _, deadlines := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, deadlines: %t", name, deadlines), func(t *testing.T) { blackHole(t, transport, deadlines) })
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
		ctx, cancel := context.WithTimeout(f.ctx, 300*time.Millisecond)
		defer cancel()
		deadline, _ := ctx.Deadline()
		errs := make(chan error, conns)
		for range conns {
			go func() { errs <- run(ctx) }()
		}
		for range conns {
			err := <-errs
			if d := time.Since(deadline); d > 1100*time.Millisecond { // 1 s, and some for a machine that is busy
				t.Errorf("returned %s after the deadline", d)
			}
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
	for name, transport := range transports {
		for _, deadlines := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, deadlines: %t", name, deadlines), func(t *testing.T) {
				var n network
				const conns, limit = 3, 500 * time.Millisecond
				f := open(t, conns, transport, n.through, func(cfg *poolsql.Config) { cfg.StatementTimeout = limit })
				f.serves(conns)
				n.noDeadlines.Store(!deadlines)
				n.black.Store(true)
				errs := make(chan error, conns)
				began := time.Now()
				for range conns {
					go func() { _, err := f.db.ExecContext(f.ctx, "select 1"); errs <- err }()
				}
				for range conns {
					err := <-errs
					if d := time.Since(began); d > limit+1100*time.Millisecond {
						t.Errorf("returned after %s", d)
					}
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
	var n network
	f := open(t, 3, tcp, n.through)
	idleConns(f, 3)
	n.black.Store(true)
	began := time.Now()
	ctx, cancel := context.WithTimeout(f.ctx, 5*time.Second)
	defer cancel()
	if err := f.c.Drain(ctx); err != nil {
		t.Error(err)
	}
	if d := time.Since(began); d > 2*time.Second {
		t.Errorf("it took %s", d)
	}
}
