package conformance

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// sleeping says whether some statement of another session sleeps.
const sleeping = `select exists (select from pg_stat_activity
	where datname = current_database() and pid <> pg_backend_pid() and state = 'active' and wait_event = 'PgSleep')`

// idle says whether none does anything.
const idle = `select not exists (select from pg_stat_activity
	where datname = current_database() and pid <> pg_backend_pid() and state = 'active')`

// an ending is a way in which a context ends while something sleeps.
type ending struct {
	name string
	// begin returns a context, and what makes it end, to be called once the sleep is seen.
	begin func(context.Context) (ctx context.Context, end context.CancelFunc)
}

var canceling = ending{"cancel", context.WithCancel}

// expiring ends as one whose deadline passes, but on command, so that what it ends is sure to have begun.
var expiring = ending{"deadline", func(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	return expiringContext{ctx}, func() { cancel(context.DeadlineExceeded) }
}}

type expiringContext struct{ context.Context }

func (c expiringContext) Err() error {
	if c.Context.Err() != nil {
		return context.DeadlineExceeded
	}
	return nil
}

var cancelCases, deadlineCases = endingCases(canceling), endingCases(expiring)

// during runs f under a context that ends while f sleeps in the database.
func (r *Run) during(e ending, name string, f func(context.Context) error) {
	ctx, end := e.begin(r.Ctx)
	defer end()
	done := make(chan error, 1)
	go func() { done <- f(ctx) }()
	r.Await(sleeping)
	end()
	r.Err(name, <-done)
	r.Await(idle)
}

func endingCases(e ending) []Case {
	return []Case{
		{Name: e.name + " before the call", Run: func(r *Run) {
			ctx, end := e.begin(r.Ctx)
			end()
			_, err := r.DB.ExecContext(ctx, "select 1")
			r.Err("exec", err)
			_, err = r.DB.QueryContext(ctx, "select $1::int", 1)
			r.Err("query", err)
			_, err = r.DB.PrepareContext(ctx, "select 1")
			r.Err("prepare", err)
			_, err = r.DB.BeginTx(ctx, nil)
			r.Err("begin", err)
			_, err = r.DB.Conn(ctx)
			r.Err("conn", err)
			r.Err("ping", r.DB.PingContext(ctx))
			conn, err := r.DB.Conn(r.Ctx)
			r.Must(err)
			defer conn.Close()
			pid := r.Value(conn, "select pg_backend_pid()")
			_, err = conn.ExecContext(ctx, "select 1")
			r.Err("exec on a conn", err)
			_, err = conn.QueryContext(ctx, "select 1")
			r.Err("query on a conn", err)
			_, err = conn.BeginTx(ctx, nil)
			r.Err("begin on a conn", err)
			r.Note("connection kept", "%t", pid == r.Value(conn, "select pg_backend_pid()"))
		}},
		{Name: e.name + " while waiting", Conns: 1, Run: func(r *Run) {
			tx, err := r.DB.BeginTx(r.Ctx, nil)
			r.Must(err)
			ctx, end := e.begin(r.Ctx)
			defer end()
			done := make(chan error, 1)
			go func() {
				_, err := r.DB.ExecContext(ctx, "select 1")
				done <- err
			}()
			r.AwaitWaiting(1)
			end()
			r.Err("exec", <-done)
			r.Err("commit", tx.Commit())
			r.Query("afterwards", r.DB, "select 1")
		}},
		{Name: e.name + " in a statement", Conns: 2, Run: func(r *Run) {
			for range 3 { // more often than there are connections
				r.during(e, "exec", func(ctx context.Context) error {
					_, err := r.DB.ExecContext(ctx, "select pg_sleep(60)")
					return err
				})
			}
			r.during(e, "exec with argument", func(ctx context.Context) error {
				_, err := r.DB.ExecContext(ctx, "select pg_sleep($1)", 60)
				return err
			})
			r.during(e, "query", func(ctx context.Context) error {
				_, err := r.DB.QueryContext(ctx, "select pg_sleep($1)", 60)
				return err
			})
			r.during(e, "row", func(ctx context.Context) error {
				return r.DB.QueryRowContext(ctx, "select pg_sleep($1)", 60).Scan(new(sql.NullString))
			})
			r.Query("afterwards", r.DB, "select 1")
		}},
		{Name: e.name + " between rows", Conns: 1, Run: func(r *Run) {
			for _, gone := range []int{1, 1000} {
				ctx, end := e.begin(r.Ctx)
				rows, err := r.DB.QueryContext(ctx, "select g from generate_series(1, 1000000) g")
				r.Must(err)
				for range gone {
					rows.Next()
				}
				end()
				for rows.Next() {
				}
				r.Err(fmt.Sprintf("after %d rows", gone), rows.Err())
				rows.Close()
			}
			r.Query("afterwards", r.DB, "select 1")
		}},
		{Name: e.name + " of a transaction", Conns: 1, Setup: people, Run: func(r *Run) {
			for _, last := range []string{"commit", "rollback"} {
				ctx, end := e.begin(r.Ctx)
				tx, err := r.DB.BeginTx(ctx, nil)
				r.Must(err)
				_, err = tx.ExecContext(r.Ctx, "update people set note = 'lost'")
				r.Must(err)
				end()
				r.until("the transaction to be over", func() bool {
					_, err := tx.ExecContext(r.Ctx, "select 1")
					return errors.Is(err, sql.ErrTxDone)
				})
				r.Err(last, map[string]func() error{"commit": tx.Commit, "rollback": tx.Rollback}[last]())
			}
			r.Query("left", r.DB, "select note from people order by id")
		}},
		{Name: e.name + " in a transaction's statement", Conns: 1, Setup: people, Run: func(r *Run) {
			for _, last := range []string{"commit", "rollback"} {
				tx, err := r.DB.BeginTx(r.Ctx, nil)
				r.Must(err)
				r.Exec("write", tx, "update people set note = 'lost'")
				r.during(e, "sleep", func(ctx context.Context) error {
					_, err := tx.ExecContext(ctx, "select pg_sleep(60)")
					return err
				})
				_, err = tx.ExecContext(r.Ctx, "select 1")
				r.Err(last+": next", err)
				r.Err(last, map[string]func() error{"commit": tx.Commit, "rollback": tx.Rollback}[last]())
			}
			r.Query("left", r.DB, "select note from people order by id")
		}},
		{Name: e.name + " in a Conn's statement", Needs: NeedSession, Run: func(r *Run) {
			conn, err := r.DB.Conn(r.Ctx)
			r.Must(err)
			r.during(e, "sleep", func(ctx context.Context) error {
				_, err := conn.ExecContext(ctx, "select pg_sleep(60)")
				return err
			})
			_, err = conn.ExecContext(r.Ctx, "select 1")
			r.Err("next", err)
			r.Err("close", conn.Close())
			r.Query("afterwards", r.DB, "select 1")
		}},
		{Name: e.name + " of a statement's preparation", Conns: 1, Setup: people, Run: func(r *Run) {
			st, err := r.DB.PrepareContext(r.Ctx, "select pg_sleep($1)")
			r.Must(err)
			r.during(e, "sleep", func(ctx context.Context) error {
				_, err := st.ExecContext(ctx, 60)
				return err
			})
			rows, err := st.QueryContext(r.Ctx, 0)
			r.rows("again", rows, err)
			r.Err("close", st.Close())
		}},
	}
}
