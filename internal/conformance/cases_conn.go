package conformance

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"strings"

	"github.com/jackc/pgx/v5"
)

var connCases = []Case{
	{Name: "state of a Conn", Needs: NeedSession, Run: func(r *Run) {
		conn, err := r.DB.Conn(r.Ctx)
		r.Must(err)
		pid := r.Value(conn, "select pg_backend_pid()")
		r.Exec("set", conn, "set application_name = 'mine'")
		r.Exec("temporary table", conn, "create temp table mine (id int)")
		r.Exec("insert", conn, "insert into mine values ($1)", 1)
		r.Exec("lock", conn, "select pg_advisory_lock(7)")
		r.Exec("cursor", conn, "declare c cursor with hold for select g from generate_series(1, 5) g")
		for range 3 {
			r.Note("setting", "%s", r.Value(conn, "show application_name"))
			r.Query("fetch", conn, "fetch 2 from c")
		}
		r.Query("temporary table", conn, "select * from mine")
		r.Note("lock of others", "%s", r.Value(r.DB, "select pg_try_advisory_lock(7)"))
		r.Note("same connection", "%t", pid == r.Value(conn, "select pg_backend_pid()"))
		r.Note("another connection", "%t", pid != r.Value(r.DB, "select pg_backend_pid()"))
		r.Exec("unlock", conn, "select pg_advisory_unlock_all()")
		r.Err("close", conn.Close())
		r.Err("close again", conn.Close())
		_, err = conn.ExecContext(r.Ctx, "select 1")
		r.Err("exec after close", err)
		_, err = conn.QueryContext(r.Ctx, "select 1")
		r.Err("query after close", err)
		_, err = conn.BeginTx(r.Ctx, nil)
		r.Err("begin after close", err)
		r.Err("ping after close", conn.PingContext(r.Ctx))
		r.Err("raw after close", conn.Raw(func(any) error { return nil }))
	}},
	{Name: "transaction on a Conn", Setup: people, Run: func(r *Run) {
		conn, err := r.DB.Conn(r.Ctx)
		r.Must(err)
		defer conn.Close()
		tx, err := conn.BeginTx(r.Ctx, &sql.TxOptions{ReadOnly: true})
		r.Must(err)
		r.Exec("write", tx, "delete from people")
		r.Err("rollback", tx.Rollback())
		r.Exec("write after", conn, "delete from people where id = 1")
		r.Err("ping", conn.PingContext(r.Ctx))
		tx, err = conn.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Query("statement of the Conn", conn, "select count(*) from people")
		r.Err("commit", tx.Commit())
	}},
	{Name: "ping", Run: func(r *Run) {
		r.Err("db", r.DB.PingContext(r.Ctx))
		conn, err := r.DB.Conn(r.Ctx)
		r.Must(err)
		defer conn.Close()
		r.Err("conn", conn.PingContext(r.Ctx))
		canceled, cancel := context.WithCancel(r.Ctx)
		cancel()
		r.Err("canceled", r.DB.PingContext(canceled))
		r.Err("conn afterwards", conn.PingContext(r.Ctx))
	}},
	{Name: "a Conn closed with rows open", Run: func(r *Run) {
		conn, err := r.DB.Conn(r.Ctx)
		r.Must(err)
		rows, err := conn.QueryContext(r.Ctx, "select g from generate_series(1, 100000) g")
		r.Must(err)
		r.Note("next", "%t", rows.Next())
		closed := make(chan error)
		go func() { closed <- conn.Close() }()
		r.Err("rows", rows.Close())
		r.Err("conn", <-closed)
		r.Query("afterwards", r.DB, "select 1")
	}},
}

// pgxConn is what pgx's users call inside Raw, whoever stands in for *stdlib.Conn.
type pgxConn interface{ Conn() *pgx.Conn }

// onConn runs f with the pgx connection of a Conn of its own.
func (r *Run) onConn(f func(pg *pgx.Conn) error) error {
	conn, err := r.DB.Conn(r.Ctx)
	r.Must(err)
	defer conn.Close()
	return conn.Raw(func(driverConn any) error { return f(driverConn.(pgxConn).Conn()) })
}

var errRaw = errors.New("raw failed")

var rawCases = []Case{
	{Name: "Raw", Setup: people, Run: func(r *Run) {
		r.Err("error", r.onConn(func(*pgx.Conn) error { return errRaw }))
		r.Err("bad connection", r.onConn(func(*pgx.Conn) error { return driver.ErrBadConn }))
		r.Err("exec", r.onConn(func(pg *pgx.Conn) error {
			tag, err := pg.Exec(r.Ctx, "update people set note = $1", "raw")
			r.Note("tag", "%s", tag)
			return err
		}))
		r.Query("left", r.DB, "select note from people order by id")
		r.Caught("panic", func() error { return r.onConn(func(*pgx.Conn) error { panic("raw") }) })
		r.Query("afterwards", r.DB, "select 1")
	}},
	{Name: "COPY", Setup: people, Run: func(r *Run) {
		r.Err("from", r.onConn(func(pg *pgx.Conn) error {
			n, err := pg.CopyFrom(r.Ctx, pgx.Identifier{"people"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{10, "x"}, {11, "y"}}))
			r.Note("copied", "%d", n)
			return err
		}))
		r.Err("from, fails", r.onConn(func(pg *pgx.Conn) error {
			_, err := pg.CopyFrom(r.Ctx, pgx.Identifier{"people"}, []string{"id", "name"}, pgx.CopyFromRows([][]any{{10, "x"}}))
			return err
		}))
		r.Err("to", r.onConn(func(pg *pgx.Conn) error {
			var out bytes.Buffer
			_, err := pg.PgConn().CopyTo(r.Ctx, &out, "copy (select id from people order by id) to stdout")
			r.Note("text", "%q", out.String())
			return err
		}))
		r.Query("left", r.DB, "select count(*) from people")
	}},
	{Name: "batch", Setup: people, Run: func(r *Run) {
		r.Err("batch", r.onConn(func(pg *pgx.Conn) error {
			var b pgx.Batch
			b.Queue("insert into people values ($1, $2)", 20, "b")
			b.Queue("select count(*) from people").QueryRow(func(row pgx.Row) error {
				var n int
				err := row.Scan(&n)
				r.Note("count", "%d", n)
				return err
			})
			b.Queue("select 1/0")
			return pg.SendBatch(r.Ctx, &b).Close()
		}))
		r.Query("left", r.DB, "select count(*) from people")
	}},
	{Name: "LISTEN", Needs: NeedSession | NeedProtocol, Run: func(r *Run) {
		r.Err("listen", r.onConn(func(pg *pgx.Conn) error {
			if _, err := pg.Exec(r.Ctx, "listen news"); err != nil {
				return err
			}
			if _, err := r.watcher.Exec(r.Ctx, "notify news, 'heard'"); err != nil {
				return err
			}
			n, err := pg.WaitForNotification(r.Ctx)
			if err == nil {
				r.Note("heard", "%s %s", n.Channel, n.Payload)
			}
			return err
		}))
	}},
	{Name: "large objects", Run: func(r *Run) {
		r.Err("write and read", r.onConn(func(pg *pgx.Conn) error {
			tx, err := pg.Begin(r.Ctx)
			if err != nil {
				return err
			}
			defer tx.Rollback(r.Ctx)
			objects := tx.LargeObjects()
			oid, err := objects.Create(r.Ctx, 0)
			if err != nil {
				return err
			}
			o, err := objects.Open(r.Ctx, oid, pgx.LargeObjectModeRead|pgx.LargeObjectModeWrite)
			if err != nil {
				return err
			}
			n, err := o.Write([]byte(strings.Repeat("x", 1000)))
			r.Note("written", "%d %s", n, class(err))
			return tx.Commit(r.Ctx)
		}))
	}},
	{Name: "transaction left open in Raw", Conns: 1, Setup: people, Run: func(r *Run) {
		r.Err("begin", r.onConn(func(pg *pgx.Conn) error {
			_, err := pg.Exec(r.Ctx, "begin; delete from people")
			return err
		}))
		r.Query("left", r.DB, "select count(*) from people")
	}},
	{Name: "connection closed in Raw", Conns: 1, Run: func(r *Run) {
		r.Err("close", r.onConn(func(pg *pgx.Conn) error { return pg.Close(r.Ctx) }))
		r.Query("afterwards", r.DB, "select 1")
	}},
}
