package conformance

import (
	"context"
	"database/sql"
	"fmt"
)

var beginCases = []Case{
	{Name: "isolation levels", Setup: people, Run: func(r *Run) {
		for level := sql.LevelDefault; level <= sql.LevelLinearizable+1; level++ {
			for _, readOnly := range []bool{false, true} {
				name := fmt.Sprintf("%v, read only %t", level, readOnly)
				tx, err := r.DB.BeginTx(r.Ctx, &sql.TxOptions{Isolation: level, ReadOnly: readOnly})
				r.Err(name, err)
				if err != nil {
					continue
				}
				r.Note(name+", isolation", "%s", r.Value(tx, "show transaction_isolation"))
				r.Note(name+", read only", "%s", r.Value(tx, "show transaction_read_only"))
				r.Exec(name+", write", tx, "insert into people values (9, 'x')")
				r.Err(name+", rollback", tx.Rollback())
			}
		}
		r.Note("afterwards", "%s %s", r.Value(r.DB, "show transaction_isolation"), r.Value(r.DB, "show transaction_read_only"))
	}},
	{Name: "serialization failure", Setup: people, Run: func(r *Run) {
		opts := &sql.TxOptions{Isolation: sql.LevelRepeatableRead}
		first, err := r.DB.BeginTx(r.Ctx, opts)
		r.Must(err)
		second, err := r.DB.BeginTx(r.Ctx, opts)
		r.Must(err)
		r.Query("first reads", first, "select name from people where id = 1")
		r.Query("second reads", second, "select name from people where id = 1")
		r.Exec("first writes", first, "update people set name = 'a' where id = 1")
		r.Err("first commits", first.Commit())
		r.Exec("second writes", second, "update people set name = 'b' where id = 1")
		r.Err("second commits", second.Commit())
	}},
}

var txCases = []Case{
	{Name: "commit and rollback", Setup: people, Run: func(r *Run) {
		for _, end := range []string{"commit", "rollback"} {
			tx, err := r.DB.BeginTx(r.Ctx, nil)
			r.Must(err)
			r.Exec(end+": write", tx, "update people set note = $1", end)
			r.Query(end+": read", tx, "select note from people order by id")
			finish := map[string]func() error{"commit": tx.Commit, "rollback": tx.Rollback}
			r.Err(end, finish[end]())
			r.Err(end+": commit again", tx.Commit())
			r.Err(end+": roll back again", tx.Rollback())
			_, err = tx.ExecContext(r.Ctx, "select 1")
			r.Err(end+": exec", err)
			_, err = tx.QueryContext(r.Ctx, "select 1")
			r.Err(end+": query", err)
			r.Query(end+": left", r.DB, "select note from people order by id")
		}
	}},
	{Name: "failed transaction", Setup: people, Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("write", tx, "update people set note = 'lost'")
		r.Exec("fail", tx, "select 1/0")
		r.Exec("exec", tx, "update people set note = 'never'")
		r.Query("query", tx, "select $1::int", 1)
		r.Query("same again", tx, "select $1::int", 1)
		r.Err("commit", tx.Commit())
		r.Err("commit again", tx.Commit())
		r.Query("left", r.DB, "select note from people order by id")
		r.Query("same afterwards", r.DB, "select $1::int", 1)
	}},
	{Name: "deferred constraint", Run: func(r *Run) {
		r.Exec("create", r.DB, "create table child (id int primary key, parent int references child deferrable initially deferred)")
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("orphan", tx, "insert into child values (1, 2)")
		r.Err("commit", tx.Commit())
		r.Err("rollback", tx.Rollback())
		r.Note("left", "%s", r.Value(r.DB, "select count(*) from child"))
	}},
	{Name: "savepoints", Setup: people, Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("first", tx, "update people set note = 'kept'")
		r.Exec("savepoint", tx, "savepoint a")
		r.Exec("fail", tx, "insert into people values (1, 'twice')")
		r.Exec("failed", tx, "select 1")
		r.Exec("back", tx, "rollback to a")
		r.Query("goes on", tx, "select $1::int", 1)
		r.Exec("release", tx, "release a")
		r.Err("commit", tx.Commit())
		r.Query("left", r.DB, "select note from people order by id")
	}},
	{Name: "transaction ended by SQL", Setup: people, Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("commit", tx, "commit")
		r.Exec("outside", tx, "update people set note = 'stays'")
		r.Err("rollback", tx.Rollback())
		tx, err = r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("rollback", tx, "rollback")
		r.Err("commit", tx.Commit())
		r.Query("left", r.DB, "select note from people order by id")
	}},
	{Name: "transaction begun by SQL and left open", Conns: 1, Setup: people, Run: func(r *Run) {
		r.Exec("begin", r.DB, "begin")
		r.Query("next statement", r.DB, "select count(*) from people")
		r.Note("in a transaction", "%s", r.Value(r.DB, "select now() <> statement_timestamp()"))
		r.Exec("begin and write", r.DB, "begin; delete from people")
		r.Query("left", r.DB, "select count(*) from people")
	}},
	{Name: "commit with rows open", Setup: people, Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("write", tx, "update people set note = 'z'")
		rows, err := tx.QueryContext(r.Ctx, "select g from generate_series(1, 100000) g")
		r.Must(err)
		r.Note("next", "%t", rows.Next())
		r.Err("commit", tx.Commit())
		r.Note("next after the end", "%t", rows.Next())
		r.Err("rows", rows.Err())
		r.Query("left", r.DB, "select note from people order by id")
	}},
	{Name: "second statement while rows are open", Setup: people, Run: func(r *Run) {
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		rows, err := tx.QueryContext(r.Ctx, "select g from generate_series(1, 3) g")
		r.Must(err)
		r.Note("next", "%t", rows.Next())
		_, err = tx.ExecContext(r.Ctx, "update people set note = 'z'")
		r.Err("exec", err)
		_, err = tx.QueryContext(r.Ctx, "select $1::int", 1)
		r.Err("query", err)
		r.rows("rest", rows, nil)
		r.Exec("afterwards", tx, "update people set note = 'z'")
		r.Err("commit", tx.Commit())
		r.Query("left", r.DB, "select note from people order by id")
	}},
	{Name: "a second transaction on a Conn", Setup: people, Run: func(r *Run) {
		conn, err := r.DB.Conn(r.Ctx)
		r.Must(err)
		defer conn.Close()
		first, err := conn.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Exec("first writes", first, "update people set note = 'first'")
		second, err := conn.BeginTx(r.Ctx, nil)
		r.Err("second", err)
		if err == nil {
			r.Err("second rolls back", second.Rollback())
		}
		r.Err("first commits", first.Commit())
		r.Query("left", r.DB, "select note from people order by id")
	}},
	{Name: "many transactions", Conns: 2, Setup: people, Run: func(r *Run) {
		for i := range 20 {
			tx, err := r.DB.BeginTx(context.WithoutCancel(r.Ctx), nil)
			r.Must(err)
			_, err = tx.ExecContext(r.Ctx, "update people set note = $1 where id = 1", fmt.Sprint(i))
			r.Must(err)
			r.Must(tx.Commit())
		}
		r.Note("left", "%s", r.Value(r.DB, "select note from people where id = 1"))
	}},
}
