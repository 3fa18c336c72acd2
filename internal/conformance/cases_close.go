package conformance

import "context"

var closeCases = []Case{
	{Name: "use after the close of the database", Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "select 1")
		r.Must(err)
		r.Err("close", r.DB.Close())
		r.Err("close again", r.DB.Close())
		_, err = r.DB.ExecContext(r.Ctx, "select 1")
		r.Err("exec", err)
		_, err = r.DB.QueryContext(r.Ctx, "select 1")
		r.Err("query", err)
		_, err = r.DB.BeginTx(r.Ctx, nil)
		r.Err("begin", err)
		_, err = r.DB.Conn(r.Ctx)
		r.Err("conn", err)
		r.Err("ping", r.DB.PingContext(r.Ctx))
		_, err = st.ExecContext(r.Ctx)
		r.Err("statement", err)
		r.Err("close of the statement", st.Close())
	}},
	{Name: "close of the database while rows are open", Run: func(r *Run) {
		rows, err := r.DB.QueryContext(r.Ctx, "select g from generate_series(1, 5) g")
		r.Must(err)
		r.Note("next", "%t", rows.Next())
		r.Err("close", r.DB.Close())
		r.rows("rest", rows, nil)
		_, err = r.DB.ExecContext(r.Ctx, "select 1")
		r.Err("exec", err)
	}},
	{Name: "close of the database while a transaction is open", Setup: people, Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("write", tx, "update people set note = 'kept'")
		r.Err("close", r.DB.Close())
		r.Exec("write again", tx, "update people set name = 'kept'")
		r.Err("commit", tx.Commit())
		var n int
		r.Must(r.watcher.QueryRow(r.Ctx, "select count(*) from people where note = 'kept'").Scan(&n))
		r.Note("left", "%d", n)
	}},
	{Name: "close of the database while a Conn is open", Run: func(r *Run) {
		conn, err := r.DB.Conn(r.Ctx)
		r.Must(err)
		r.Query("before", conn, "select 1")
		r.Err("close", r.DB.Close())
		r.Query("after", conn, "select 1")
		r.Err("close of the Conn", conn.Close())
		_, err = conn.ExecContext(r.Ctx, "select 1")
		r.Err("exec", err)
	}},
	{Name: "close of the database while somebody waits", Conns: 1, Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		done := make(chan error, 1)
		go func() {
			_, err := r.DB.ExecContext(context.WithoutCancel(r.Ctx), "select 1")
			done <- err
		}()
		r.AwaitWaiting(1)
		r.Err("close", r.DB.Close())
		r.Err("waiter", <-done)
		r.Err("rollback", tx.Rollback())
	}},
}
