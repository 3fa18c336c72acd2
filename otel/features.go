package poolotel

import (
	"go.opentelemetry.io/otel/attribute"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// dryReasons are why Shedding turns callers away.
var dryReasons = [...]priority.Reason{priority.Shed, priority.TooLate}

// limitReasons are why AdaptiveLimit changes the limit.
var limitReasons = [...]lifecycle.LimitReason{
	lifecycle.LimitBegin, lifecycle.LimitConfigured, lifecycle.LimitProbe, lifecycle.LimitBack, lifecycle.LimitGrow, lifecycle.LimitFlat,
	lifecycle.LimitCrowded, lifecycle.LimitLatency, lifecycle.LimitTimeouts, lifecycle.LimitRefused, lifecycle.LimitStarting, lifecycle.LimitStalled,
}

// features are the attributes of the series about what a configuration switches on.
type features struct {
	would                           [priority.NumClasses][len(dryReasons)]attribute.Set
	limits                          [len(limitReasons)]attribute.Set
	own, borrowed                   attribute.Set
	shared, executed, alone, denied attribute.Set
	evicted, invalidated            attribute.Set
	routes                          []attribute.Set // in the order of the configuration
	fallbacks                       [connector.NumFallbacks]attribute.Set
	active, waiting, idle, other    attribute.Set // of PgBouncer
}

func newFeatures(pool *connector.Connector, attrs *attributes) features {
	of := func(key, value string) attribute.Set { return attrs.of(text(key, value)) }
	f := features{
		own: of(keyState, "own"), borrowed: of(keyState, "borrowed"),
		shared: of(keyResult, "shared"), executed: of(keyResult, "executed"), alone: of(keyResult, "alone"),
		denied: of(keyResult, "refused"), evicted: of(keyReason, "evicted"), invalidated: of(keyReason, "invalidated"),
		active: of(keyState, "active"), waiting: of(keyState, "waiting"), idle: of(keyState, "idle"), other: of(keyState, "other"),
	}
	for i, class := range priority.Classes() {
		for j, reason := range dryReasons {
			f.would[i][j] = attrs.of(text(keyClass, class.String()), text(keyReason, reason.String()))
		}
	}
	for i, reason := range limitReasons {
		f.limits[i] = of(keyReason, string(reason))
	}
	for _, r := range pool.Routes() {
		f.routes = append(f.routes, of(keyRoute, show(r.Name)))
	}
	for why := range f.fallbacks {
		f.fallbacks[why] = of(keyReason, connector.Fallback(why).String())
	}
	return f
}

// switchedOn gives out what features count.
func (s *source) switchedOn(e emitter, stats *connector.Stats) {
	f := &s.features
	for i := range stats.Classes {
		class := &stats.Classes[i]
		e.integer(idOverloaded, s.classes[i], oneIf(class.Overloaded))
		for j, reason := range dryReasons {
			e.integer(idWouldRefuse, f.would[i][j], int64(class.WouldRefuse[reason]))
		}
	}
	if stats.LimitReason != "" {
		for i, reason := range limitReasons {
			e.integer(idLimitChanges, f.limits[i], int64(stats.LimitChanges[reason]))
		}
	}
	own := min(stats.SlowConns, stats.SlowShareConns)
	e.integer(idSlowConns, f.own, int64(own))
	e.integer(idSlowConns, f.borrowed, int64(stats.SlowConns-own))
	e.integer(idTenantHeldBack, s.plain, int64(stats.TenantHeldBack))
	s.recorder.tenants.each(func(t *tenantTime) { e.integer(idTenantRefusals, t.attrs, int64(t.refused.Load())) })

	e.integer(idCoalescingCalls, f.executed, int64(stats.ExecutionCount))
	e.integer(idCoalescingCalls, f.shared, int64(stats.CoalescedCount))
	e.integer(idCoalescingCalls, f.alone, int64(stats.UncoalescedCount))
	e.integer(idCoalescingCalls, f.denied, int64(stats.CoalesceRefusedCount))
	e.integer(idCoalescingWaiting, s.plain, int64(stats.CoalesceWaiting))

	e.integer(idStatementRemovals, f.evicted, int64(stats.StatementEvictions))
	e.integer(idStatementRemovals, f.invalidated, int64(stats.StatementInvalidations))
	e.integer(idStatements, s.plain, int64(stats.PreparedStatements))
	e.integer(idAffinityLookups, s.hit, int64(stats.AffinityHits))
	e.integer(idAffinityLookups, s.miss, int64(stats.AffinityLooks-stats.AffinityHits))
	s.routed(e, stats)
	if stats.PgBouncer != nil {
		f.bouncer(e, s.plain, stats.PgBouncer)
	}
}

// routed gives out which route serves. What is in use there is in the other metrics, under the name of the route's pool.
func (s *source) routed(e emitter, stats *connector.Stats) {
	f := &s.features
	if len(f.routes) == 0 {
		return
	}
	for i, r := range s.pool.Routes() {
		e.integer(idRouteAcquisitions, f.routes[i], int64(r.Served))
		if r.Known {
			e.integer(idRouteServing, f.routes[i], oneIf(r.Serves))
		}
		e.integer(idRouteEjections, f.routes[i], int64(r.Ejections))
		if !r.FreshAt.IsZero() || r.SameServer || r.Lag > 0 { // one that was behind from the first is so by that much at least
			e.floating(idRouteLag, f.routes[i], r.Lag.Seconds())
		}
	}
	for why, set := range f.fallbacks {
		e.integer(idRouteFallbacks, set, int64(stats.FallbackCount[why]))
	}
}

// bouncer gives out what the console said. Where it does not answer, nothing is known but that.
func (f *features) bouncer(e emitter, plain attribute.Set, b *connector.PgBouncerStats) {
	e.integer(idPgBouncerUp, plain, oneIf(b.Up))
	if !b.Up {
		return
	}
	e.integer(idPgBouncerClients, f.active, b.ClientsActive)
	e.integer(idPgBouncerClients, f.waiting, b.ClientsWaiting)
	e.integer(idPgBouncerServers, f.active, b.ServersActive)
	e.integer(idPgBouncerServers, f.idle, b.ServersIdle)
	e.integer(idPgBouncerServers, f.other, b.ServersOther)
	e.floating(idPgBouncerMaxWait, plain, b.MaxWait.Seconds())
}

func oneIf(ok bool) int64 {
	if ok {
		return 1
	}
	return 0
}

// throttles reports whether a refusal is the pool's doing: not the caller's, who gave up, nor an operator's.
func throttles(r priority.Reason) bool {
	return r != priority.Canceled && r != priority.Closed && r != priority.Cleared
}
