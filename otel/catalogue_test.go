package poolotel_test

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/semconv/v1.43.0/dbconv"

	poolotel "github.com/poolsql/poolsql/otel"
)

// TestTheConventionsMetricsAreAsTheyWantThem holds the names and units against OpenTelemetry's own package.
func TestTheConventionsMetricsAreAsTheyWantThem(t *testing.T) {
	units := map[string]string{}
	for _, m := range poolotel.Catalogue() {
		units[m.Name] = m.Unit
	}
	for _, m := range []interface{ Name() string }{
		dbconv.ClientConnectionCount{}, dbconv.ClientConnectionCreateTime{}, dbconv.ClientConnectionIdleMax{},
		dbconv.ClientConnectionIdleMin{}, dbconv.ClientConnectionMax{}, dbconv.ClientConnectionPendingRequests{},
		dbconv.ClientConnectionTimeouts{}, dbconv.ClientConnectionUseTime{}, dbconv.ClientConnectionWaitTime{},
		dbconv.ClientOperationDuration{}, dbconv.ClientResponseReturnedRows{},
	} {
		unit, ok := units[m.Name()]
		if want := m.(interface{ Unit() string }).Unit(); !ok || unit != want {
			t.Errorf("%s has unit %q, want %q", m.Name(), unit, want)
		}
		delete(units, m.Name())
	}
	for name := range units {
		if strings.HasPrefix(name, "db.client.") {
			t.Errorf("%s is under the conventions' name and none of theirs", name)
		}
	}
}

// TestTheGoldenScrapeAndTheCatalogueAreOne finds metrics of one that the other does not have, and labels that no metric
// has.
func TestTheGoldenScrapeAndTheCatalogueAreOne(t *testing.T) {
	golden, err := os.ReadFile("testdata/metrics.txt")
	if err != nil {
		t.Fatal(err)
	}
	types := map[poolotel.Kind]string{
		poolotel.Counter: "counter", poolotel.UpDownCounter: "gauge", poolotel.Gauge: "gauge", poolotel.Histogram: "histogram",
	}
	text := string(golden)
	label := regexp.MustCompile(`(\w+)="`)
	for _, m := range poolotel.Catalogue() {
		for _, line := range []string{
			"# HELP " + m.Prometheus + " " + m.Description + "\n", "# TYPE " + m.Prometheus + " " + types[m.Kind] + "\n",
		} {
			if !strings.Contains(text, line) {
				t.Errorf("%s: no %q", m.Name, line)
			}
			text = strings.Replace(text, line, "", 1)
		}
		known := []string{"le"}
		for _, key := range m.Attributes {
			known = append(known, strings.NewReplacer(".", "_").Replace(key))
		}
		for _, line := range regexp.MustCompile(`(?m)^`+m.Prometheus+`(_bucket|_sum|_count)?\{.*$`).FindAllString(text, -1) {
			for _, l := range label.FindAllStringSubmatch(line, -1) {
				if !slices.Contains(known, l[1]) {
					t.Errorf("%s has the label %s, the catalogue %v", m.Prometheus, l[1], known)
				}
			}
		}
	}
	if i := strings.Index(text, "# "); i >= 0 {
		t.Errorf("the golden scrape has what the catalogue has not: %.80s", text[i:])
	}
}

// What Catalogue returns is the caller's to change.
func TestTheCatalogueIsACopy(t *testing.T) {
	a := poolotel.Catalogue()
	a[0].Attributes[0], a[0].Bounds[0] = "changed", 7
	if b := poolotel.Catalogue(); b[0].Attributes[0] == "changed" || b[0].Bounds[0] == 7 {
		t.Error("it can be changed for all")
	}
}
