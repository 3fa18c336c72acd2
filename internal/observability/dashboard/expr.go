package dashboard

import (
	"fmt"
	"strings"
)

// The labels that expressions group by.
const (
	byPool    = "db_client_connection_pool_name"
	byState   = "poolsql_state"
	byClass   = "poolsql_class"
	byReason  = "poolsql_reason"
	byOutcome = "poolsql_outcome"
	byTenant  = "poolsql_tenant"
	byResult  = "poolsql_result"
	byLabel   = "db_query_summary"
	byRoute   = "poolsql_route"
)

// chosen matches the series that the variables choose.
const chosen = `job=~"$job",instance=~"$instance",db_client_connection_pool_name=~"$pool"`

// inClass does where the series have a class.
const inClass = `poolsql_class=~"$class"`

// of is a metric with the chosen labels, and with these matchers.
func of(metric string, matchers ...string) string {
	return metric + "{" + strings.Join(append([]string{chosen}, matchers...), ",") + "}"
}

// rate is how much a counter grows in a second. Grafana chooses the interval so that it spans enough scrapes.
func rate(metric string, matchers ...string) string {
	return "rate(" + of(metric, matchers...) + "[$__rate_interval])"
}

// sum adds up, apart for each combination of the labels.
func sum(of string, by ...string) string {
	if len(by) == 0 {
		return "sum(" + of + ")"
	}
	return "sum by (" + strings.Join(by, ", ") + ") (" + of + ")"
}

// quantile is that of a histogram, apart for each combination of the labels.
func quantile(q float64, histogram string, matchers []string, by ...string) string {
	return fmt.Sprintf("histogram_quantile(%g, %s)", q, sum(rate(histogram+"_bucket", matchers...), append([]string{"le"}, by...)...))
}

// ratio is a over b; where b is 0 it is nothing, rather than NaN.
func ratio(a, b string) string { return a + " / (" + b + " > 0)" }
