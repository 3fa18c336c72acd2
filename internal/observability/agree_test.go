package observability_test

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/testdb"
)

// An audit is a pool, and those who count what it does.
type audit struct {
	*site
	pool   *poolsql.Connector
	report http.Handler
	server *pgx.Conn // beside the pool
	app    string
}

const (
	auditConns   = 6
	auditCallers = 24
)

// TestMetricsStatsHealthAndTheServerAgree looks at one pool through /metrics, Stats, the health report and pg_stat_activity:
// when nothing moves, under load, and when all have left.
func TestMetricsStatsHealthAndTheServerAgree(t *testing.T) {
	testdb.NoLeaks(t)
	database := testdb.New(t)
	a := &audit{site: newSite(t), app: "poolsql-agree"}
	db, pool := a.open(poolsql.Config{
		Name: "agree", DSN: database.DSN + "&application_name=" + a.app, MaxConns: auditConns, MinConns: auditConns,
	})
	a.pool = pool
	monitor, err := health.New(pool, health.Config{NoProbe: true})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = monitor.Close() })
	if a.report, err = health.NewHandler(monitor, health.HandlerOptions{NoPage: true}); err != nil {
		t.Fatal(err)
	}
	if a.server, err = pgx.Connect(t.Context(), database.DSN); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.server.Close(context.Background()) })
	if err := pool.Warmup(t.Context(), auditConns); err != nil {
		t.Fatal(err)
	}

	keepers, ctx := newCrowd(t)
	keepers.come(ctx, auditConns, time.Hour, exec(db, "select pg_sleep(3600)"))
	a.await(func(*poolsql.Stats) bool { // a connection is in use before its statement runs
		active, _ := a.sessions()
		return active == auditConns
	})
	waiting, ctx := newCrowd(t)
	waiting.come(ctx, 2, time.Hour, as(poolsql.High, "page", exec(db, "select 1")))
	waiting.come(ctx, 3, time.Hour, as(poolsql.Low, "report", exec(db, "select 1")))
	a.await(func(s *poolsql.Stats) bool { return s.Waiting == 5 })
	a.atRest(auditConns, 0, 5)
	waiting.goHome()
	keepers.goHome()
	a.await(func(s *poolsql.Stats) bool { return s.InUseConns == 0 })

	var load tally
	callers, ctx := newCrowd(t)
	callers.come(ctx, auditCallers, 0, load.call(db))
	for began := time.Now(); time.Since(began) < 2*time.Second; {
		a.underLoad()
	}
	callers.goHome()
	a.await(func(s *poolsql.Stats) bool { return s.InUseConns == 0 })
	a.atRest(0, auditConns, 0)
	load.compare(t, a.read())
}

// await waits until the pool is as it should be.
func (a *audit) await(ok func(*poolsql.Stats) bool) {
	a.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(time.Millisecond) {
		stats := a.pool.Stats()
		if ok(&stats) {
			return
		}
		if time.Now().After(deadline) {
			a.t.Fatalf("the pool does not come to be as it should: %+v", stats)
		}
	}
}

// atRest wants the same numbers from all, to the last one: nothing moves.
func (a *audit) atRest(used, idle, waiting int) {
	a.t.Helper()
	e, stats, report := a.read(), a.pool.Stats(), a.health()
	active, open := a.sessions()
	p := report.Stats.Pool
	// late are those who were granted a connection in the instant in which they gave up: Stats counts them as served and as
	// refused, observers hear of the refusal alone.
	late := float64(stats.AcquireCount) - e.sum("db_client_connection_wait_time_seconds_count")
	if late < 0 || late > float64(stats.RefusedCount)/10 {
		a.t.Errorf("%v were granted a connection and not told of, of %d who were refused", late, stats.RefusedCount)
	}
	for _, c := range []struct {
		what string
		want int
		got  []float64
	}{
		{"used", used, []float64{
			e.sum("db_client_connection_count", `state="used"`), e.sum("poolsql_connections", `state="used"`), float64(stats.InUseConns),
			float64(p.ActiveConnections), float64(active),
		}},
		{"idle", idle, []float64{
			e.sum("db_client_connection_count", `state="idle"`), e.sum("poolsql_connections", `state="idle"`), float64(stats.IdleConns),
			float64(p.IdleConnections), float64(open - active),
		}},
		{"open", used + idle, []float64{e.sum("poolsql_connections"), float64(stats.TotalConns), float64(p.TotalConnections), float64(open)}},
		{"waiting", waiting, []float64{
			e.sum("db_client_connection_pending_requests"), e.sum("poolsql_queue_length"), float64(stats.Waiting), float64(p.WaitingRequests),
		}},
		{"waiting, class high", stats.Classes[0].Waiting, []float64{e.sum("poolsql_queue_length", `class="high"`), float64(report.Stats.Queue.High)}},
		{"waiting, class low", stats.Classes[2].Waiting, []float64{e.sum("poolsql_queue_length", `class="low"`), float64(report.Stats.Queue.Low)}},
		{"granted", int(stats.AcquireCount), []float64{
			e.sum("poolsql_acquisitions_total"), e.sum("poolsql_queue_wait_seconds_count", `outcome="admitted"`) + late,
			float64(p.AcquiredCount),
		}},
		{"given back", int(stats.ReleaseCount), []float64{
			e.sum("db_client_connection_use_time_seconds_count") + late, float64(p.ReleasedCount),
		}},
		{"refused", int(stats.RefusedCount), []float64{
			e.sum("poolsql_queue_wait_seconds_count") - e.sum("poolsql_queue_wait_seconds_count", `outcome="admitted"`), float64(p.RefusedCount),
		}},
		{"opened", int(stats.NewConnsCount), []float64{e.sum("db_client_connection_create_time_seconds_count"), float64(p.ConnectCount)}},
		{"operations", int(stats.QueryCount), []float64{
			e.sum("poolsql_operations_total"), e.sum("db_client_operation_duration_seconds_count") + float64(used) + late, float64(p.QueryCount),
		}},
		{"failed", int(stats.ErrorCount), []float64{float64(p.ErrorCount)}},
	} {
		for i, got := range c.got {
			if got != float64(c.want) {
				a.t.Errorf("%s: %d, but %v in place %d of %v", c.what, c.want, got, i, c.got)
			}
		}
	}
	for _, c := range counters {
		if got, want := c.of(e), float64(c.stats(&stats)); got != want {
			a.t.Errorf("%s: %v in a scrape, %v in Stats", c.name, got, want)
		}
	}
	a.near("use time", e.sum("db_client_connection_use_time_seconds_sum"), stats.UseTime.Seconds(), 0.05)
	// In Stats a wait ends with the grant, in a histogram when its caller goes on, which takes what the machine needs to wake him.
	a.near("wait time", e.sum("db_client_connection_wait_time_seconds_sum"), stats.WaitTime.Seconds(), 0.25)
}

// near wants two sums of times to be the same but for when the clock was read: a part of them, at most.
func (a *audit) near(what string, got, want, part float64) {
	a.t.Helper()
	if math.Abs(got-want) > 0.05+part*want {
		a.t.Errorf("%s: %.3f s in a scrape, %.3f s in Stats", what, got, want)
	}
}

// underLoad looks at Stats before and after everything else: what only grows must be between the two, and what does not must
// keep to the maximum.
func (a *audit) underLoad() {
	a.t.Helper()
	before := a.pool.Stats()
	e, report := a.read(), a.health()
	active, open := a.sessions()
	after := a.pool.Stats()
	for _, c := range counters {
		if got := c.of(e); got < float64(c.stats(&before)) || got > float64(c.stats(&after)) {
			a.t.Errorf("%s: %v in a scrape, between %d and %d in Stats", c.name, got, c.stats(&before), c.stats(&after))
		}
	}
	if n := report.Stats.Pool.AcquiredCount; n < before.AcquireCount || n > after.AcquireCount {
		a.t.Errorf("acquired: %d in the report, between %d and %d in Stats", n, before.AcquireCount, after.AcquireCount)
	}
	if open != auditConns || active > auditConns {
		a.t.Errorf("the server has %d sessions, %d of them active, of a pool of %d", open, active, auditConns)
	}
	if n := e.sum("poolsql_connections"); n != auditConns {
		a.t.Errorf("%v connections in a scrape, and nobody closes any", n)
	}
	used, idle := e.sum("db_client_connection_count", `state="used"`), e.sum("db_client_connection_count", `state="idle"`)
	if used+idle != auditConns {
		a.t.Errorf("%v used and %v idle of %d", used, idle, auditConns)
	}
	if n := e.sum("db_client_connection_pending_requests"); n != e.sum("poolsql_queue_length") || n > auditCallers {
		a.t.Errorf("%v wait in all, and %v by class, of %d callers", n, e.sum("poolsql_queue_length"), auditCallers)
	}
}

// health is the report, as it is served.
func (a *audit) health() health.Report {
	a.t.Helper()
	answer := httptest.NewRecorder()
	a.report.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/", nil))
	var report health.Report
	if err := json.Unmarshal(answer.Body.Bytes(), &report); err != nil {
		a.t.Fatalf("%v\n%s", err, answer.Body)
	}
	return report
}

// sessions asks the server how many of the pool's sessions run something, and how many there are.
func (a *audit) sessions() (active, open int) {
	a.t.Helper()
	err := a.server.QueryRow(a.t.Context(), `select count(*) filter (where state <> 'idle'), count(*)
		from pg_stat_activity where application_name = $1 and backend_type = 'client backend'`, a.app).Scan(&active, &open)
	if err != nil {
		a.t.Fatal(fmt.Errorf("ask the server: %w", err))
	}
	return active, open
}
