package promql_test

import (
	"slices"
	"testing"

	"github.com/poolsql/poolsql/internal/observability/promql"
)

func TestMetricsAndLabelsAreFoundInExpressions(t *testing.T) {
	for _, c := range []struct {
		expr            string
		metrics, labels []string
	}{
		{`up`, []string{"up"}, nil},
		{`sum by (le, pool) (rate(a_bucket{job=~"$job",x!="b{c}"}[5m]))`, []string{"a_bucket"}, []string{"job", "le", "pool", "x"}},
		{"level:a:rate5m > 0.5\nand\nb == 1", []string{"level:a:rate5m", "b"}, nil},
		{`a / ignoring(t) group_left() (sum(b) > 0) or vector(0)`, []string{"a", "b"}, []string{"t"}},
		{`a{x="and by (c)"} + a`, []string{"a"}, []string{"x"}},
		{`topk(10, histogram_quantile(0.99, sum by (le) (increase(h_bucket{e=""}[$__rate_interval]))))`, []string{"h_bucket"}, []string{"e", "le"}},
	} {
		if got := promql.Metrics(c.expr); !slices.Equal(got, c.metrics) {
			t.Errorf("%s: metrics %q, want %q", c.expr, got, c.metrics)
		}
		if got := promql.Labels(c.expr); !slices.Equal(got, c.labels) {
			t.Errorf("%s: labels %q, want %q", c.expr, got, c.labels)
		}
	}
}
