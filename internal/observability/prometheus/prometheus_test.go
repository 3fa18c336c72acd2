package prometheus_test

import (
	"strings"
	"testing"

	"github.com/poolsql/poolsql/internal/observability/prometheus"
)

func TestWithoutTheProgramTheErrorSaysHowToGetIt(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := prometheus.Promtool(t.Context(), nil, "--version")
	if err == nil || !strings.Contains(err.Error(), "apt-get install --no-install-recommends prometheus") {
		t.Errorf("got %v", err)
	}
}

func TestPromtoolFindsFault(t *testing.T) {
	output, err := prometheus.Promtool(t.Context(), []byte("# TYPE a counter\na 1\n"), "check", "metrics")
	if err == nil || !strings.Contains(output, "_total") {
		t.Errorf("got %v: %s", err, output)
	}
}
