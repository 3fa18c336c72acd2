package dashboard

import "github.com/poolsql/poolsql/internal/observability/grafana"

func tenants(l *layout) {
	use := "poolsql_tenant_use_time_seconds_total"

	l.row("Tenants")
	l.add(12, 8, graph("Connections by tenant", "How many connections each tenant holds on average. Who has the most is served in turn with the "+
		"others, not before them. Beyond the limit of tenants, the rest is other.", number,
		[]query{{sum(rate(use), byTenant), "{{" + byTenant + "}}"}}, stacked))
	l.add(12, 8, graph("Share by tenant", "Each tenant's part of the time that connections were held.", fraction,
		[]query{{sum(rate(use), byTenant) + " / ignoring(" + byTenant + ") group_left() (" + sum(rate(use)) + " > 0)", "{{" + byTenant + "}}"}},
		upTo(1), within(limits{0.5, 0.8})))
}

func trouble(l *layout) {
	grown := func(metric string) string { return "increase(" + of(metric) + "[$__rate_interval])" }

	l.row("Retries, cancels, leaks, nesting, suspension")
	l.add(5, 7, graph("Retries", "Operations and transactions a second that were tried again. All retries of a pool stay below a fifth of "+
		"what it runs.", perSecond, []query{{sum(rate("poolsql_retries_total"), byPool), "{{" + byPool + "}}"}}, within(limits{1, 10})))
	l.add(5, 7, graph("Cancels", "Requests a second to cancel a statement, by what came of them. Each is a connection of its own to the server.", perSecond,
		[]query{{sum(rate("poolsql_cancels_total"), byOutcome), "{{" + byOutcome + "}}"}}, within(limits{1, 10})))
	l.add(5, 7, graph("Leaks", "Connections that were found to be held for longer than the leak threshold.", number,
		[]query{{sum(grown("poolsql_leaks_total"), byPool), "{{" + byPool + "}}"}}, within(limits{1, 5}), bars))
	l.add(5, 7, graph("Nested", "Callers that asked for a connection while they held one. Enough of them at once are a deadlock.", number,
		[]query{{sum(grown("poolsql_nested_total"), byPool), "{{" + byPool + "}}"}}, within(limits{1, 5}), bars))
	l.add(4, 7, graph("Suspended", "How many pools lend nothing, because somebody suspended them. Their callers wait.", number,
		[]query{{sum(of("poolsql_suspended"), byPool), "{{" + byPool + "}}"}}, within(limits{1, 2})))
}

func statements(l *layout) {
	const lookups = "poolsql_statement_cache_lookups_total"

	l.row("Prepared statements")
	l.add(8, 7, graph("Hit rate", "How often a statement was found prepared on its connection. Low: texts that differ each time, values written into "+
		"them say, or more texts than the cache holds, or connections that do not live long.", fraction,
		[]query{{ratio(sum(rate(lookups, `poolsql_result="hit"`), byPool), sum(rate(lookups), byPool)), "{{" + byPool + "}}"}},
		upTo(1), hitSteps))
	l.add(8, 7, graph("Look-ups", "Look-ups of prepared statements a second, by result. Each miss is a round trip more.", perSecond,
		[]query{{sum(rate(lookups), byResult), "{{" + byResult + "}}"}}, stacked))
	l.add(8, 7, graph("Prepared and dropped", "Statements that are prepared on all connections, and how many a second are dropped: evicted, if there are more texts "+
		"than room; invalidated, after DDL or DISCARD ALL.", number,
		[]query{
			{sum(of("poolsql_statement_cache_size")), "prepared"},
			{sum(rate("poolsql_statement_cache_removals_total"), byReason), "{{" + byReason + "}} a second"},
		}))
}

// bars draws what happens now and then.
func bars(p *grafana.Panel) {
	f := p.FieldConfig.Defaults.Custom.(*grafana.TimeSeriesField)
	f.DrawStyle, f.FillOpacity = "bars", 60
}

// hitSteps are the thresholds of a rate that had better be high.
func hitSteps(p *grafana.Panel) {
	look, well := 0.5, 0.9
	p.FieldConfig.Defaults.Thresholds.Steps = []grafana.Step{{Color: red}, {Color: yellow, Value: &look}, {Color: green, Value: &well}}
}
