package dashboard

// overload is who is let in when more come than can be served.
func overload(l *layout) {
	l.row("Overload: shedding, tenants' caps, slow calls")
	l.add(6, 8, graph("Overloaded", "Pools in which more callers of the class come than can be served, as Shedding finds, in a dry run too. Low "+
		"is meant to be, now and then; high never.", number,
		[]query{{sum(of("poolsql_overloaded", inClass), byClass, byPool), "{{" + byClass + "}} {{" + byPool + "}}"}}, within(limits{1, 2})))
	l.add(6, 8, graph("Shed", "Callers a second who were turned away so that others are served in time, by class and reason; and who would be, "+
		"were it no dry run.", perSecond,
		[]query{
			{sum(rate("poolsql_refusals_total", inClass, `poolsql_reason=~"shed|too late|evicted"`), byClass, byReason), "{{" + byClass + "}}: {{" + byReason + "}}"},
			{sum(rate("poolsql_refusals_dry_run_total", inClass), byClass, byReason), "would be: {{" + byClass + "}}: {{" + byReason + "}}"},
		}, stacked))
	l.add(6, 8, graph("Turned away by tenant", "Callers a second who were turned away, by tenant. One that is far above the others asks for more than its share.",
		perSecond, []query{{"topk(10, " + sum(rate("poolsql_tenant_refusals_total"), byTenant) + ")", "{{" + byTenant + "}}"}}, stacked))
	l.add(6, 8, graph("Held back, and slow", "Callers that wait because their tenant holds as many connections as it may; connections that slow calls hold, "+
		"of their share and borrowed.", number,
		[]query{
			{sum(of("poolsql_tenant_held_back")), "held back by their tenant's cap"},
			{sum(of("poolsql_slow_connections"), byState), "slow calls: {{" + byState + "}}"},
		}))
}

// sharing is what is not asked of the database twice.
func sharing(l *layout) {
	const calls = "poolsql_coalescing_calls_total"

	l.row("Sharing and affinity")
	l.add(8, 8, graph("Calls that share", "Calls a second that asked to share an execution: executed for all, answered by another's, alone after all, "+
		"or refused at a cap.", perSecond,
		[]query{{sum(rate(calls), byResult), "{{" + byResult + "}}"}}, stacked))
	l.add(8, 8, graph("Answered by another's execution", "The part of the calls that asked to share and cost the database nothing; and how many wait for an "+
		"execution at this moment.", number,
		[]query{
			{ratio(sum(rate(calls, `poolsql_result="shared"`)), sum(rate(calls, `poolsql_result!="refused"`))), "part that was shared"},
			{sum(of("poolsql_coalescing_waiting")), "waiting for one"},
		}))
	l.add(8, 8, graph("Affinity", "How often a caller with an affinity key got the connection that served the key last.", fraction,
		[]query{{ratio(sum(rate("poolsql_affinity_lookups_total", `poolsql_result="hit"`), byPool), sum(rate("poolsql_affinity_lookups_total"), byPool)), "{{" + byPool + "}}"}},
		upTo(1)))
}

// routes is which replica serves.
func routes(l *layout) {
	l.row("Routes and replicas")
	l.add(6, 8, graph("Served by route", "Callers a second who got a connection of the route. What is in use there is in the other panels, under pool/route.", perSecond,
		[]query{{sum(rate("poolsql_route_acquisitions_total"), byPool, byRoute), "{{" + byPool + "}}/{{" + byRoute + "}}"}}, stacked))
	l.add(6, 8, graph("Serving", "Of how many instances the route would be chosen for a read. Fewer than there are instances: it is ejected, or too far behind.", number,
		[]query{{sum(of("poolsql_route_serving"), byPool, byRoute), "{{" + byPool + "}}/{{" + byRoute + "}}"}}))
	l.add(6, 8, graph("Behind the primary", "How far a replica is behind, as the instance sees it that sees it worst.", seconds,
		[]query{{"max by (" + byPool + ", " + byRoute + ") (" + of("poolsql_route_lag_seconds") + ")", "{{" + byPool + "}}/{{" + byRoute + "}}"}}, within(lagLimits)))
	l.add(6, 8, graph("Ejected, and fallen back", "How often routes were left alone, and reads a second that the primary served in their place, by why.", perSecond,
		[]query{
			{sum(rate("poolsql_route_ejections_total"), byPool, byRoute), "ejected: {{" + byPool + "}}/{{" + byRoute + "}}"},
			{sum(rate("poolsql_route_fallbacks_total"), byReason), "fell back: {{" + byReason + "}}"},
		}))
}

// pgbouncer is what its console says of this database.
func pgbouncer(l *layout) {
	l.row("PgBouncer")
	l.add(6, 7, graph("Console answers", "Of how many instances the console of PgBouncer answered last. The other panels of this row are empty where it does not.", number,
		[]query{{sum(of("poolsql_pgbouncer_up"), byPool), "{{" + byPool + "}}"}}))
	l.add(6, 7, graph("Clients of PgBouncer", "Clients on this database, of all programs, as one instance is told: active, or waiting for a server's connection.", number,
		[]query{{"max by (" + byPool + ", " + byState + ") (" + of("poolsql_pgbouncer_clients") + ")", "{{" + byPool + "}} {{" + byState + "}}"}}))
	l.add(6, 7, graph("Its connections to the server", "PgBouncer's connections to the server for this database. All of them active, and clients wait.", number,
		[]query{{"max by (" + byPool + ", " + byState + ") (" + of("poolsql_pgbouncer_servers") + ")", "{{" + byPool + "}} {{" + byState + "}}"}}))
	l.add(6, 7, graph("Wait at PgBouncer", "For how long the first of its waiting clients has waited. The pool counts that as time in the database.", seconds,
		[]query{{"max by (" + byPool + ") (" + of("poolsql_pgbouncer_max_wait_seconds") + ")", "{{" + byPool + "}}"}}, within(waitLimits)))
}
