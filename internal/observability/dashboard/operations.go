package dashboard

func operations(l *layout) {
	const duration = "db_client_operation_duration_seconds"

	l.row("Operations")
	l.add(8, 8, graph("Operations by outcome", "Operations a second that went well, and that failed.", opsPerSecond,
		[]query{{sum(rate("poolsql_operations_total"), byOutcome), "{{" + byOutcome + "}}"}}, stacked))
	l.add(8, 8, graph("Errors by SQLSTATE", "Operations a second that failed, by what the server said, or by the kind of error where it said "+
		"nothing. 57014 are canceled statements, 40001 and 40P01 lost conflicts, 23… broken constraints, 53300 too many connections.", opsPerSecond,
		[]query{{sum(rate(duration+"_count", `error_type!=""`), "error_type"), "{{error_type}}"}}, stacked, within(limits{0.1, 1})))
	l.add(8, 8, heatmap("Durations", "How many operations took how long.", duration))
	l.add(8, 8, graph("p99 by label", "One operation of the label in a hundred takes longer than this: the ten slowest labels. Labels "+
		"are what callers set with WithLabel.", seconds,
		[]query{{"topk(10, " + quantile(0.99, duration, nil, byLabel) + ")", "{{" + byLabel + "}}"}}, traced))
	l.add(8, 8, graph("Time by label", "How many operations of the label are in the database on average: the ten that keep it busiest. A "+
		"quick statement that runs all the time can be the first.", number,
		[]query{{"topk(10, " + sum(rate(duration+"_sum"), byLabel) + ")", "{{" + byLabel + "}}"}}, stacked))
	l.add(8, 8, graph("Rows", "How many rows queries returned: median and 99th percentile, and rows a second.", number,
		[]query{
			{quantile(0.5, "db_client_response_returned_rows", nil), "p50 of a query"},
			{quantile(0.99, "db_client_response_returned_rows", nil), "p99 of a query"},
			{sum(rate("db_client_response_returned_rows_sum")), "rows a second"},
		}, traced))
}
