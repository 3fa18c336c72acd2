package dashboard

import "github.com/poolsql/poolsql/internal/observability/grafana"

func overview(l *layout) {
	used := of("db_client_connection_count", `db_client_connection_state="used"`)
	perOutcome := func(matchers ...string) string { return sum(rate("poolsql_operations_total", matchers...)) }

	l.row("Overview")
	l.add(3, 4, stat("Health", "The lowest score of the chosen pools, from 0 to 100, as the health monitor of each process "+
		"judged it last. Nothing is shown for a process that has no monitor.", number,
		query{"min(" + of("poolsql_health_score") + ")", "lowest score"}, upTo(100), healthSteps))
	l.add(3, 4, stat("Alerts", "How many of poolsql's alerts fire for the chosen pools. It needs the rules of otel/prometheus.", number,
		query{`count(` + of("ALERTS", `alertname=~"Poolsql.+"`, `alertstate="firing"`) + `) or vector(0)`, "firing"}, within(limits{1, 2})))
	l.add(3, 4, stat("Utilization", "Connections in use, of the maximum. From 80% on a burst has to wait; near 100% for minutes on "+
		"end everybody does.", fraction,
		query{ratio(sum(used), sum(of("db_client_connection_max"))), "in use"}, upTo(1), within(utilizationLimits)))
	l.add(3, 4, stat("Waiting", "Callers that wait for a connection at this moment.", number,
		query{sum(of("db_client_connection_pending_requests")), "waiting"}, within(limits{1, 10})))
	l.add(3, 4, stat("Wait, p99", "One caller in a hundred waits for longer than this for a connection; those turned away count.", seconds,
		query{quantile(0.99, "poolsql_queue_wait_seconds", nil), "p99"}, within(waitLimits), traced))
	l.add(3, 4, stat("Throughput", "Operations a second: statements, and the begin and end of transactions.", opsPerSecond,
		query{perOutcome(), "operations"}))
	l.add(3, 4, stat("Refused", "Callers a second that were turned away without a connection: their statements did not run.", perSecond,
		query{sum(rate("poolsql_refusals_total")), "refused"}, within(limits{0.01, 1})))
	l.add(3, 4, stat("Errors", "Operations that failed, of all.", fraction,
		query{ratio(perOutcome(`poolsql_outcome="error"`), perOutcome()), "failed"}, within(errorLimits)))

	l.add(12, 8, graph("Utilization by pool", "Connections in use, of the maximum, over all chosen instances.", fraction,
		[]query{{ratio(sum(used, byPool), sum(of("db_client_connection_max"), byPool)), "{{" + byPool + "}}"}},
		upTo(1), within(utilizationLimits)))
	l.add(12, 8, graph("Throughput by pool", "Operations a second.", opsPerSecond,
		[]query{{sum(rate("poolsql_operations_total"), byPool), "{{" + byPool + "}}"}}))
}

// healthSteps are the thresholds of a score, which had better be high.
func healthSteps(p *grafana.Panel) {
	look, well := 40.0, 80.0
	p.FieldConfig.Defaults.Thresholds.Steps = []grafana.Step{{Color: red}, {Color: yellow, Value: &look}, {Color: green, Value: &well}}
}
