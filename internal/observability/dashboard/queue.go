package dashboard

func queue(l *layout) {
	l.row("Queue and classes")
	l.add(8, 8, graph("Waiting by class", "Callers that wait for a connection. A queue of class low alone is what classes are for.", number,
		[]query{
			{sum(of("poolsql_queue_length", inClass), byClass), "{{" + byClass + "}}"},
			{sum(of("db_client_connection_pending_requests")), "all classes"},
		}, stacked, line("all classes")))
	l.add(8, 8, graph("Wait by class, p99", "One caller of the class in a hundred waits for longer than this, those turned away included. "+
		"High should stay low whatever happens to the others.", seconds,
		[]query{{quantile(0.99, "poolsql_queue_wait_seconds", []string{inClass}, byClass), "{{" + byClass + "}}"}},
		traced, within(waitLimits)))
	l.add(8, 8, heatmap("Waits", "How many callers of the chosen classes waited for how long. Two bands mean two kinds of callers: "+
		"those who find a connection idle, and those who wait for one.", "poolsql_queue_wait_seconds", inClass))
	l.add(8, 8, graph("Lent by class", "Connections a second that callers of each class were granted.", perSecond,
		[]query{{sum(rate("poolsql_acquisitions_total", inClass), byClass), "{{" + byClass + "}}"}}, stacked))
	l.add(8, 8, graph("Refused by class and reason", "Callers a second that were turned away. timeout and deadline: they waited in vain. "+
		"queue full and evicted: the queue is bounded. tenant full: so is that of each tenant. shed and too late: the pool is overloaded. "+
		"unavailable: the database cannot be reached. canceled: the caller gave up.", perSecond,
		[]query{{sum(rate("poolsql_refusals_total", inClass), byClass, byReason), "{{" + byClass + "}}: {{" + byReason + "}}"}},
		stacked, within(limits{0.01, 1})))
	l.add(8, 8, graph("Timeouts, and what waits came to", "Callers a second for whom time ran out, and all waits by what came of them.", perSecond,
		[]query{
			{sum(rate("db_client_connection_timeouts_total")), "timeouts"},
			{sum(rate("poolsql_queue_wait_seconds_count", inClass), byOutcome), "{{" + byOutcome + "}}"},
		}, line("timeouts")))
}
