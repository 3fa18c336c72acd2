package observability_test

import (
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/internal/observability/prometheus"
	"github.com/poolsql/poolsql/internal/testdb"
)

// excused are what promtool says against names that are not ours to choose: this is OpenTelemetry's.
var excused = []string{`db_client_connection_count non-histogram and non-summary metrics should not have "_count" suffix`}

func TestPromtoolAcceptsTheScrape(t *testing.T) {
	testdb.NoLeaks(t)
	s := newSite(t)
	db, _ := s.open(poolsql.Config{Name: "app", DSN: testdb.New(t).DSN})
	if err := query(t.Context(), db, "select 1"); err != nil {
		t.Fatal(err)
	}
	if err := query(poolsql.WithTenant(poolsql.WithLabel(t.Context(), "label"), "tenant"), db, "select 1"); err != nil {
		t.Fatal(err)
	}
	output, err := prometheus.Promtool(t.Context(), []byte(s.scrape()), "check", "metrics")
	if err != nil && output == "" {
		t.Fatal(err)
	}
	for line := range strings.Lines(output) {
		if line = strings.TrimSpace(line); !slices.Contains(excused, line) {
			t.Errorf("promtool check metrics: %s", line)
		}
	}
	for _, e := range excused {
		if !strings.Contains(output, e) {
			t.Errorf("promtool does not say %q any more", e)
		}
	}
}

// TestPrometheus3GetsTheSameNames asks as Prometheus does from version 3 on, which takes names with dots: dashboard and rules
// are for those without.
func TestPrometheus3GetsTheSameNames(t *testing.T) {
	testdb.NoLeaks(t)
	s := newSite(t)
	s.open(poolsql.Config{Name: "app", DSN: testdb.New(t).DSN})
	req := httptest.NewRequest(http.MethodGet, "/metrics", nil)
	req.Header.Set("Accept", "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.5,text/plain;version=1.0.0;escaping=allow-utf-8;q=0.3")
	answer := httptest.NewRecorder()
	s.metrics.ServeHTTP(answer, req)
	if !strings.Contains(answer.Body.String(), `db_client_connection_max{db_client_connection_pool_name="app"}`) {
		t.Errorf("%s\n%.500s", answer.Header().Get("Content-Type"), answer.Body)
	}
}
