package conformance

import (
	"database/sql"
	"fmt"
	"sync"
)

var statementCases = []Case{
	{Name: "prepared statement", Setup: people, Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "select name from people where id = $1")
		r.Must(err)
		for i := range 5 {
			rows, err := st.QueryContext(r.Ctx, i)
			r.rows("query", rows, err)
		}
		var name string
		r.Err("row", st.QueryRowContext(r.Ctx, 3).Scan(&name))
		r.Err("no row", st.QueryRowContext(r.Ctx, 99).Scan(&name))
		res, err := st.ExecContext(r.Ctx, 1)
		r.result("exec", res, err)
		_, err = st.QueryContext(r.Ctx)
		r.Err("too few", err)
		_, err = st.ExecContext(r.Ctx, 1, 2)
		r.Err("too many", err)
		_, err = st.QueryContext(r.Ctx, "x")
		r.Err("wrong type", err)
		rows, err := st.QueryContext(r.Ctx, sql.Named("id", 1))
		r.rows("named", rows, err)
		r.Err("close", st.Close())
		r.Err("close again", st.Close())
		_, err = st.QueryContext(r.Ctx, 1)
		r.Err("after close", err)
	}},
	{Name: "prepare fails", Setup: people, Run: func(r *Run) {
		for _, query := range []string{
			"selekt", "select nothing from people", "select 1; select 2", "select $1", "select $2::int", "", "-- nothing",
			"create table more (id int)", "select $1::no_such_type",
		} {
			st, err := r.DB.PrepareContext(r.Ctx, query)
			r.Err(fmt.Sprintf("prepare %q", query), err)
			if err == nil {
				res, err := st.ExecContext(r.Ctx)
				r.result(fmt.Sprintf("exec %q", query), res, err)
				st.Close()
			}
		}
	}},
	{Name: "statement that changes data", Setup: people, Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "insert into people values ($1, $2, $3)")
		r.Must(err)
		defer st.Close()
		for _, args := range [][]any{{4, "Barbara", nil}, {4, "twice", nil}, {5, nil, nil}, {6, "Donald", "n"}, {"x", "y", "z"}} {
			res, err := st.ExecContext(r.Ctx, args...)
			r.result("insert", res, err)
		}
		r.Query("left", r.DB, "select * from people order by id")
	}},
	{Name: "statement on several connections", Conns: 3, Setup: people, Needs: NeedSession, Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "select name, pg_advisory_lock_shared(1) from people where id = $1")
		r.Must(err)
		defer st.Close()
		var held []*sql.Rows
		for i := range 3 {
			rows, err := st.QueryContext(r.Ctx, i+1)
			r.Must(err)
			held = append(held, rows) // keeps its connection
		}
		for _, rows := range held {
			r.rows("query", rows, nil)
		}
	}},
	{Name: "statement in many hands", Setup: people, Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "select name from people where id = $1")
		r.Must(err)
		var wg sync.WaitGroup
		seen := make([]string, 16)
		for i := range seen {
			wg.Go(func() {
				for range 5 {
					if err := st.QueryRowContext(r.Ctx, i%3+1).Scan(&seen[i]); err != nil {
						seen[i] = class(err)
						return
					}
				}
			})
		}
		wg.Wait()
		r.Note("seen", "%q", seen)
		r.Err("close", st.Close())
	}},
	{Name: "statement closed while its rows are open", Setup: people, Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "select name from people order by id")
		r.Must(err)
		rows, err := st.QueryContext(r.Ctx)
		r.Must(err)
		r.Note("next", "%t", rows.Next())
		r.Err("close", st.Close())
		r.rows("rest", rows, nil)
		_, err = st.QueryContext(r.Ctx)
		r.Err("after close", err)
	}},
	{Name: "two statements of the same text", Setup: people, Run: func(r *Run) {
		const query = "select name from people where id = $1"
		first, err := r.DB.PrepareContext(r.Ctx, query)
		r.Must(err)
		second, err := r.DB.PrepareContext(r.Ctx, query)
		r.Must(err)
		r.Err("close", first.Close())
		rows, err := second.QueryContext(r.Ctx, 1)
		r.rows("second", rows, err)
		r.Query("without statement", r.DB, query, 2)
		r.Err("close", second.Close())
		r.Query("without statement", r.DB, query, 2)
	}},
	{Name: "statement in a transaction", Setup: people, Run: func(r *Run) {
		const query = "update people set note = $1 where id = $2"
		outside, err := r.DB.PrepareContext(r.Ctx, query)
		r.Must(err)
		defer outside.Close()
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		inside, err := tx.PrepareContext(r.Ctx, query)
		r.Must(err)
		res, err := inside.ExecContext(r.Ctx, "in", 1)
		r.result("inside", res, err)
		res, err = tx.StmtContext(r.Ctx, outside).ExecContext(r.Ctx, "of", 2)
		r.result("from outside", res, err)
		res, err = tx.StmtContext(r.Ctx, inside).ExecContext(r.Ctx, "twice", 3)
		r.result("from inside", res, err)
		r.Err("rollback", tx.Rollback())
		_, err = inside.ExecContext(r.Ctx, "late", 1)
		r.Err("inside, after the end", err)
		_, err = tx.PrepareContext(r.Ctx, query)
		r.Err("prepare after the end", err)
		_, err = tx.StmtContext(r.Ctx, outside).ExecContext(r.Ctx, "late", 1)
		r.Err("from outside, after the end", err)
		res, err = outside.ExecContext(r.Ctx, "out", 1)
		r.result("outside", res, err)
		r.Query("left", r.DB, "select * from people order by id")
	}},
	{Name: "prepare in a failed transaction", Run: func(r *Run) {
		outside, err := r.DB.PrepareContext(r.Ctx, "select 1")
		r.Must(err)
		defer outside.Close()
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		_, err = tx.PrepareContext(r.Ctx, "selekt")
		r.Err("syntax error", err)
		_, err = tx.PrepareContext(r.Ctx, "select 2")
		r.Err("prepare", err)
		_, err = tx.StmtContext(r.Ctx, outside).ExecContext(r.Ctx)
		r.Err("statement from outside", err)
		r.Err("rollback", tx.Rollback())
		rows, err := outside.QueryContext(r.Ctx)
		r.rows("outside", rows, err)
	}},
	{Name: "statement on a Conn", Setup: people, Run: func(r *Run) {
		conn, err := r.DB.Conn(r.Ctx)
		r.Must(err)
		st, err := conn.PrepareContext(r.Ctx, "select name from people where id = $1")
		r.Must(err)
		rows, err := st.QueryContext(r.Ctx, 1)
		r.rows("query", rows, err)
		tx, err := conn.BeginTx(r.Ctx, nil)
		r.Must(err)
		rows, err = tx.StmtContext(r.Ctx, st).QueryContext(r.Ctx, 2)
		r.rows("in a transaction", rows, err)
		r.Err("commit", tx.Commit())
		r.Err("close", conn.Close())
		_, err = st.QueryContext(r.Ctx, 1)
		r.Err("after the Conn's close", err)
		r.Err("close", st.Close())
	}},
	{Name: "statement of a dropped table", Setup: people, Run: func(r *Run) {
		st, err := r.DB.PrepareContext(r.Ctx, "select name from people where id = $1")
		r.Must(err)
		defer st.Close()
		r.Exec("drop", r.DB, "drop table people")
		_, err = st.QueryContext(r.Ctx, 1)
		r.Err("gone", err)
		r.Exec("create", r.DB, people)
		rows, err := st.QueryContext(r.Ctx, 1)
		r.rows("back", rows, err)
	}},
}
