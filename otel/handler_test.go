package poolotel_test

import (
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql/connector"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// sampledSpan is a span that somebody keeps.
var sampledSpan = trace.NewSpanContext(trace.SpanContextConfig{
	TraceID:    trace.TraceID{0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6, 0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36},
	SpanID:     trace.SpanID{0x00, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0xb7},
	TraceFlags: trace.FlagsSampled,
})

func TestAScrapeHasTheTraceOfAnOperationAsExemplar(t *testing.T) {
	pool, db := onNoop(t, connector.Config{})
	h := poolotel.Handler(pool)
	ctx := priority.WithLabel(trace.ContextWithSpanContext(t.Context(), sampledSpan), "checkout")
	nothing(t, ctx, db)
	text := scrape(t, h, openMetrics)
	exemplar := regexp.MustCompile(
		`(?m)^db_client_operation_duration_seconds_bucket\{.*db_query_summary="checkout".*\} 1 # \{(.*)\} [0-9.e-]+ [0-9.e+]+$`)
	found := exemplar.FindStringSubmatch(text)
	if found == nil || !strings.Contains(found[1], `trace_id="4bf92f3577b34da6a3ce929d0e0e4736"`) ||
		!strings.Contains(found[1], `span_id="00f067aa0ba902b7"`) {
		t.Errorf("no exemplar in\n%s", regexp.MustCompile(`(?m)^db_client_operation.*$`).FindAllString(text, -1))
	}
	if !strings.HasSuffix(text, "# EOF\n") {
		t.Error("the scrape does not end as OpenMetrics does")
	}
	if text := scrape(t, h, plainText); strings.Contains(text, "trace_id") {
		t.Error("the old format, which knows no exemplars, has one")
	}
}

func TestAHandlerThatCannotMeasureSaysSoAtEachScrape(t *testing.T) {
	p1, _ := onNoop(t, connector.Config{Name: "twin"})
	p2, _ := onNoop(t, connector.Config{Name: "twin"})
	w := httptest.NewRecorder()
	poolotel.Handler(p1, p2).ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if w.Code != http.StatusInternalServerError || !strings.Contains(w.Body.String(), `"twin"`) {
		t.Errorf("status %d: %s", w.Code, w.Body)
	}
}

func TestAHandlerServesWhatAnotherRegistryHas(t *testing.T) {
	pool, _ := onNoop(t, connector.Config{})
	own := prometheus.NewRegistry()
	hits := prometheus.NewCounter(prometheus.CounterOpts{Name: "app_hits_total", Help: "Hits."})
	own.MustRegister(hits)
	hits.Add(7)
	h, err := poolotel.NewHandler([]*connector.Connector{pool}, poolotel.WithGatherer(own))
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	all := samples(t, scrape(t, h, plainText))
	expect(t, all, 7, "app_hits_total")
	expect(t, all, 0, "db_client_connection_pending_requests")
}

func TestPoolsComeToAHandlerAndGo(t *testing.T) {
	p1, db1 := onNoop(t, connector.Config{Name: "one"})
	p2, _ := onNoop(t, connector.Config{Name: "two"})
	h, err := poolotel.NewHandler(nil, poolotel.WithMaxLabels(1))
	if err != nil {
		t.Fatal(err)
	}
	if text := scrape(t, h, plainText); text != "" {
		t.Errorf("a handler without pools has\n%s", text)
	}
	r, err := h.Register(p1, poolotel.WithTemplateNames())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := h.Register(p2); err != nil {
		t.Fatal(err)
	}
	for _, label := range []string{"a", "b"} {
		nothing(t, priority.WithLabel(t.Context(), label), db1)
	}
	all := samples(t, scrape(t, h, plainText))
	expect(t, all, 1, "db_client_operation_duration_seconds_count", `db_query_summary="other"`)
	expect(t, all, 2, "db_pool_acquire_total")
	one, two := `db_client_connection_pool_name="one"`, `db_client_connection_pool_name="two"`
	expect(t, all, 1, "poolsql_connections_created_total", one)
	expect(t, all, 4, "db_client_connection_max", two)
	if err := r.Unregister(); err != nil {
		t.Fatal(err)
	}
	if text := scrape(t, h, plainText); strings.Contains(text, one) || !strings.Contains(text, two) {
		t.Errorf("after one has gone:\n%s", text)
	}
	h.Close()
	if text := scrape(t, h, plainText); text != "" {
		t.Errorf("after Close:\n%s", text)
	}
	if _, err := h.Register(p1); err == nil {
		t.Error("a closed handler takes a pool")
	}
}
