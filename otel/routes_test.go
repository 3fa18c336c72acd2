package poolotel_test

import (
	"strings"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/poolsql/poolsql/connector"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// Events of a pool's routes come to those who observe the pool. They count as the routes', whose Stats they agree with.
func TestARouteIsMeasuredUnderItsOwnName(t *testing.T) {
	for _, c := range []struct {
		name          string
		opts          []poolotel.Option
		primary, east string
	}{
		{"by the configuration", nil, "shop", "shop/east"},
		{"by an option", []poolotel.Option{poolotel.WithPoolName("a")}, "a", "a/east"},
	} {
		t.Run(c.name, func(t *testing.T) {
			pool, db := onNoop(t, connector.Config{
				Name: "shop", MaxConns: 2, Routes: []connector.Route{{Name: "east", Config: connector.Config{Connector: noop{}}}},
			})
			reader := sdkmetric.NewManualReader()
			measured(t, pool, append(c.opts, poolotel.WithMeterProvider(provider(reader)))...)
			reads := priority.WithReadOnly(t.Context())
			for range 3 {
				nothing(t, reads, db)
			}
			nothing(t, t.Context(), db)
			metrics := collected(t, reader)
			for _, m := range []string{"db.client.connection.use_time", "poolsql.operations", "db.client.operation.duration"} {
				for attrs, value := range points(metrics[m]) {
					want := ""
					switch {
					case strings.Contains(attrs, "error") || strings.Contains(value, "of 0"):
						continue
					case strings.Contains(attrs, `"`+c.east+`"`):
						want = "3"
					default:
						want = "1"
					}
					if value != want && !strings.Contains(value, " of "+want+",") {
						t.Errorf("%s of %s is %s, want %s", m, attrs, value, want)
					}
				}
				if n := len(points(metrics[m])); n < 2 {
					t.Errorf("%s has %d series, want those of two pools", m, n)
				}
			}
		})
	}
}
