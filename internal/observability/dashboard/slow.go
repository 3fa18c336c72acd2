package dashboard

// guidance says how to read the row.
const guidance = `**Which color is widest, or grows when callers complain?**

- **In the queue**: there are too few connections for what is asked of them, or somebody holds them for too long. See who holds
  them: *held, but idle*, *time by label*, *connections by tenant*, and the live page.
- **Held, but idle**: we are slow. The application has a connection and does something else: it computes, calls another
  service inside a transaction, or reads rows slowly. More connections do not help for long.
- **In the database**: the database, or the way to it, is slow: locks, missing indexes, a disk or a network that is full. See
  *p99 by label*, then pg_stat_activity. More connections make it worse.

Below, side by side: how long callers wait, how long they hold a connection, and how long one operation takes. If the wait is
long while use and operations are as ever, there are more callers than before. If use grows with the operations, it is the
database; if it grows alone, it is us.`

func whoIsSlow(l *layout) {
	operation := sum(rate("db_client_operation_duration_seconds_sum"))
	held := sum(rate("db_client_connection_use_time_seconds_sum"))

	l.row("Who is slow: we, the queue, or the database?")
	l.add(10, 9, text("How to read this row", "What the three answers mean, and where to look next.", guidance))
	l.add(14, 9, graph("Where callers are, on average", "Seconds that pass in each place in a second of time, which is how many callers "+
		"are there on average. A holder counts when it gives its connection back, an operation when it ends, so one that "+
		"takes minutes shows late and all at once.", number,
		[]query{
			{sum(rate("poolsql_queue_wait_seconds_sum")), "in the queue"},
			{"clamp_min(" + held + " - " + operation + ", 0)", "held, but idle"},
			{operation, "in the database"},
		}, stacked))
	l.add(8, 8, quantiles("The queue: wait", "How long callers waited for the connection that they got.",
		"db_client_connection_wait_time_seconds", nil, within(waitLimits)))
	l.add(8, 8, quantiles("We: use", "For how long connections were held, from when a caller got one until it gave it back: the "+
		"operations, and what the application did between them.", "db_client_connection_use_time_seconds", nil))
	l.add(8, 8, quantiles("The database: operations", "How long operations took once they had a connection, the network included; "+
		"of a query until its rows were closed, so that a slow reader shows here too.", "db_client_operation_duration_seconds", nil))
}
