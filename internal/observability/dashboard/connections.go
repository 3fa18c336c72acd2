package dashboard

func connections(l *layout) {
	l.row("Connections")
	l.add(8, 8, graph("Connections by state", "Every connection that counts against the maximum, those being opened and closed "+
		"included. Many that are creating: the database is slow to let us in. Many that are closing: it does not hear our goodbye.", number,
		[]query{
			{sum(of("poolsql_connections"), byState), "{{" + byState + "}}"},
			{sum(of("db_client_connection_max")), "maximum"},
		}, stacked, line("maximum")))
	l.add(8, 8, graph("Idle and used", "Open connections as OpenTelemetry counts them. Used to the last one for long, and callers wait.", number,
		[]query{{sum(of("db_client_connection_count"), "db_client_connection_state"), "{{db_client_connection_state}}"}}, stacked))
	l.add(8, 8, graph("Limits", "What the configuration allows, and how many may be lent at this moment: none while a pool is "+
		"suspended.", number,
		[]query{
			{sum(of("db_client_connection_max")), "maximum"},
			{sum(of("poolsql_limit")), "may be lent now"},
			{sum(of("poolsql_reserve")), "reserved for high"},
			{sum(of("db_client_connection_idle_max")), "idle at most"},
			{sum(of("db_client_connection_idle_min")), "kept open"},
		}))
	l.add(6, 8, graph("Opened and closed", "Connections a second that were opened, and closed by reason. In steady state there are "+
		"few, and the reason is max lifetime or idle timeout.", perSecond,
		[]query{
			{sum(rate("poolsql_connections_created_total")), "opened"},
			{sum(rate("poolsql_connections_closed_total"), byReason), "closed: {{" + byReason + "}}"},
		}))
	l.add(6, 8, quantiles("Time to open one", "How long it took to open connections: name look-up, TCP, TLS, authentication, and the "+
		"hooks. Failed attempts are left out.", "db_client_connection_create_time_seconds", nil, within(openLimits)))
	l.add(6, 8, graph("Failed attempts", "Attempts a second to open a connection that failed. A pool that cannot connect makes some three or "+
		"four a second, however many callers there are.", perSecond,
		[]query{{sum(rate("poolsql_connect_failures_total"), byPool), "{{" + byPool + "}}"}}, within(limits{0.01, 1})))
	l.add(6, 8, graph("Changes of the limit", "How often AdaptiveLimit changed how many may be lent, by why. Probe and back are trials that "+
		"brought nothing; timeouts, refused, starting and latency say that the database has less to give.", perSecond,
		[]query{{sum(rate("poolsql_limit_changes_total"), byReason), "{{" + byReason + "}}"}}, stacked))
}
