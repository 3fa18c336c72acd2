package poolotel_test

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/testdb"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// until returns when ok says so.
func until(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(20 * time.Second); !ok(); <-tick.C {
		if time.Now().After(deadline) {
			t.Fatalf("not within 20 s: %s", what)
		}
	}
}

// TestAScrapeAgreesWithStatsAndWithTheServer looks at one situation from three sides: connections in transactions, one at
// work, one idle, and callers who wait.
func TestAScrapeAgreesWithStatsAndWithTheServer(t *testing.T) {
	testdb.NoLeaks(t)
	server := testdb.New(t)
	pool, db := onServer(t, connector.Config{DSN: server.DSN, MaxConns: 4})
	h, err := poolotel.NewHandler([]*connector.Connector{pool})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	var txs []*sql.Tx
	for range 3 {
		tx, err := db.BeginTx(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		txs = append(txs, tx)
	}
	var callers sync.WaitGroup
	working, stop := context.WithCancel(t.Context())
	defer stop()
	callers.Go(func() { _, _ = db.ExecContext(working, "select pg_sleep(60)") })
	states := func() map[string]int {
		backends, err := server.Server.Backends(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		n := make(map[string]int)
		for _, b := range backends {
			if b.Database == server.Name {
				n[b.State]++
			}
		}
		return n
	}
	until(t, "one is active", func() bool { return states()["active"] == 1 })
	for i := range 5 {
		class := priority.High
		if i > 1 {
			class = priority.Low
		}
		callers.Go(func() {
			if _, err := db.ExecContext(priority.WithClass(t.Context(), class), "select 1"); err != nil {
				t.Error(err)
			}
		})
	}
	until(t, "five wait", func() bool { return pool.Stats().Waiting == 5 })

	all, stats, there := samples(t, scrape(t, h, plainText)), pool.Stats(), states()
	if there["idle in transaction"] != 3 || there["active"] != 1 || stats.InUseConns != 4 {
		t.Errorf("the server has %v, Stats %d in use", there, stats.InUseConns)
	}
	expect(t, all, 4, "db_client_connection_count", `state="used"`)
	expect(t, all, 0, "db_client_connection_count", `state="idle"`)
	expect(t, all, 4, "poolsql_connections")
	expect(t, all, 5, "db_client_connection_pending_requests")
	expect(t, all, 2, "poolsql_queue_length", `class="high"`)
	expect(t, all, 3, "poolsql_queue_length", `class="low"`)
	expect(t, all, float64(stats.AcquireCount), "poolsql_acquisitions_total")

	for _, tx := range txs {
		if err := tx.Rollback(); err != nil {
			t.Error(err)
		}
	}
	stop()
	callers.Wait()
	until(t, "the server has four idle", func() bool { return states()["idle"] == 4 })
	all = samples(t, scrape(t, h, plainText))
	expect(t, all, 4, "db_client_connection_count", `state="idle"`)
	expect(t, all, 0, "db_client_connection_pending_requests")
	expect(t, all, 1, "poolsql_cancels_total", `outcome="ok"`)
	conserved(t, all, pool)
}

// conserved fails the test unless what was counted one by one is what the pool has counted. Nothing may be under way.
func conserved(t *testing.T, all []sample, pool *connector.Connector) {
	t.Helper()
	s := pool.Stats()
	// What was granted in the instant in which its caller left is an acquisition, of which nobody was told; the caller is
	// among the refused.
	passed := s.AcquireCount - uint64(total(all, "db_client_connection_wait_time_seconds_count"))
	if passed > 5+s.RefusedCount/50 {
		t.Errorf("of %d acquisitions nobody was told, with %d callers refused", passed, s.RefusedCount)
	}
	for _, c := range []struct {
		name string
		want uint64
	}{
		{"db_client_connection_use_time_seconds_count", s.ReleaseCount - passed},
		{"db_client_connection_create_time_seconds_count", s.NewConnsCount},
		{"db_client_operation_duration_seconds_count", s.QueryCount - passed},
		{"poolsql_operations_total", s.QueryCount},
		{"poolsql_acquisitions_total", s.AcquireCount},
		{"poolsql_refusals_total", s.RefusedCount},
		{"db_client_connection_timeouts_total", s.TimeoutCount},
	} {
		expect(t, all, float64(c.want), c.name)
	}
	expect(t, all, float64(s.ErrorCount), "poolsql_operations_total", `outcome="error"`)
	expect(t, all, float64(s.AcquireCount-passed), "poolsql_queue_wait_seconds_count", `outcome="admitted"`)
	// A deadline that passes while the scheduler looks at its caller is counted as a canceled one, and told as what it is.
	timeouts := total(all, "poolsql_queue_wait_seconds_count", `outcome="timeout"`)
	if refused := total(all, "poolsql_queue_wait_seconds_count", `outcome="refused"`); refused+timeouts != float64(s.RefusedCount) {
		t.Errorf("%v waits were refused and %v timed out, Stats count %d together", refused, timeouts, s.RefusedCount)
	}
	if counted := float64(s.TimeoutCount); timeouts < counted || timeouts > counted+5+counted/50 {
		t.Errorf("%v waits timed out, Stats count %v", timeouts, counted)
	}
	if failed := total(all, "db_client_operation_duration_seconds_count", "error_type"); failed != float64(s.ErrorCount) {
		t.Errorf("%v operations have an error, Stats count %d", failed, s.ErrorCount)
	}
	for _, name := range []string{"db_client_connection_use_time_seconds_sum", "poolsql_tenant_use_time_seconds_total"} {
		if got := total(all, name); !near(got, s.UseTime.Seconds()) {
			t.Errorf("%s is %v, Stats say %v", name, got, s.UseTime.Seconds())
		}
	}
	// Stats count until the grant; a caller waits until it runs again, and what it is lent was looked at.
	if got := total(all, "db_client_connection_wait_time_seconds_sum"); got < 0.99*s.WaitTime.Seconds() {
		t.Errorf("waits sum up to %v, Stats say %v", got, s.WaitTime.Seconds())
	}
}

// near reports whether two sums are the same but for what the clock is read twice for.
func near(a, b float64) bool { return a-b < 0.02+b/50 && b-a < 0.02+b/50 }

// TestStressCountersOnlyGrowAndNothingIsLost has a crowd do all kinds of things while others scrape.
func TestStressCountersOnlyGrowAndNothingIsLost(t *testing.T) {
	testdb.NoLeaks(t)
	pool, db := onServer(t, connector.Config{MaxConns: 4, MaxWaiting: 20, AcquireTimeout: 50 * time.Millisecond})
	h, err := poolotel.NewHandler([]*connector.Connector{pool})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	if err := pool.Warmup(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	prime(t, db)
	done := make(chan struct{})
	time.AfterFunc(stressTime(t), func() { close(done) })
	var crowd, scraper sync.WaitGroup
	for i := range 32 {
		crowd.Go(func() { behave(t.Context(), db, rand.New(rand.NewPCG(7, uint64(i))), done) })
	}
	scraper.Go(func() {
		last := make(map[string]float64)
		for n := 0; ; n++ {
			all := samples(t, scrape(t, h, plainText))
			onlyGrew(t, last, all)
			if open := total(all, "poolsql_connections"); open > 4 {
				t.Errorf("%v connections of at most 4", open)
			}
			select {
			case <-done:
				t.Logf("%d scrapes", n+1)
				return
			default:
			}
		}
	})
	crowd.Wait()
	scraper.Wait()
	until(t, "all is quiet", func() bool { s := pool.Stats(); return s.InUseConns == 0 && s.ConnectingConns == 0 })
	all := samples(t, scrape(t, h, plainText))
	conserved(t, all, pool)
	for _, series := range [][]string{
		{"poolsql_refusals_total", `reason="timeout"`}, {"poolsql_refusals_total", `reason="queue full"`},
		{"poolsql_queue_wait_seconds_count", `outcome="refused"`}, {"poolsql_queue_wait_seconds_count", `outcome="timeout"`},
		{"db_client_operation_duration_seconds_count", `db_response_status_code="22012"`},
		{"db_client_response_returned_rows_count", `db_query_summary="rows"`},
	} {
		if total(all, series[0], series[1:]...) == 0 {
			t.Errorf("%v did not happen", series)
		}
	}
}

// prime has happen what a crowd on a busy machine may not get to before the places for labels are taken: rows, a failure,
// and a wait that is too long.
func prime(t *testing.T, db *sql.DB) {
	t.Helper()
	readAll(t, priority.WithLabel(t.Context(), "rows"), db, "select 1")
	if _, err := db.ExecContext(priority.WithLabel(t.Context(), "fails"), "select 1/0"); err == nil {
		t.Fatal("1/0 is something")
	}
	for range 4 {
		conn, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if err := conn.PingContext(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := db.ExecContext(t.Context(), "select 1"); err == nil {
		t.Fatal("there is a fifth connection")
	}
}

// behave does what programs do, until done.
func behave(ctx context.Context, db *sql.DB, r *rand.Rand, done <-chan struct{}) {
	for {
		select {
		case <-done:
			return
		default:
		}
		ctx := priority.WithClass(ctx, priority.Classes()[r.IntN(3)])
		ctx = priority.WithTenant(ctx, fmt.Sprint("tenant ", r.IntN(30)))
		switch r.IntN(6) {
		case 0:
			ctx, cancel := context.WithTimeout(priority.WithLabel(ctx, "short"), time.Duration(r.IntN(4000))*time.Microsecond)
			_, _ = db.ExecContext(ctx, "select pg_sleep(0.002)")
			cancel()
		case 1:
			_, _ = db.ExecContext(priority.WithLabel(ctx, "fails"), "select 1/0")
		case 2:
			if tx, err := db.BeginTx(priority.WithLabel(ctx, "tx"), nil); err == nil {
				_, _ = tx.ExecContext(ctx, "select pg_sleep(0.001)")
				_ = tx.Commit()
			}
		case 3:
			if rows, err := db.QueryContext(priority.WithLabel(ctx, "rows"), "select generate_series(1, 30)"); err == nil {
				for rows.Next() {
				}
				_ = rows.Close()
			}
		default:
			_, _ = db.ExecContext(priority.WithLabel(ctx, fmt.Sprint("label ", r.IntN(80))), "select pg_sleep(0.001)")
		}
	}
}

// onlyGrew fails the test if a counter is less than last, and keeps it there.
func onlyGrew(t *testing.T, last map[string]float64, all []sample) {
	for _, s := range all {
		for _, suffix := range []string{"_total", "_count", "_bucket", "_sum"} {
			if s.name == "db_client_connection_count" || !strings.HasSuffix(s.name, suffix) {
				continue
			}
			if was := last[s.name+s.labels]; s.value < was {
				t.Errorf("%s%s was %v and is %v", s.name, s.labels, was, s.value)
			}
			last[s.name+s.labels] = s.value
		}
	}
}
