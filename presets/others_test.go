package presets_test

import (
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/lifecycle"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/presets"
)

// What the environment says of other parts is applied by the one place that puts a program together. This is that place,
// as the package comment has it.
func assemble(t *testing.T, s presets.Settings, observer lifecycle.Observer) (metrics string, stop func()) {
	t.Helper()
	s.Config = connector.Config{Name: s.Config.Name, MaxConns: s.Config.MaxConns, Connector: &still{}, Observer: observer}
	pool := connector.NewConnector(s.Config)
	if s.Metrics {
		scrape := httptest.NewRecorder()
		poolotel.Handler(pool).ServeHTTP(scrape, httptest.NewRequest("GET", "/metrics", nil))
		metrics = scrape.Body.String()
	}
	if s.HealthCheckInterval == 0 {
		return metrics, func() { pool.Close() }
	}
	m, err := health.New(pool, health.Config{Interval: s.HealthCheckInterval})
	if err != nil {
		t.Fatal(err)
	}
	m.Start()
	return metrics, func() { m.Close(); pool.Close() }
}

func TestHealthIsLookedAtAsOftenAsTheEnvironmentSays(t *testing.T) {
	for value, want := range map[string]struct{ least, most int64 }{
		"": {3, 5}, "30000": {3, 5}, "2000": {55, 65}, "0": {0, 0},
	} {
		s := read(t, presets.Production(), with(map[string]string{"DATABASE_HOST": "db"}, "POOL_HEALTH_CHECK_INTERVAL_MS", value))
		synctest.Test(t, func(t *testing.T) {
			var checks atomic.Int64
			_, stop := assemble(t, s, lifecycle.ObserverFunc(func(e lifecycle.Event) {
				if e.Kind == lifecycle.KindHealthCheck {
					checks.Add(1)
				}
			}))
			time.Sleep(2*time.Minute + time.Second)
			stop()
			if n := checks.Load(); n < want.least || n > want.most {
				t.Errorf("%q: health was looked at %d times in two minutes, want %d to %d", value, n, want.least, want.most)
			}
		})
	}
}

func TestMetricsAreThereIfTheEnvironmentSaysSo(t *testing.T) {
	for value, want := range map[string]bool{"": false, "false": false, "true": true} {
		s := read(t, presets.Production(), with(map[string]string{"DATABASE_HOST": "db", "APP_NAME": "shop"}, "POOL_ENABLE_METRICS", value))
		metrics, stop := assemble(t, s, nil)
		stop()
		if has := strings.Contains(metrics, `db_client_connection_max{db_client_connection_pool_name="shop"}`); has != want {
			t.Errorf("%q: metrics %t, want %t:\n%s", value, has, want, metrics)
		}
	}
}
