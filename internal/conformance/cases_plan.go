package conformance

var planCases = []Case{
	{Name: "columns added under a cached plan", Conns: 1, Setup: people, Run: func(r *Run) {
		const all, one = "select * from people order by id", "select * from people where id = $1"
		st, err := r.DB.PrepareContext(r.Ctx, one)
		r.Must(err)
		defer st.Close()
		for range 2 {
			r.Query("before", r.DB, all)
			r.Query("before, with argument", r.DB, one, 1)
			rows, err := st.QueryContext(r.Ctx, 1)
			r.rows("before, statement", rows, err)
		}
		r.Exec("add", r.DB, "alter table people add column more int default 5")
		r.Exec("exec without arguments", r.DB, all)
		for range 3 {
			rows, err := st.QueryContext(r.Ctx, 1)
			r.rows("after, statement", rows, err)
			r.Query("after", r.DB, all)
			r.Query("after, with argument", r.DB, one, 1)
			r.Exec("after, exec", r.DB, one, 1)
		}
	}},
	{Name: "columns added under a cached plan, in a transaction", Conns: 1, Setup: people, Run: func(r *Run) {
		const all = "select * from people order by id"
		r.Query("before", r.DB, all)
		r.Query("before", r.DB, all)
		r.Exec("add", r.DB, "alter table people add column more int default 5")
		tx, err := r.DB.BeginTx(r.Ctx, nil)
		r.Must(err)
		r.Query("in the transaction", tx, all)
		r.Query("again", tx, all)
		r.Err("rollback", tx.Rollback())
		r.Query("after", r.DB, all)
		r.Query("after", r.DB, all)
	}},
	{Name: "type changed under a cached plan", Conns: 1, Setup: people, Run: func(r *Run) {
		const query = "select name from people where id = $1"
		r.Query("before", r.DB, query, 1)
		r.Exec("change", r.DB, "alter table people alter column id type text")
		for range 3 {
			r.Query("after", r.DB, query, "1")
		}
	}},
	{Name: "statements dropped by the user", Conns: 1, Setup: people, Needs: NeedSession, Run: func(r *Run) {
		const query = "select name from people where id = $1"
		st, err := r.DB.PrepareContext(r.Ctx, query+" limit 1")
		r.Must(err)
		defer st.Close()
		for _, drop := range []string{"deallocate all", "discard all"} {
			r.Query(drop+": before", r.DB, query, 1)
			r.Exec(drop, r.DB, drop)
			for range 2 {
				r.Query(drop+": after", r.DB, query, 1)
				rows, err := st.QueryContext(r.Ctx, 2)
				r.rows(drop+": statement", rows, err)
			}
		}
	}},
}
