package pooldriver_test

import (
	"fmt"
	"testing"

	"github.com/poolsql/poolsql"
)

func TestPreparedStatementsAreBoundedAndTheOldestGoes(t *testing.T) {
	t.Parallel()
	const capacity = 5
	f := patient(t, 1, func(cfg *poolsql.Config) { cfg.ConnConfig.StatementCacheCapacity = capacity })
	text := func(i int) string { return fmt.Sprintf("select %d + $1::int", i) }
	for i := range 20 {
		f.number(text(i), 1)
	}
	const prepared = "select count(*) from pg_prepared_statements"
	if n := f.number(prepared); n != capacity {
		t.Errorf("%d statements are prepared on the server, want %d", n, capacity)
	}
	before := f.c.Stats()
	f.number(text(19), 1) // kept
	f.number(text(0), 1)  // evicted long ago
	after := f.c.Stats()
	if hits, misses := after.StatementHits-before.StatementHits, after.StatementMisses-before.StatementMisses; hits != 1 || misses != 1 {
		t.Errorf("%d hits and %d misses, want 1 of each", hits, misses)
	}
	if n := f.number(prepared); n != capacity {
		t.Errorf("%d statements are prepared on the server, want %d", n, capacity)
	}
	if c := f.c.Connections(); len(c) != 1 || c[0].Prepared != capacity {
		t.Errorf("connections: %+v", c)
	}
}

func TestStatementsOfTheUserShareTheBound(t *testing.T) {
	t.Parallel()
	const capacity = 5
	f := patient(t, 1, func(cfg *poolsql.Config) { cfg.ConnConfig.StatementCacheCapacity = capacity })
	for i := range 20 {
		st, err := f.db.PrepareContext(f.ctx, fmt.Sprintf("select %d + $1::int", i))
		if err != nil {
			t.Fatal(err)
		}
		defer st.Close() // all are open at once
		var n int
		if err := st.QueryRowContext(f.ctx, 1).Scan(&n); err != nil || n != i+1 {
			t.Errorf("%d, %v", n, err)
		}
	}
	if n := f.number("select count(*) from pg_prepared_statements"); n > capacity {
		t.Errorf("%d statements are prepared on the server, want at most %d", n, capacity)
	}
}
