package poolotel_test

import (
	"fmt"
	"os"
	"strings"
	"testing"

	poolotel "github.com/poolsql/poolsql/otel"
)

// TestTheDocumentationListsEveryMetric holds the tables of docs/observability.md against the catalogue, word by word.
func TestTheDocumentationListsEveryMetric(t *testing.T) {
	page, err := os.ReadFile("../docs/observability.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for line := range strings.Lines(string(page)) {
		if strings.HasPrefix(line, "| `") && (strings.Contains(line, "Counter, `") || strings.Contains(line, "Gauge, `") || strings.Contains(line, "Histogram, `")) {
			rows++
		}
	}
	for _, m := range poolotel.Catalogue() {
		from := ""
		if m.FromRegistration {
			from = " †"
		}
		row := fmt.Sprintf("| `%s`%s | `%s` | %s, `%s` | %s |\n", m.Name, from, m.Prometheus, m.Kind, m.Unit, m.Description)
		if strings.Contains(string(page), row) {
			rows--
		} else {
			t.Errorf("there is no row\n%s", row)
		}
	}
	if rows > 0 {
		t.Errorf("%d rows about %q are of no metric, or of one that changed", rows, "`poolsql.…")
	}
}
