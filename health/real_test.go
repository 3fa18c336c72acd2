package health_test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// await returns when ok does, or fails the test after limit with what m says then.
func await(t *testing.T, m *health.Monitor, what string, limit time.Duration, ok func(health.Report) bool) health.Report {
	t.Helper()
	began := time.Now()
	for {
		r := m.Report()
		if ok(r) {
			t.Logf("%s after %s", what, time.Since(began).Round(time.Millisecond))
			return r
		}
		if time.Since(began) > limit {
			t.Fatalf("not %s after %s: %s, score %d, reasons %+v, warnings %q, database %+v, PgBouncer %+v, ready %t (%s)",
				what, limit, r.Status, r.Score, r.Reasons, r.Warnings, r.Database, r.PgBouncer, r.Ready, r.NotReady)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Every connection is taken by queries that take longer than an interval, and others wait. No probe gets one in time, and no
// probe is needed: as long as work succeeds, nothing is held against the database.
func TestAPoolFullOfSlowQueriesIsNotUnhealthyBecauseOfTheProbe(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	told := ofHealth()
	db, pool, m := open(t, connector.Config{DSN: d.DSN, MaxConns: 3, Observer: told},
		health.Config{Interval: time.Second, ProbeTimeout: 50 * time.Millisecond, WaitTarget: time.Minute})
	stop := work(t, db, 6, 0, "select pg_sleep(1.7)")
	for pool.Stats().InUseConns < 3 {
		time.Sleep(time.Millisecond)
	}
	m.Start()
	await(t, m, "judged", 10*time.Second, func(r health.Report) bool { return r.Database.State != "unknown" })
	worst, most := 100, 0
	for began := time.Now(); time.Since(began) < 7*time.Second; time.Sleep(50 * time.Millisecond) {
		r := m.Report()
		worst = min(worst, r.Score)
		if r.Status == health.Unhealthy || !r.Ready || r.Database.Failures > 0 || r.Database.State == "down" {
			t.Fatalf("%s, ready %t, database %+v, reasons %+v", r.Status, r.Ready, r.Database, r.Reasons)
		}
		most = max(most, r.TotalConnections)
	}
	stop()
	if worst < 90 || most > 3 || pool.Stats().NewConnsCount != 3 {
		t.Errorf("worst score %d, at most %d connections at once, %d in all", worst, most, pool.Stats().NewConnsCount)
	}
	if failed := told.take(lifecycle.KindHealthError); len(failed) > 0 {
		t.Errorf("told %v", failed)
	}
	if n := pool.Stats().RefusedCount; n == 0 {
		t.Error("no probe was turned away: this has shown nothing")
	}
}

func TestADatabaseThatIsStoppedIsUnhealthyAndHealthyWhenItIsBack(t *testing.T) {
	t.Parallel()
	for _, workers := range []int{0, 4} {
		t.Run(fmt.Sprintf("%d at work", workers), func(t *testing.T) {
			t.Parallel()
			testdb.NoLeaksInParallel(t)
			d := testdb.Private(t)
			db, _, m := open(t, connector.Config{DSN: d.TCPDSN, MaxConns: 4}, health.Config{Interval: time.Second, Dwell: time.Second})
			m.Start()
			defer work(t, db, workers, 5*time.Millisecond, "select 1")()
			await(t, m, "ready", 10*time.Second, func(r health.Report) bool { return r.Ready && r.Database.State == "up" })
			if err := d.Server.Stop(t.Context(), testdb.Immediate); err != nil {
				t.Fatal(err)
			}
			r := await(t, m, "unhealthy", 15*time.Second, func(r health.Report) bool { return r.Status == health.Unhealthy && r.Database.State == "down" })
			if r.Ready || r.Database.State != "down" || r.Database.Failure != "connection refused" {
				t.Errorf("ready %t, database %+v", r.Ready, r.Database)
			}
			if body := fmt.Sprintf("%+v", r); strings.Contains(body, "127.0.0.1") || strings.Contains(body, "password") {
				t.Errorf("the report says too much: %s", body)
			}
			if err := d.Server.Restart(t.Context(), testdb.Fast); err != nil {
				t.Fatal(err)
			}
			await(t, m, "healthy", 20*time.Second, func(r health.Report) bool { return r.Status == health.Healthy && r.Ready })
		})
	}
}

func TestAWrongPasswordIsToldByItsCode(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	u, err := url.Parse(testdb.New(t).TCPDSN)
	if err != nil {
		t.Fatal(err)
	}
	user := u.User.Username()
	u.User = url.UserPassword(user, "wr0ngs3cret")
	_, _, m := open(t, connector.Config{DSN: u.String(), MaxConns: 2}, health.Config{Interval: time.Second})
	m.Start()
	r := await(t, m, "unhealthy", 10*time.Second, func(r health.Report) bool { return r.Status == health.Unhealthy })
	if r.Database.Failure != "SQLSTATE 28P01" {
		t.Errorf("database %+v", r.Database)
	}
}

// What a report says of connections is what the pool and the server say of them.
func TestAReportAgreesWithThePoolAndWithTheServer(t *testing.T) {
	testdb.NoLeaks(t)
	d := testdb.New(t)
	db, pool, m := open(t, connector.Config{DSN: d.DSN, MaxConns: 5}, health.Config{ShowQueries: true, NoProbe: true})
	m.Start()
	ctx := priority.WithTenant(priority.WithLabel(t.Context(), "checkout"), "acme")
	tx, err := db.BeginTx(priority.WithLabel(t.Context(), "idle one"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var wg sync.WaitGroup
	ctx, cancel := context.WithCancel(ctx)
	for range 2 {
		wg.Go(func() { _, _ = db.ExecContext(ctx, "select pg_sleep(60), 'c0nfidential'") })
	}
	defer func() { cancel(); wg.Wait() }()
	if err := pool.Warmup(t.Context(), 4); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := db.ExecContext(t.Context(), "select 1"); err != nil {
			t.Fatal(err)
		}
	}
	_, err = db.ExecContext(t.Context(), "select 1/0")
	if err == nil {
		t.Fatal("no error")
	}
	server := map[uint32]string{}
	other := sql.OpenDB(connector.NewConnector(connector.Config{DSN: d.DSN, MaxConns: 1})) // past the pool
	defer other.Close()
	active := func() (n int) {
		clear(server)
		rows, err := other.QueryContext(t.Context(), `select pid, state from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()`, d.Name)
		if err != nil {
			t.Fatal(err)
		}
		defer rows.Close()
		for rows.Next() {
			var pid uint32
			var state string
			if err := rows.Scan(&pid, &state); err != nil {
				t.Fatal(err)
			}
			server[pid] = state
			if state == "active" {
				n++
			}
		}
		return n
	}
	for active() < 2 {
		time.Sleep(5 * time.Millisecond)
	}
	time.Sleep(time.Until(time.Now().Add(1100 * time.Millisecond))) // for a look
	r, stats := m.Report(), pool.Stats()
	if p := r.Stats.Pool; p.TotalConnections != stats.TotalConns || p.ActiveConnections != 3 || p.IdleConnections != stats.IdleConns ||
		p.AcquiredCount != stats.AcquireCount || p.ReleasedCount != stats.ReleaseCount || p.QueryCount != stats.QueryCount ||
		p.ErrorCount != stats.ErrorCount || p.ErrorCount != 1 || p.ConnectCount != 4 || p.MaxConnections != 5 {
		t.Errorf("report %+v, pool %+v", p, stats)
	}
	w := r.Window
	if w.Acquired != stats.AcquireCount || w.Queries != stats.QueryCount || w.Errors != 1 || w.Failures != 0 {
		t.Errorf("window %+v, pool %+v", w, stats)
	}
	if len(r.Stats.Connections) != len(server) {
		t.Errorf("%d connections, and the server has %v", len(r.Stats.Connections), server)
	}
	want := map[string]string{"active": "active", "idle in transaction": "active", "idle": "idle"}
	for _, c := range r.Stats.Connections {
		state, ok := server[c.PID]
		if !ok || c.State != want[state] {
			t.Errorf("connection %+v, and the server says %q", c, state)
		}
		switch state {
		case "active":
			if c.Label != "checkout" || c.Tenant != "acme" || c.Doing != "running" || c.CurrentQuery != "select pg_sleep(?), ?" || c.RunningMs <= 0 {
				t.Errorf("running: %+v", c)
			}
		case "idle in transaction":
			if c.Label != "idle one" || c.Doing != "idle in transaction" || c.HeldMs < 1000 {
				t.Errorf("idle in transaction: %+v", c)
			}
		}
	}
}

func TestPgBouncersQueueIsInTheReportAndIsNotTheDatabasesFault(t *testing.T) {
	t.Parallel()
	testdb.NoLeaksInParallel(t)
	d := testdb.New(t)
	bouncer := testdb.PgBouncer(t, d.Server, "transaction", "default_pool_size = 1")
	told := ofHealth()
	db, pool, m := open(t, connector.Config{
		DSN: bouncer.DSN(d.Name), MaxConns: 6, PgBouncer: connector.PoolTransaction, PgBouncerConsole: bouncer.ConsoleDSN(), Observer: told,
	}, health.Config{Interval: time.Second, ProbeTimeout: 300 * time.Millisecond, WaitTarget: 50 * time.Millisecond, Window: 10 * time.Second})
	m.Start()
	r := await(t, m, "asked", 10*time.Second, func(r health.Report) bool { return r.PgBouncer != nil && r.Ready })
	if b := pool.Stats().PgBouncer; b == nil || !b.Up || b.At.IsZero() {
		t.Errorf("the pool was told %+v of PgBouncer", b)
	}
	if b := r.PgBouncer; b.Error != "" || b.Database != d.Name || b.ClientsWaiting != 0 {
		t.Errorf("PgBouncer %+v", b)
	}
	told.take(lifecycle.KindHealthError) // the first connection may be slow to open on a machine with much to do
	stop := work(t, db, 3, 0, "select pg_sleep(1.5)")
	r = await(t, m, "waiting at PgBouncer", 20*time.Second, func(r health.Report) bool {
		return r.PgBouncer.ClientsWaiting > 0 && r.PgBouncer.MaxWaitMs > 100 && r.PgBouncer.ServersActive == 1 &&
			slices.ContainsFunc(r.Reasons, func(why health.Reason) bool {
				return why.Factor == "wait" && strings.Contains(why.Text, "at PgBouncer")
			})
	})
	for began := time.Now(); time.Since(began) < 4*time.Second; time.Sleep(50 * time.Millisecond) {
		if r := m.Report(); r.Status == health.Unhealthy || r.Database.Failures > 0 {
			t.Fatalf("%s, database %+v, reasons %+v", r.Status, r.Database, r.Reasons)
		}
	}
	if b := pool.Stats().PgBouncer; b.ClientsActive+b.ClientsWaiting == 0 || b.ServersActive+b.ServersIdle+b.ServersOther != 1 {
		t.Errorf("the pool was told %+v of PgBouncer", b)
	}
	stop()
	if failed := told.take(lifecycle.KindHealthError); len(failed) > 0 {
		t.Errorf("told %v", failed)
	}
	if n := pool.Stats().TotalConns; n > 6 {
		t.Errorf("%d connections", n)
	}
	await(t, m, "quiet again", 40*time.Second, func(r health.Report) bool { return r.PgBouncer.ClientsWaiting == 0 && r.Score == 100 })
}

func TestAConsoleThatDoesNotAnswerIsAWarningOnly(t *testing.T) {
	testdb.NoLeaks(t)
	d := testdb.New(t)
	_, pool, m := open(t, connector.Config{DSN: d.DSN, MaxConns: 2, PgBouncer: connector.PoolSession,
		PgBouncerConsole: "postgres://nobody:s3cret@127.0.0.1:1/pgbouncer"}, health.Config{Interval: time.Second})
	m.Start()
	r := await(t, m, "asked", 10*time.Second, func(r health.Report) bool { return r.PgBouncer != nil && r.Database.State == "up" })
	if r.PgBouncer.Error != "connection refused" || r.Score != 100 || !r.Ready || len(r.Warnings) != 1 {
		t.Errorf("PgBouncer %+v, score %d, ready %t, warnings %q", r.PgBouncer, r.Score, r.Ready, r.Warnings)
	}
	if b := pool.Stats().PgBouncer; b == nil || b.Up {
		t.Errorf("the pool was told %+v of PgBouncer", b)
	}
}

// Everything at once, for the race detector, and for what is left afterwards.
func TestStressAMonitorIsAskedAndThePoolIsChangedUnderLoad(t *testing.T) {
	testdb.NoLeaks(t)
	d := testdb.New(t)
	db, pool, m := open(t, connector.Config{DSN: d.DSN, MaxConns: 4, AcquireTimeout: 200 * time.Millisecond},
		health.Config{Interval: time.Second, ShowQueries: true})
	h, _ := admin(t, m)
	m.Start()
	stop := work(t, db, 12, 0, "select 1")
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	var wg sync.WaitGroup
	repeat := func(change ...string) {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				ask(h, http.MethodPost, "/health/admin/"+change[i%len(change)], allowed)
			}
		})
	}
	repeat("resize?max=2", "resize?max=4", "warmup?n=4", "reset", "evict?id=1")
	repeat("suspend", "clear", "resume")
	for range 3 {
		wg.Go(func() {
			for ctx.Err() == nil {
				for _, path := range []string{"/health/", "/health/ready", "/health/live", "/health/page/"} {
					if w := ask(h, http.MethodGet, path); w.Code != 200 && w.Code != 503 {
						t.Errorf("%s: %d %s", path, w.Code, w.Body)
					}
				}
				_ = m.History()
			}
		})
	}
	wg.Wait()
	pool.Resume()
	stop()
	m.Close()
	for began := time.Now(); pool.Stats().InUseConns > 0 && time.Since(began) < 10*time.Second; { // what was canceled is put in order
		time.Sleep(time.Millisecond)
	}
	s := pool.Stats()
	if s.InUseConns != 0 || s.AcquireCount != s.ReleaseCount || s.Waiting != 0 {
		t.Errorf("%d in use, %d lent, %d back, %d wait", s.InUseConns, s.AcquireCount, s.ReleaseCount, s.Waiting)
	}
}
