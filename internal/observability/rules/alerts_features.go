package rules

import (
	"fmt"
	"time"
)

// featureAlerts are about what a configuration switches on. Where it does not, none of them ever fires.
var featureAlerts = []alert{
	{
		// Shedding does its work in bursts, and nobody needs to know. For ten minutes more than half of the time it is no burst but
		// a shortage: somebody has to make room, or to ask for less.
		name: "PoolsqlOverloaded", severity: Warning, lasts: 5 * time.Minute,
		expr: func(s Scale) string {
			return "max by (" + local + ", poolsql_class) (" + s.over("avg_over_time", "poolsql_overloaded", 5*time.Minute) + ") > 0.5"
		},
		summary: "More callers of class {{ $labels.poolsql_class }} come than pool " + whose + " can serve",
		description: "In the last five minutes the class was overloaded for {{ $value | humanizePercentage }} of the time. Unless it is a " +
			"dry run, or class high, its callers are turned away.",
	},
	{
		// A restart takes a minute or two. Of replicas that nobody reads nothing is known, so reads are asked for.
		name: "PoolsqlReplicaOut", severity: Warning, lasts: 5 * time.Minute,
		expr: func(s Scale) string {
			return whileRead("max by ("+local+", poolsql_route) ("+s.over("max_over_time", "poolsql_route_serving", 2*time.Minute)+") == 0", s)
		},
		summary: "Pool " + whose + " does not use its route {{ $labels.poolsql_route }}",
		description: "For minutes it has been ejected, or further behind than MaxReplicaLag allows. Its reads go to other replicas, " +
			"or to the primary.",
	},
	{
		// Five seconds are half of the default MaxReplicaLag. The least of five minutes is over them: it does not catch up.
		name: "PoolsqlReplicaLagging", severity: Warning, lasts: 5 * time.Minute,
		expr: func(s Scale) string {
			return whileRead("max by ("+local+", poolsql_route) ("+s.over("min_over_time", "poolsql_route_lag_seconds", 5*time.Minute)+") > 5", s)
		},
		summary: "The replica of route {{ $labels.poolsql_route }} of pool " + whose + " stays behind",
		description: "For five minutes it has been at least {{ $value | humanizeDuration }} behind the primary. Beyond MaxReplicaLag it is not " +
			"read from.",
	},
	{
		// Whoever asks to share and runs alone pays for the attempt. It costs little, so there is no hurry.
		name: "PoolsqlSharingFails", severity: Info, lasts: 30 * time.Minute,
		expr: func(s Scale) string {
			calls := func(matchers string) string {
				return sum(local, s.rate("poolsql_coalescing_calls_total"+matchers, 15*time.Minute))
			}
			return all(fmt.Sprintf("%s\n/\n(%s > 1)\n> 0.5", calls(`{poolsql_result=~"alone|refused"}`), calls("")))
		},
		summary: "Most calls of pool " + whose + " that ask to share do not",
		description: "{{ $value | humanizePercentage }} of them ran by themselves, or were refused at a cap: their results are too large, " +
			"too many wait for one, or they are in transactions.",
	},
	{
		// PgBouncer's queue is not the pool's: these callers have a connection and wait all the same.
		name: "PoolsqlPgBouncerQueue", severity: Warning, lasts: 5 * time.Minute,
		expr: func(s Scale) string {
			return "max by (" + local + ") (" + s.over("avg_over_time", "poolsql_pgbouncer_max_wait_seconds", 5*time.Minute) + ") > 1"
		},
		summary: "Clients queue at the PgBouncer of pool " + whose,
		description: "The first of its waiting clients has waited for {{ $value | humanizeDuration }} on average of five minutes. Its " +
			"connections to the server do not suffice.",
	},
	{
		// What the console would say is missing, and nothing else. A restart of PgBouncer takes seconds.
		name: "PoolsqlPgBouncerSilent", severity: Info, lasts: 10 * time.Minute,
		expr: func(s Scale) string {
			return "max by (" + local + ") (" + s.over("max_over_time", "poolsql_pgbouncer_up", 5*time.Minute) + ") == 0"
		},
		summary:     "The console of PgBouncer does not answer pool " + whose,
		description: "Health is judged without PgBouncer's queue, and its numbers are missing here.",
	},
}

// whileRead restricts a condition on routes to pools that somebody reads from: of the others nobody has asked the replicas.
func whileRead(condition string, s Scale) string {
	reads := func(of string) string { return sum(local, s.increase(of, 5*time.Minute)) }
	return fmt.Sprintf("%s\nand on (%s)\n(%s + %s > 0)", condition, local,
		reads("poolsql_route_acquisitions_total"), reads("poolsql_route_fallbacks_total"))
}
