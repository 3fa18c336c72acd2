package observability_test

import (
	"strconv"
	"strings"

	"github.com/poolsql/poolsql"
)

// An exposition is a scrape: the value of each series, by its name with its labels.
type exposition map[string]float64

func (s *site) read() exposition {
	s.t.Helper()
	e := make(exposition)
	for line := range strings.Lines(s.scrape()) {
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		cut := strings.LastIndexByte(line, ' ')
		value, err := strconv.ParseFloat(line[cut+1:], 64)
		if err != nil {
			s.t.Fatalf("%s: %v", line, err)
		}
		e[line[:cut]] = value
	}
	return e
}

// sum adds up the series of a metric that have all of these labels, each as name="value".
func (e exposition) sum(metric string, labels ...string) (total float64) {
next:
	for series, value := range e {
		name, rest, _ := strings.Cut(series, "{")
		if name != metric {
			continue
		}
		for _, l := range labels {
			if !strings.Contains(rest, l) {
				continue next
			}
		}
		total += value
	}
	return total
}

// counters are what both Stats and a scrape count.
var counters = []struct {
	name  string
	stats func(*poolsql.Stats) uint64
	of    func(exposition) float64
}{
	{"acquired", func(s *poolsql.Stats) uint64 { return s.AcquireCount }, func(e exposition) float64 { return e.sum("poolsql_acquisitions_total") }},
	{"refused", func(s *poolsql.Stats) uint64 { return s.RefusedCount }, func(e exposition) float64 { return e.sum("poolsql_refusals_total") }},
	{"timed out", func(s *poolsql.Stats) uint64 { return s.TimeoutCount }, func(e exposition) float64 {
		return e.sum("db_client_connection_timeouts_total")
	}},
	{"failed", func(s *poolsql.Stats) uint64 { return s.ErrorCount }, func(e exposition) float64 {
		return e.sum("poolsql_operations_total", `poolsql_outcome="error"`)
	}},
	{"opened", func(s *poolsql.Stats) uint64 { return s.NewConnsCount }, func(e exposition) float64 { return e.sum("poolsql_connections_created_total") }},
	{"statements found", func(s *poolsql.Stats) uint64 { return s.StatementHits }, func(e exposition) float64 {
		return e.sum("poolsql_statement_cache_lookups_total", `poolsql_result="hit"`)
	}},
	{"statements not found", func(s *poolsql.Stats) uint64 { return s.StatementMisses }, func(e exposition) float64 {
		return e.sum("poolsql_statement_cache_lookups_total", `poolsql_result="miss"`)
	}},
}
