package conformance

import (
	"database/sql"
)

var rowsCases = []Case{
	{Name: "rows read in part", Conns: 1, Run: func(r *Run) {
		for range 5 { // more often than there are connections
			rows, err := r.DB.QueryContext(r.Ctx, "select g from generate_series(1, 1000) g")
			r.Must(err)
			var n int
			r.Note("next", "%t", rows.Next())
			r.Err("scan", rows.Scan(&n))
			r.Err("close", rows.Close())
			r.Err("err", rows.Err())
			r.Note("next after close", "%t", rows.Next())
			r.Err("scan after close", rows.Scan(&n))
			_, err = rows.Columns()
			r.Err("columns after close", err)
			r.Err("close again", rows.Close())
		}
	}},
	{Name: "rows not read at all", Conns: 1, Run: func(r *Run) {
		for range 3 {
			rows, err := r.DB.QueryContext(r.Ctx, "select g from generate_series(1, 1000) g")
			r.Must(err)
			r.Err("close", rows.Close())
		}
	}},
	{Name: "rows that fail on the way", Conns: 1, Run: func(r *Run) {
		for range 3 {
			rows, err := r.DB.QueryContext(r.Ctx, "select 1000 / (2000 - g) from generate_series(1, 3000) g")
			r.Must(err)
			n := 0
			for rows.Next() {
				n++
			}
			r.Note("read", "%d", n)
			r.Err("err", rows.Err())
			r.Err("close", rows.Close())
		}
		r.Query("afterwards", r.DB, "select 1")
	}},
	{Name: "rows that fail after they were left", Conns: 1, Run: func(r *Run) {
		rows, err := r.DB.QueryContext(r.Ctx, "select 1000 / (2000 - g) from generate_series(1, 3000) g")
		r.Must(err)
		r.Note("next", "%t", rows.Next())
		r.Err("close", rows.Close())
		r.Query("afterwards", r.DB, "select 1")
	}},
	{Name: "next result set", Run: func(r *Run) {
		rows, err := r.DB.QueryContext(r.Ctx, "select 1")
		r.Must(err)
		r.Note("next result set", "%t", rows.NextResultSet())
		r.Err("err", rows.Err())
		r.Note("next", "%t", rows.Next())
		rows.Close()
		r.Note("next result set after close", "%t", rows.NextResultSet())
	}},
	{Name: "many rows", Run: func(r *Run) {
		rows, err := r.DB.QueryContext(r.Ctx, "select g, repeat('x', g % 200) from generate_series(1, $1) g", 30000)
		r.Must(err)
		defer rows.Close()
		var count, sum, length int
		for rows.Next() {
			var g int
			var raw sql.RawBytes
			r.Must(rows.Scan(&g, &raw))
			count, sum, length = count+1, sum+g, length+len(raw)
		}
		r.Note("seen", "%d %d %d %s", count, sum, length, class(rows.Err()))
	}},
	{Name: "wide rows", Run: func(r *Run) {
		rows, err := r.DB.QueryContext(r.Ctx, "select repeat('x', 1000000), g from generate_series(1, 5) g")
		r.Must(err)
		defer rows.Close()
		for rows.Next() {
			var s string
			var g int
			r.Must(rows.Scan(&s, &g))
			r.Note("length", "%d %d", len(s), g)
		}
		r.Err("err", rows.Err())
	}},
	{Name: "two results at once", Conns: 2, Run: func(r *Run) {
		first, err := r.DB.QueryContext(r.Ctx, "select g from generate_series(1, 3) g")
		r.Must(err)
		second, err := r.DB.QueryContext(r.Ctx, "select -g from generate_series(1, 3) g")
		r.Must(err)
		r.Note("next", "%t %t", first.Next(), second.Next())
		r.rows("first", first, nil)
		r.rows("second", second, nil)
	}},
	{Name: "bytes stay as they were", Run: func(r *Run) {
		rows, err := r.DB.QueryContext(r.Ctx, "select decode(repeat(to_hex(g), 2), 'hex') from generate_series(16, 20) g")
		r.Must(err)
		defer rows.Close()
		var all [][]byte
		for rows.Next() {
			var b []byte
			r.Must(rows.Scan(&b))
			all = append(all, b)
		}
		r.Note("kept", "%x %s", all, class(rows.Err()))
	}},
}
