package rules

import (
	"fmt"
	"time"
)

// alerts are all alerts. Beside each stands why it waits as long as it does. Rates have windows of at least five minutes,
// because an interval of a minute between scrapes is common, and a rate over fewer than four scrapes is luck.
var alerts = []alert{
	{
		// A pool that is full for a moment does its work. The averages span five minutes, so a burst is over before they are
		// reached; the minute more keeps a restart of Prometheus, whose window is short at first, from counting.
		name: "PoolsqlExhausted", severity: Warning, lasts: time.Minute,
		expr:    func(Scale) string { return all(utilization+" > 0.9", pending+" >= 1") },
		summary: "Pool " + whose + " is exhausted",
		description: "For five minutes {{ $value | humanizePercentage }} of the connections have been in use, and callers wait for one " +
			"all the time.",
	},
	waitAlert("high", Critical, 0.1),
	waitAlert("normal", Warning, 1),
	waitAlert("low", Info, 5),
	refuseAlert("high|normal", Critical),
	refuseAlert("low", Warning),
	{
		// The pool tries three or four times a second as long as somebody wants a connection, so two minutes without a success are
		// hundreds of failures, and two scrapes are enough to tell. One minute more lets a failover of the database pass.
		name: "PoolsqlDatabaseUnreachable", severity: Critical, lasts: time.Minute,
		expr: func(s Scale) string {
			return all(
				sum(local, s.increase("poolsql_connect_failures_total", 2*time.Minute))+" > 0",
				sum(local, s.increase("poolsql_connections_created_total", 2*time.Minute))+" == 0",
				sum(local, s.increase(`poolsql_operations_total{poolsql_outcome="ok"}`, 2*time.Minute))+" == 0")
		},
		summary: "Pool " + whose + " cannot reach its database",
		description: "In two minutes {{ $value | humanize }} attempts to connect failed, none succeeded, and no operation did. Callers " +
			"are turned away at once.",
	},
	{
		// Some attempts fail and others do not: a server at its max_connections, one of several hosts that is down, a network that
		// loses packets. What works goes on, so it may wait for ten minutes.
		name: "PoolsqlConnectFailing", severity: Warning, lasts: 10 * time.Minute,
		expr: func(s Scale) string {
			failed := sum(local, s.increase("poolsql_connect_failures_total", 10*time.Minute))
			opened := sum(local, s.increase("poolsql_connections_created_total", 10*time.Minute))
			return all(fmt.Sprintf("%s\n/\n(%s + %s > 0)\n> 0.1", failed, failed, opened), failed+" >= 3")
		},
		summary:     "Pool " + whose + " often fails to connect",
		description: "{{ $value | humanizePercentage }} of the attempts to open a connection failed in the last ten minutes.",
	},
	{
		// A start opens every connection once, and a failover once more, so up to two in a quarter of an hour are ordinary.
		name: "PoolsqlConnectionChurn", severity: Warning, lasts: 5 * time.Minute,
		expr:    func(Scale) string { return churn + " > 2.5" },
		summary: "Pool " + whose + " opens connections all the time",
		description: "Each connection was replaced {{ $value | humanize }} times in the last fifteen minutes; a connection should live " +
			"for an hour.",
	},
	// Two windows each: the long one says that it matters, the short one that it has not ended, so that the alert clears soon
	// after the trouble does. The first finds what breaks at once in some minutes, the second what smolders.
	errorAlert(Critical, errorWindows[0], errorWindows[2], 0.05),
	errorAlert(Warning, errorWindows[1], errorWindows[3], 0.01),
	{
		// Each leak counts once, when it is found, so there is nothing to wait for. It clears a quarter of an hour after the last.
		name: "PoolsqlLeak", severity: Warning,
		expr: func(s Scale) string {
			return sum(local, s.increase("poolsql_leaks_total", 15*time.Minute)) + " > 0"
		},
		summary:     "Pool " + whose + " leaks connections",
		description: "Connections were found to be held for longer than the leak threshold in the last fifteen minutes.",
	},
	{
		// As with leaks, each is a fact. One is a program's mistake that waits for its load.
		name: "PoolsqlNested", severity: Warning,
		expr: func(s Scale) string {
			return sum(local, s.increase("poolsql_nested_total", 15*time.Minute)) + " > 0"
		},
		summary: "Callers of pool " + whose + " ask for a second connection while they hold one",
		description: "{{ $value | humanize }} times in the last fifteen minutes. When as many callers do so at once as there are " +
			"connections, none of them can go on.",
	},
	{
		// Below 40 the health monitor takes the process out of service. It judges a window of its own; two minutes more are for a
		// failover.
		name: "PoolsqlUnhealthy", severity: Critical, lasts: 2 * time.Minute,
		expr:        func(Scale) string { return "min by (" + local + ") (poolsql_health_score) < 40" },
		summary:     "Pool " + whose + " is unhealthy",
		description: "Its health score is {{ $value | humanize }} of 100.",
	},
	{
		// A pool is suspended for a switch-over, which is a matter of seconds. By now the acquire timeout, 30 seconds unless
		// configured, has turned callers away for a minute and a half.
		name: "PoolsqlSuspended", severity: Critical, lasts: 2 * time.Minute,
		expr:        func(Scale) string { return "max by (" + local + ") (poolsql_suspended) == 1" },
		summary:     "Pool " + whose + " has been suspended for minutes",
		description: "Somebody suspended it and nobody has resumed it. Its callers wait until their time runs out.",
	},
	{
		// A cache fills in minutes after a start; half an hour is long past that. It costs a round trip a statement and no more.
		name: "PoolsqlStatementCacheCold", severity: Info, lasts: 30 * time.Minute,
		expr: func(s Scale) string {
			return all(hits+" < 0.5", sum(local, s.rate("poolsql_statement_cache_lookups_total", 15*time.Minute))+" > 1")
		},
		summary:     "Pool " + whose + " prepares most statements anew",
		description: "Only {{ $value | humanizePercentage }} of the statements were found prepared in the last fifteen minutes.",
	},
}

// waitAlert is about callers of a class who wait for too long. What that is depends on the class: high is for what people
// wait for, low for what nobody does. A handful of waits makes no percentile, so twenty are asked for.
func waitAlert(class string, severity Severity, limit float64) alert {
	return alert{
		name: "PoolsqlQueueSlow", severity: severity, lasts: 5 * time.Minute,
		expr: func(s Scale) string {
			ofClass := fmt.Sprintf(`{poolsql_class="%s"}`, class)
			return all(
				fmt.Sprintf("%s%s > %g", waitP99, ofClass, limit),
				sum(local+", poolsql_class", s.increase("poolsql_queue_wait_seconds_count"+ofClass, 5*time.Minute))+" >= 20")
		},
		summary: "Callers of class {{ $labels.poolsql_class }} wait for pool " + whose,
		description: fmt.Sprintf("One in a hundred waits for {{ $value | humanizeDuration }} or longer for a connection; "+
			"for this class %gs are too long.", limit),
	}
}

// refuseAlert is about callers who are turned away. One in a hundred is more than a burst does; three minutes outlast a
// failover. To turn away low before the others is what a full queue is for, so that wakes nobody.
func refuseAlert(classes string, severity Severity) alert {
	return alert{
		name: "PoolsqlRefusing", severity: severity, lasts: 3 * time.Minute,
		expr:    func(Scale) string { return fmt.Sprintf(`%s{poolsql_class=~"%s"} > 0.01`, refused, classes) },
		summary: "Pool " + whose + " turns callers of class {{ $labels.poolsql_class }} away",
		description: "{{ $value | humanizePercentage }} of those who asked for a connection in the last five minutes got none. Their " +
			"statements did not run.",
	}
}

// errorAlert is about operations that fail: in the long window, and still in the short one. Ten are asked for, so that the
// one that fails at night, of three, wakes nobody.
func errorAlert(severity Severity, short, long window, limit float64) alert {
	return alert{
		name: "PoolsqlErrors", severity: severity,
		expr: func(s Scale) string {
			return all(
				fmt.Sprintf("%s > %g", errorRatio(long), limit),
				fmt.Sprintf("%s > %g", errorRatio(short), limit),
				sum(common, s.increase(failedOperations, long.is))+" >= 10")
		},
		summary: "Operations of pool " + ofAll + " fail",
		description: "{{ $value | humanizePercentage }} of the operations of the last " + long.name + " failed, and they still do. Broken " +
			"constraints and data that does not fit are not counted.",
	}
}
