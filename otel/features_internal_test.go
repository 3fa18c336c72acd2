package poolotel

import (
	"testing"

	"go.opentelemetry.io/otel/attribute"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// collectedOf returns what is given out of these numbers.
func collectedOf(t *testing.T, cfg connector.Config, stats connector.Stats, events ...lifecycle.Event) map[string]float64 {
	t.Helper()
	pool, p, _ := alone(t, cfg)
	for _, e := range events {
		pool.Tell(e)
	}
	g := &gathering{}
	p.sources[0].switchedOn(g, &stats)
	got := make(map[string]float64)
	for id := range numMetrics {
		for _, d := range g.integers[id] {
			got[nameOf(id, d.Attributes)] = float64(d.Value)
		}
		for _, d := range g.floats[id] {
			got[nameOf(id, d.Attributes)] = d.Value
		}
	}
	return got
}

// nameOf is the metric's name, and what its attributes say beside the pool.
func nameOf(id metricID, attrs attribute.Set) string {
	name := catalogue[id].Name
	for _, kv := range attrs.ToSlice() {
		if kv.Key != keyPool {
			name += " " + kv.Value.String()
		}
	}
	return name
}

func TestWhatFeaturesCountIsGivenOut(t *testing.T) {
	stats := connector.Stats{
		SlowConns: 5, SlowShareConns: 2, TenantHeldBack: 4,
		ExecutionCount: 7, CoalescedCount: 93, UncoalescedCount: 3, CoalesceRefusedCount: 1, CoalesceWaiting: 6,
		StatementEvictions: 8, StatementInvalidations: 9, PreparedStatements: 40, AffinityLooks: 10, AffinityHits: 8,
		PgBouncer: &connector.PgBouncerStats{
			Up: true, ClientsActive: 3, ClientsWaiting: 2, MaxWait: 1.5e9, ServersActive: 4, ServersIdle: 1, ServersOther: 2,
		},
	}
	stats.Classes[2].Overloaded = true
	stats.LimitReason = lifecycle.LimitFlat
	stats.LimitChanges = map[lifecycle.LimitReason]uint64{lifecycle.LimitBegin: 1, lifecycle.LimitStalled: 21, lifecycle.LimitFlat: 20}
	stats.Classes[2].WouldRefuse = map[priority.Reason]uint64{priority.Shed: 11, priority.TooLate: 12}
	refused := func(tenant string, why priority.Reason) lifecycle.Event {
		return lifecycle.Event{Kind: lifecycle.KindRefuse, Tenant: tenant, Refusal: why}
	}
	got := collectedOf(t, connector.Config{}, stats,
		refused("acme", priority.TenantFull), refused("acme", priority.Shed), refused("acme", priority.Canceled),
		lifecycle.Event{Kind: lifecycle.KindTimeout, Tenant: "zenith", Refusal: priority.Timeout}, refused("", priority.QueueFull))
	for name, want := range map[string]float64{
		"poolsql.overloaded high": 0, "poolsql.overloaded low": 1,
		"poolsql.refusals.dry_run low shed": 11, "poolsql.refusals.dry_run low too late": 12, "poolsql.refusals.dry_run normal shed": 0,
		"poolsql.limit.changes begin": 1, "poolsql.limit.changes stalled": 21, "poolsql.limit.changes flat": 20, "poolsql.limit.changes grow": 0,
		"poolsql.slow.connections own": 2, "poolsql.slow.connections borrowed": 3, "poolsql.tenant.held_back": 4,
		"poolsql.tenant.refusals acme": 2, "poolsql.tenant.refusals zenith": 1, "poolsql.tenant.refusals": 1, "poolsql.tenant.refusals other": 0,
		"poolsql.coalescing.calls executed": 7, "poolsql.coalescing.calls shared": 93, "poolsql.coalescing.calls alone": 3,
		"poolsql.coalescing.calls refused": 1, "poolsql.coalescing.waiting": 6,
		"poolsql.statement_cache.removals evicted": 8, "poolsql.statement_cache.removals invalidated": 9, "poolsql.statement_cache.size": 40,
		"poolsql.affinity.lookups hit": 8, "poolsql.affinity.lookups miss": 2,
		"poolsql.pgbouncer.up": 1, "poolsql.pgbouncer.clients active": 3, "poolsql.pgbouncer.clients waiting": 2,
		"poolsql.pgbouncer.servers active": 4, "poolsql.pgbouncer.servers idle": 1, "poolsql.pgbouncer.servers other": 2,
		"poolsql.pgbouncer.max_wait": 1.5,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
}

// What does not answer has no numbers: old ones would look like good ones.
func TestAConsoleThatDoesNotAnswerHasNoNumbers(t *testing.T) {
	got := collectedOf(t, connector.Config{}, connector.Stats{PgBouncer: &connector.PgBouncerStats{ClientsActive: 3}})
	if up, ok := got["poolsql.pgbouncer.up"]; !ok || up != 0 {
		t.Errorf("up is %v (%v)", up, ok)
	}
	for name := range got {
		if name != "poolsql.pgbouncer.up" && len(name) > 18 && name[:18] == "poolsql.pgbouncer." {
			t.Errorf("there is %s", name)
		}
	}
	if got := collectedOf(t, connector.Config{}, connector.Stats{}); len(got) == 0 {
		t.Error("nothing is given out")
	} else if _, ok := got["poolsql.pgbouncer.up"]; ok {
		t.Error("where there is no PgBouncer it is said to be down")
	}
}

func TestRoutesAreToldApartByTheirNames(t *testing.T) {
	stats := connector.Stats{}
	stats.FallbackCount[connector.FallbackFresh] = 5
	got := collectedOf(t, connector.Config{Routes: []connector.Route{{Name: "east"}, {Name: "reports", ByName: true}}}, stats)
	for name, want := range map[string]float64{
		"poolsql.route.acquisitions reports": 0, "poolsql.route.acquisitions east": 0, "poolsql.route.ejections east": 0,
		"poolsql.route.fallbacks not fresh": 5, "poolsql.route.fallbacks unfit": 0, "poolsql.route.fallbacks failed": 0,
	} {
		if v, ok := got[name]; !ok || v != want {
			t.Errorf("%s is %v (%v), want %v", name, v, ok, want)
		}
	}
	for _, unknown := range []string{"poolsql.route.lag east", "poolsql.route.serving east"} {
		if v, ok := got[unknown]; ok {
			t.Errorf("nobody has asked, and %s is %v", unknown, v)
		}
	}
}
