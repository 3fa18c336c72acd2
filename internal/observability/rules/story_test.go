package rules_test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/poolsql/poolsql/internal/observability/prometheus"
)

// A story is what series do, a value a minute, and which alerts fire when. promtool tells it with the rules as they are
// checked in.
type story struct {
	name string
	// series are what is measured, in promtool's notation: 0x5 is zero and five times zero more, 0+2x5 grows by two.
	series map[string]string
	// at names all alerts that fire at the minute, as "alert severity".
	at map[int][]string
}

// of is a series of a pool.
func of(metric, labels string) string {
	if labels != "" {
		labels = "," + labels
	}
	return metric + `{job="app",instance="a:1",db_client_connection_pool_name="main"` + labels + "}"
}

// waits are the histogram of a class where, each minute, one in a hundred of n waits for longer than fast and less than slow.
func waits(class, fast, slow string, n int) map[string]string {
	bucket := func(le string, grows float64) (string, string) {
		return of("poolsql_queue_wait_seconds_bucket", fmt.Sprintf(`poolsql_class="%s",le="%s"`, class, le)), fmt.Sprintf("0+%gx30", grows)
	}
	series := map[string]string{of("poolsql_queue_wait_seconds_count", `poolsql_class="`+class+`"`): fmt.Sprintf("0+%dx30", n)}
	for le, part := range map[string]float64{fast: 0.98, slow: 1, "+Inf": 1} {
		name, values := bucket(le, part*float64(n))
		series[name] = values
	}
	return series
}

func pool(used, waiting string) map[string]string {
	return map[string]string{
		of("db_client_connection_count", `db_client_connection_state="used"`): used,
		of("db_client_connection_count", `db_client_connection_state="idle"`): "0x60",
		of("db_client_connection_max", ""):                                    "10x60",
		of("db_client_connection_pending_requests", ""):                       waiting,
	}
}

func refusals(class, reason string, refused, served float64) map[string]string {
	class = `poolsql_class="` + class + `"`
	return map[string]string{
		of("poolsql_refusals_total", class+`,poolsql_reason="`+reason+`"`): fmt.Sprintf("0+%gx30", refused),
		of("poolsql_acquisitions_total", class):                            fmt.Sprintf("0+%gx30", served),
	}
}

func connects(failed, opened, ok string) map[string]string {
	return map[string]string{
		of("poolsql_connect_failures_total", ""):                  failed,
		of("poolsql_connections_created_total", ""):               opened,
		of("poolsql_operations_total", `poolsql_outcome="ok"`):    ok,
		of("poolsql_operations_total", `poolsql_outcome="error"`): "0x60",
		of("db_client_connection_max", ""):                        "10x60",
	}
}

func failures(code, failed, well string) map[string]string {
	return map[string]string{
		of("db_client_operation_duration_seconds_count", `error_type="`+code+`"`): failed,
		of("db_client_operation_duration_seconds_count", ""):                      well,
	}
}

func lookups(hits, misses string) map[string]string {
	return map[string]string{
		of("poolsql_statement_cache_lookups_total", `poolsql_result="hit"`):  hits,
		of("poolsql_statement_cache_lookups_total", `poolsql_result="miss"`): misses,
	}
}

func overloaded(class, values string) map[string]string {
	return map[string]string{of("poolsql_overloaded", `poolsql_class="`+class+`"`): values}
}

func routed(serving, lag, reads string) map[string]string {
	return map[string]string{
		of("poolsql_route_serving", `poolsql_route="east"`): serving, of("poolsql_route_lag_seconds", `poolsql_route="east"`): lag,
		of("poolsql_route_acquisitions_total", `poolsql_route="east"`): reads, of("poolsql_route_fallbacks_total", `poolsql_reason="unfit"`): "0x60",
	}
}

func shared(shared, alone string) map[string]string {
	return map[string]string{
		of("poolsql_coalescing_calls_total", `poolsql_result="shared"`): shared,
		of("poolsql_coalescing_calls_total", `poolsql_result="alone"`):  alone,
	}
}

func one(metric, values string) map[string]string { return map[string]string{of(metric, ""): values} }

var (
	exhausted = []string{"PoolsqlExhausted warning"}
	errorBoth = []string{"PoolsqlErrors critical", "PoolsqlErrors warning"}
	none      []string
)

var stories = []story{
	{"a pool is full, with callers waiting, for ten minutes", pool("0x9 10x9 0x20", "0x9 5x9 0x20"),
		map[int][]string{14: none, 17: exhausted, 19: exhausted, 23: none}},
	{"a pool is full for two minutes", pool("0x9 10x2 0x20", "0x9 5x2 0x20"), map[int][]string{11: none, 13: none, 16: none}},
	{"a pool is full and nobody waits", pool("10x30", "0x30"), map[int][]string{20: none}},
	{"a pool is suspended: callers wait, and nothing is in use", pool("0x30", "5x30"), map[int][]string{20: none}},

	{"high waits for more than 0.1 s", waits("high", "0.1", "0.5", 100), map[int][]string{5: none, 7: {"PoolsqlQueueSlow critical"}}},
	{"normal waits for more than 1 s", waits("normal", "1", "5", 100), map[int][]string{5: none, 7: {"PoolsqlQueueSlow warning"}}},
	{"normal waits for less than 1 s", waits("normal", "0.1", "0.5", 100), map[int][]string{20: none}},
	{"low waits for more than 5 s", waits("low", "5", "10", 100), map[int][]string{7: {"PoolsqlQueueSlow info"}}},
	{"low waits for less", waits("low", "1", "5", 100), map[int][]string{20: none}},
	{"three callers a minute wait", waits("normal", "1", "5", 3), map[int][]string{20: none}},

	{"one normal caller in fifty is refused", refusals("normal", "timeout", 2, 98),
		map[int][]string{3: none, 5: {"PoolsqlRefusing critical"}}},
	{"all are refused", refusals("high", "unavailable", 50, 0), map[int][]string{5: {"PoolsqlRefusing critical"}}},
	{"low is refused", refusals("low", "queue full", 50, 50), map[int][]string{5: {"PoolsqlRefusing warning"}}},
	{"one caller in two hundred is refused", refusals("normal", "timeout", 1, 199), map[int][]string{20: none}},
	{"callers give up", refusals("normal", "canceled", 50, 50), map[int][]string{20: none}},
	{"one tenant asks for more than it may", refusals("normal", "tenant full", 50, 50), map[int][]string{20: none}},
	{"low is shed", refusals("low", "shed", 50, 50), map[int][]string{5: {"PoolsqlRefusing warning"}}},

	{"the database goes, and comes back", connects("0x5 100+200x9 2000x20", "8x15 9x20", "1000x15 1000+100x20"),
		map[int][]string{6: none, 8: {"PoolsqlDatabaseUnreachable critical"}, 15: {"PoolsqlDatabaseUnreachable critical"}, 17: {"PoolsqlConnectFailing warning"}, 30: none}},
	{"connecting fails, and open connections serve", connects("0+200x20", "8x20", "0+100x20"), map[int][]string{9: none, 12: {"PoolsqlConnectFailing warning"}}},
	{"one attempt in five fails", connects("0+0.4x40", "0+1.6x40", "0+100x40"),
		map[int][]string{16: none, 20: {"PoolsqlConnectFailing warning"}}},
	{"one attempt in twenty fails", connects("0+0.05x40", "0+1x40", "0+100x40"), map[int][]string{35: none}},
	{"connections live for two minutes", connects("0x40", "0+5x40", "0+100x40"),
		map[int][]string{8: none, 30: {"PoolsqlConnectionChurn warning"}}},
	{"a start and a failover open every connection twice", connects("0x40", "0x5 10x5 20x30", "0+100x40"), map[int][]string{12: none, 25: none}},

	{"one operation in ten fails for twenty minutes", failures("08006", "0+10x20 200x200", "0+90x220"),
		map[int][]string{20: errorBoth, 27: {"PoolsqlErrors warning"}, 55: none}},
	{"one in fifty fails", failures("57014", "0+2x100", "0+98x100"), map[int][]string{90: {"PoolsqlErrors warning"}}},
	{"one in two hundred fails", failures("57014", "0+1x100", "0+199x100"), map[int][]string{90: none}},
	{"constraints are broken", failures("23505", "0+50x100", "0+50x100"), map[int][]string{90: none}},
	{"data does not fit", failures("22P02", "0+50x100", "0+50x100"), map[int][]string{90: none}},
	{"a function raises", failures("P0001", "0+50x100", "0+50x100"), map[int][]string{90: none}},
	{"an hour has three operations, and all fail", failures("08006", "0x10 3x90", "0x100"), map[int][]string{15: none, 60: none}},

	{"a connection leaks", one("poolsql_leaks_total", "0x5 1x40"), map[int][]string{5: none, 7: {"PoolsqlLeak warning"}, 30: none}},
	{"a caller nests", one("poolsql_nested_total", "0x5 1x40"), map[int][]string{5: none, 7: {"PoolsqlNested warning"}, 30: none}},
	{"health goes down and comes back", one("poolsql_health_score", "100x5 30x9 100x5"),
		map[int][]string{7: none, 9: {"PoolsqlUnhealthy critical"}, 17: none}},
	{"health is degraded", one("poolsql_health_score", "60x20"), map[int][]string{15: none}},
	{"a pool is forgotten in suspension", one("poolsql_suspended", "0x5 1x9 0x5"),
		map[int][]string{7: none, 9: {"PoolsqlSuspended critical"}, 17: none}},
	{"a switch-over takes a minute", one("poolsql_suspended", "0x5 1x1 0x9"), map[int][]string{7: none, 12: none}},
	{"statements are never the same", lookups("0+10x60", "0+100x60"), map[int][]string{30: none, 45: {"PoolsqlStatementCacheCold info"}}},
	{"statements are the same", lookups("0+100x60", "0+10x60"), map[int][]string{50: none}},
	{"low is overloaded for a quarter of an hour", overloaded("low", "0x5 1x15 0x10"),
		map[int][]string{10: none, 15: {"PoolsqlOverloaded warning"}, 27: none}},
	{"a class is overloaded for two minutes", overloaded("normal", "0x5 1x2 0x20"), map[int][]string{8: none, 12: none}},
	{"a replica goes, and comes back", routed("1x5 0x9 1x9", "0x25", "0+100x25"),
		map[int][]string{9: none, 13: {"PoolsqlReplicaOut warning"}, 17: none}},
	{"a replica restarts", routed("1x5 0x2 1x20", "0x25", "0+100x25"), map[int][]string{9: none, 12: none}},
	{"a replica is out that nobody reads from", routed("0x25", "0x25", "5x25"), map[int][]string{20: none}},
	{"a replica does not catch up", routed("1x25", "0x3 7x20", "0+100x25"), map[int][]string{10: none, 16: {"PoolsqlReplicaLagging warning"}}},
	{"a replica is behind now and then", routed("1x25", "0 7 7 7 0 7 7 7 0 7 7 7 0 7 7 7 0 7 7 7 0", "0+100x25"), map[int][]string{12: none, 18: none}},
	{"most results are too large to be shared", shared("0+10x60", "0+100x60"), map[int][]string{25: none, 45: {"PoolsqlSharingFails info"}}},
	{"most results are shared", shared("0+100x60", "0+10x60"), map[int][]string{50: none}},
	{"two calls ask to share", shared("0x60", "0+2x60"), map[int][]string{50: none}},
	{"clients queue at PgBouncer", one("poolsql_pgbouncer_max_wait_seconds", "0x3 3x20"), map[int][]string{7: none, 14: {"PoolsqlPgBouncerQueue warning"}}},
	{"clients queue at PgBouncer for a moment", one("poolsql_pgbouncer_max_wait_seconds", "0x3 3x1 0x20"), map[int][]string{5: none, 12: none}},
	{"PgBouncer's console is silent", one("poolsql_pgbouncer_up", "1x3 0x30"), map[int][]string{10: none, 20: {"PoolsqlPgBouncerSilent info"}}},
	{"PgBouncer restarts", one("poolsql_pgbouncer_up", "1x3 0x2 1x30"), map[int][]string{10: none, 20: none}},
	{"few statements are never the same", lookups("0+1x60", "0+10x60"), map[int][]string{50: none}},
}

// TestAlertsFireWhenTheyShould also says that nothing else fires, and that it is the instance at which it happens: beside each
// story runs another instance at which nothing does.
func TestAlertsFireWhenTheyShould(t *testing.T) {
	files := write(t, 1)
	var tests []any
	told := make(map[string]bool)
	for _, s := range stories {
		tests = append(tests, s.test())
		for _, alerts := range s.at {
			for _, a := range alerts {
				told[a] = true
			}
		}
	}
	for _, r := range all() {
		if r.Alert != "" && !told[r.Alert+" "+r.Labels["severity"]] {
			t.Errorf("no story tells of %s (%s)", r.Alert, r.Labels["severity"])
		}
	}
	content, err := yaml.Marshal(map[string]any{"rule_files": files, "evaluation_interval": "1m", "tests": tests})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "stories.yml")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if output, err := prometheus.Promtool(t.Context(), nil, "test", "rules", path); err != nil {
		t.Errorf("%v\n%s", err, output)
	}
}

// quiet is an instance at which nothing is wrong. Its operations are not in it: alerts on errors look at all instances at once.
func quiet() map[string]string {
	series := pool("1x100", "0x100")
	for _, more := range []map[string]string{
		waits("normal", "0.001", "0.005", 100), refusals("normal", "timeout", 0, 100), connects("0x100", "8x100", "0+100x100"),
		lookups("0+100x100", "0+1x100"), one("poolsql_leaks_total", "0x100"), one("poolsql_nested_total", "0x100"),
		one("poolsql_health_score", "100x100"), one("poolsql_suspended", "0x100"),
		overloaded("low", "0x100"), routed("1x100", "0x100", "0+100x100"), shared("0+100x100", "0+1x100"),
		one("poolsql_pgbouncer_up", "1x100"), one("poolsql_pgbouncer_max_wait_seconds", "0x100"),
	} {
		maps.Copy(series, more)
	}
	return series
}

// test returns the story as promtool reads it.
func (s *story) test() any {
	var input []any
	for name, values := range s.series {
		input = append(input, map[string]string{"series": name, "values": values})
	}
	for name, values := range quiet() {
		name = strings.Replace(name, `instance="a:1"`, `instance="b:1"`, 1)
		input = append(input, map[string]string{"series": name, "values": values})
	}
	var asked []any
	for minute, alerts := range s.at {
		var want []any
		for _, a := range slices.Sorted(slices.Values(alerts)) {
			var name, severity string
			if _, err := fmt.Sscan(a, &name, &severity); err != nil {
				panic(err)
			}
			where := `,instance="a:1"`
			if name == "PoolsqlErrors" { // which is about all instances
				where = ""
			}
			want = append(want, map[string]any{"labels": fmt.Sprintf(`{alertname="%s",severity="%s"%s}`, name, severity, where), "value": 1})
		}
		asked = append(asked, map[string]any{
			"expr":      `count by (alertname, severity, instance) (ALERTS{alertstate="firing"})`,
			"eval_time": fmt.Sprintf("%dm", minute), "exp_samples": want,
		})
	}
	return map[string]any{"name": s.name, "interval": "1m", "input_series": input, "promql_expr_test": asked}
}
