package rules

import (
	"fmt"
	"time"
)

// The series that the recording rules make, in the form level:metric:operation. The level of "pool" is a pool of one
// process, that of "job" the pools of this name of all processes of an application.
const (
	utilization  = "pool:db_client_connection_utilization:avg5m"
	pending      = "pool:db_client_connection_pending_requests:avg5m"
	waitP99      = "pool_class:poolsql_queue_wait_seconds:p99_5m"
	useP99       = "pool:db_client_connection_use_time_seconds:p99_5m"
	operationP99 = "pool:db_client_operation_duration_seconds:p99_5m"
	refused      = "pool_class:poolsql_refusals:ratio_rate5m"
	churn        = "pool:poolsql_connections_created:per_connection15m"
	hits         = "pool:poolsql_statement_cache_hits:ratio_rate15m"
)

// A window is how far back an expression looks, with the name that it has in that of a series.
type window struct {
	name string
	is   time.Duration
}

// errorWindows are those of the alerts on errors.
var errorWindows = []window{{"5m", 5 * time.Minute}, {"30m", 30 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}}

// expected are the errors that say nothing of the database's or the pool's health: data that does not fit (class 22),
// constraints that hold (23), and what functions raise by themselves (P0001).
const expected = `(22|23).*|P0001`

// failedOperations are the operations that failed, and were not expected to.
const failedOperations = `db_client_operation_duration_seconds_count{error_type!="",error_type!~"` + expected + `"}`

// errorRatio is the series of the part of operations that failed in the window.
func errorRatio(w window) string { return "job:db_client_operation_errors:ratio_rate" + w.name }

// unserved are the refusals that are the pool's doing: callers who gave up by themselves, those who came when the program
// ended, and those of a tenant that has as many waiting as somebody lets it have, are not.
const unserved = `poolsql_reason!~"canceled|closed|tenant full"`

// Recording makes the recording rules.
func Recording(s Scale) *File {
	const five, fifteen = 5 * time.Minute, 15 * time.Minute
	p99 := func(by, histogram string) string {
		return fmt.Sprintf("histogram_quantile(0.99, %s)", sum(by+", le", s.rate(histogram+"_bucket", five)))
	}
	byClass := local + ", poolsql_class"
	turnedAway := sum(byClass, s.rate("poolsql_refusals_total{"+unserved+"}", five))
	lookups := func(matchers string) string {
		return sum(local, s.rate("poolsql_statement_cache_lookups_total"+matchers, fifteen))
	}
	rules := []Rule{
		{Record: utilization, Expr: fraction(
			sum(local, s.over("avg_over_time", `db_client_connection_count{db_client_connection_state="used"}`, five)),
			sum(local, s.over("avg_over_time", "db_client_connection_max", five)))},
		{Record: pending, Expr: sum(local, s.over("avg_over_time", "db_client_connection_pending_requests", five))},
		{Record: waitP99, Expr: p99(byClass, "poolsql_queue_wait_seconds")},
		{Record: useP99, Expr: p99(local, "db_client_connection_use_time_seconds")},
		{Record: operationP99, Expr: p99(local, "db_client_operation_duration_seconds")},
		{Record: refused, Expr: fraction(turnedAway,
			"("+turnedAway+" + "+sum(byClass, s.rate("poolsql_acquisitions_total", five))+")")},
		{Record: churn, Expr: fraction(
			sum(local, s.increase("poolsql_connections_created_total", fifteen)),
			sum(local, "db_client_connection_max"))},
		{Record: hits, Expr: fraction(lookups(`{poolsql_result="hit"}`), lookups(""))},
	}
	for _, w := range errorWindows {
		rules = append(rules, Rule{
			Record: errorRatio(w),
			Expr: fraction(
				sum(common, s.rate(failedOperations, w.is)),
				sum(common, s.rate("db_client_operation_duration_seconds_count", w.is))),
		})
	}
	return &File{
		Comment: "Made by internal/observability of poolsql: change it there.",
		Groups:  []Group{{Name: "poolsql-recording", Rules: rules}},
	}
}

// fraction is a over b, and nothing where b is 0.
func fraction(a, b string) string { return a + "\n/\n(" + b + " > 0)" }
