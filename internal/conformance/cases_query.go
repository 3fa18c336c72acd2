package conformance

import (
	"database/sql"
	"fmt"
	"strings"
)

const people = `create table people (id int primary key, name text not null, note text);
	insert into people values (1, 'Ada', 'first'), (2, 'Grace', null), (3, 'Edsger', 'last');`

var queryCases = []Case{
	{Name: "query without arguments", Setup: people, Run: func(r *Run) {
		r.Query("all", r.DB, "select id, name, note from people order by id")
		r.Query("none", r.DB, "select id from people where false")
		r.Query("no columns", r.DB, "select from people")
		r.Query("error", r.DB, "select nothing from people")
		r.Query("syntax error", r.DB, "selekt 1")
		r.Query("error in a row", r.DB, "select 1 / (3 - id) from people order by id")
		r.Query("statement without rows", r.DB, "update people set note = 'x' where id = 1")
		r.Query("returning", r.DB, "insert into people values (4, 'Barbara') returning id, note")
	}},
	{Name: "query with arguments", Setup: people, Run: func(r *Run) {
		for range 3 {
			r.Query("one", r.DB, "select name from people where id = $1", 2)
		}
		r.Query("two", r.DB, "select id from people where name = $1 or note = $2 order by id", "Ada", "last")
		r.Query("null", r.DB, "select $1::text is null", nil)
		r.Query("too few", r.DB, "select $1::int + $2::int", 1)
		r.Query("too many", r.DB, "select $1::int", 1, 2)
		r.Query("wrong type", r.DB, "select name from people where id = $1", "no number")
		r.Query("no such conversion", r.DB, "select $1::int", struct{ A int }{1})
		r.Query("quotes", r.DB, "select $1::text", `'; drop table people; -- \' "`)
	}},
	{Name: "row", Setup: people, Run: func(r *Run) {
		var name string
		r.Err("found", r.DB.QueryRowContext(r.Ctx, "select name from people where id = $1", 1).Scan(&name))
		r.Note("name", "%s", name)
		r.Err("not found", r.DB.QueryRowContext(r.Ctx, "select name from people where id = $1", 99).Scan(&name))
		r.Err("many", r.DB.QueryRowContext(r.Ctx, "select name from people order by id desc").Scan(&name))
		r.Note("name", "%s", name)
		r.Err("null into string", r.DB.QueryRowContext(r.Ctx, "select note from people where id = 2").Scan(&name))
		r.Err("too few targets", r.DB.QueryRowContext(r.Ctx, "select id, name from people").Scan(&name))
		r.Err("error only", r.DB.QueryRowContext(r.Ctx, "select 1/0").Err())
		r.Err("raw bytes", r.DB.QueryRowContext(r.Ctx, "select name from people").Scan(&sql.RawBytes{}))
	}},
	{Name: "exec", Setup: people, Run: func(r *Run) {
		r.Exec("update", r.DB, "update people set note = 'x'")
		r.Exec("update with arguments", r.DB, "update people set note = $1 where id > $2", "y", 1)
		r.Exec("delete none", r.DB, "delete from people where id = $1", 99)
		r.Exec("insert", r.DB, "insert into people values ($1, $2)", 4, "Barbara")
		r.Exec("again", r.DB, "insert into people values ($1, $2)", 4, "Barbara")
		r.Exec("null refused", r.DB, "insert into people values ($1, $2)", 5, nil)
		r.Exec("ddl", r.DB, "create table more (id int)")
		r.Exec("select", r.DB, "select * from people")
		r.Exec("select with arguments", r.DB, "select * from people where id < $1", 3)
		r.Exec("too few", r.DB, "update people set note = $1 where id = $2", 1)
		r.Query("left", r.DB, "select * from people order by id")
	}},
	{Name: "several statements at once", Setup: people, Run: func(r *Run) {
		r.Exec("exec", r.DB, "update people set note = 'x'; delete from people where id = 1; select 1")
		r.Exec("one fails", r.DB, "delete from people; select 1/0")
		r.Exec("with arguments", r.DB, "delete from people where id = $1; select 1", 2)
		r.Query("query", r.DB, "select 1; select 2")
		r.Exec("own transaction", r.DB, "begin; delete from people where id = 2; rollback")
		r.Query("left", r.DB, "select id from people order by id")
	}},
	{Name: "empty statements", Run: func(r *Run) {
		for _, query := range []string{"", " ", ";", "-- nothing", "/* nothing */ ;;"} {
			r.Exec(fmt.Sprintf("exec %q", query), r.DB, query)
			r.Query(fmt.Sprintf("query %q", query), r.DB, query)
		}
		r.Caught("exec with argument", func() error { // pgx panics in some modes
			_, err := r.DB.ExecContext(r.Ctx, "", 1)
			return err
		})
		r.Err("row", r.DB.QueryRowContext(r.Ctx, "").Scan(new(int)))
		r.Query("afterwards", r.DB, "select 1")
	}},
	{Name: "odd texts", Run: func(r *Run) {
		r.Query("comment with placeholder", r.DB, "select /* $2 */ $1::int -- $3", 1)
		r.Query("quoted placeholder", r.DB, "select '$2', $1::int", 1)
		r.Query("zero byte", r.DB, "select 1 \x00")
		r.Query("not UTF-8", r.DB, "select '\xff'")
		r.Query("argument not UTF-8", r.DB, "select $1::text", "\xff")
		r.Query("long", r.DB, "select length('"+strings.Repeat("x", 1<<20)+"')")
		r.Query("long argument", r.DB, "select length($1)", strings.Repeat("x", 1<<20))
		r.Query("same column twice", r.DB, "select 1 as a, 2 as a")
		r.Query("unnamed column", r.DB, "select 1, 2")
	}},
	{Name: "failed statement leaves the connection alone", Conns: 1, Setup: people, Run: func(r *Run) {
		before := r.Value(r.DB, "select pg_backend_pid()")
		for range 3 {
			r.Exec("fails", r.DB, "insert into people values (1, 'twice')")
			r.Query("fails", r.DB, "select 1/0")
			r.Exec("fails to parse", r.DB, "insert into", 1)
		}
		r.Note("same connection", "%t", before == r.Value(r.DB, "select pg_backend_pid()"))
	}},
	{Name: "without context", Setup: people, Run: func(r *Run) {
		r.Err("ping", r.DB.Ping())
		res, err := r.DB.Exec("update people set note = $1", "z")
		r.result("exec", res, err)
		rows, err := r.DB.Query("select * from people order by id")
		r.rows("query", rows, err)
		tx, err := r.DB.Begin()
		r.Must(err)
		st, err := tx.Prepare("select note from people where id = $1")
		r.Must(err)
		rows, err = st.Query(1)
		r.rows("statement", rows, err)
		r.Err("commit", tx.Commit())
	}},
}
