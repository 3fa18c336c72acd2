package poolotel_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"

	"github.com/poolsql/poolsql/connector"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// collected returns what r collects, by name.
func collected(tb testing.TB, r sdkmetric.Reader) map[string]metricdata.Metrics {
	tb.Helper()
	var all metricdata.ResourceMetrics
	if err := r.Collect(context.Background(), &all); err != nil {
		tb.Fatal(err)
	}
	byName := make(map[string]metricdata.Metrics)
	for _, s := range all.ScopeMetrics {
		if s.Scope.Name != poolotel.ScopeName {
			tb.Errorf("scope %q", s.Scope.Name)
		}
		for _, m := range s.Metrics {
			if _, twice := byName[m.Name]; twice {
				tb.Errorf("%s is there twice", m.Name)
			}
			byName[m.Name] = m
		}
	}
	return byName
}

// points writes down the points of a metric, "attributes=value"; of a histogram, its buckets.
func points(m metricdata.Metrics) map[string]string {
	all := make(map[string]string)
	switch data := m.Data.(type) {
	case metricdata.Sum[int64]:
		addPoints(all, data.DataPoints)
	case metricdata.Sum[float64]:
		addPoints(all, data.DataPoints)
	case metricdata.Gauge[int64]:
		addPoints(all, data.DataPoints)
	case metricdata.Gauge[float64]:
		addPoints(all, data.DataPoints)
	case metricdata.Histogram[int64]:
		addBuckets(all, data.DataPoints)
	case metricdata.Histogram[float64]:
		addBuckets(all, data.DataPoints)
	}
	return all
}

func addPoints[N int64 | float64](all map[string]string, points []metricdata.DataPoint[N]) {
	for _, p := range points {
		all[fmt.Sprint(p.Attributes.ToSlice())] = fmt.Sprintf("%.6g", float64(p.Value))
	}
}

func addBuckets[N int64 | float64](all map[string]string, points []metricdata.HistogramDataPoint[N]) {
	for _, p := range points {
		if p.Count > 0 {
			all[fmt.Sprint(p.Attributes.ToSlice())] = fmt.Sprintf("%v %v of %d, sum %.6g", p.Bounds, p.BucketCounts, p.Count, float64(p.Sum))
		}
	}
}

// TestAProducerGivesOutWhatAMeterProviderDoes holds the two ways against each other, value by value.
func TestAProducerGivesOutWhatAMeterProviderDoes(t *testing.T) {
	pool, db := onNoop(t, connector.Config{Name: "both", MaxConns: 2, AdaptiveLimit: true})
	byProvider := sdkmetric.NewManualReader()
	producer := poolotel.NewProducer()
	byProducer := sdkmetric.NewManualReader(sdkmetric.WithProducer(producer))
	provider(byProducer)
	opts := []poolotel.Option{
		poolotel.WithMaxLabels(2), poolotel.WithMaxTenants(1), poolotel.WithTemplateNames(), poolotel.WithBuckets(0.00001, 1),
	}
	measured(t, pool, append(opts, poolotel.WithMeterProvider(provider(byProvider)))...)
	measured(t, pool, append(opts, poolotel.WithProducer(producer))...)
	for i := range 30 {
		ctx := priority.WithLabel(t.Context(), fmt.Sprint("label ", i%4))
		ctx = priority.WithTenant(ctx, fmt.Sprint("tenant ", i%3))
		ctx = priority.WithClass(ctx, priority.Classes()[i%3])
		nothing(t, ctx, db)
		if _, err := db.QueryContext(ctx, "fails"); err == nil {
			t.Fatal("a driver without queries ran one")
		}
		ended, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := db.ExecContext(ended, "nothing"); err == nil {
			t.Fatal("a context that has ended did not matter")
		}
	}
	pool.NotePgBouncer(connector.PgBouncerStats{Up: true, ClientsActive: 3, MaxWait: 1e9})
	a, b := collected(t, byProvider), collected(t, byProducer)
	for _, m := range poolotel.Catalogue() {
		x, y := a[m.Name], b[m.Name]
		px, py := points(x), points(y)
		if fmt.Sprint(px) != fmt.Sprint(py) {
			t.Errorf("%s by a provider: %v\nby a producer: %v", m.Name, px, py)
		}
		if len(px) == 0 && m.Name != "poolsql.health.score" && m.Name != "db.client.response.returned_rows" &&
			!strings.HasPrefix(m.Name, "poolsql.route.") {
			t.Errorf("%s has no point", m.Name)
		}
		if len(px) > 0 && (x.Unit != y.Unit || x.Description != y.Description || fmt.Sprintf("%T", x.Data) != fmt.Sprintf("%T", y.Data)) {
			t.Errorf("%s is %T in %q, and %T in %q", m.Name, x.Data, x.Unit, y.Data, y.Unit)
		}
	}
}

func TestTwoPoolsOfOneNameAreRefusedAndTold(t *testing.T) {
	p1, _ := onNoop(t, connector.Config{Name: "twin"})
	p2, _ := onNoop(t, connector.Config{Name: "twin"})
	for _, where := range []struct {
		name string
		of   func() poolotel.Option
	}{
		{"provider", func() poolotel.Option { return poolotel.WithMeterProvider(provider(sdkmetric.NewManualReader())) }},
		{"producer", func() poolotel.Option { return poolotel.WithProducer(poolotel.NewProducer()) }},
	} {
		t.Run(where.name, func(t *testing.T) {
			here := where.of()
			first, err := poolotel.Register(p1, here)
			if err != nil {
				t.Fatal(err)
			}
			for _, p := range []*connector.Connector{p1, p2} {
				_, err = poolotel.Register(p, here)
				if !errors.Is(err, poolotel.ErrNameTaken) || !strings.Contains(err.Error(), "WithPoolName") {
					t.Errorf("a second pool of the name: %v", err)
				}
			}
			measured(t, p2, here, poolotel.WithPoolName("other twin"))
			measured(t, p1, where.of()) // elsewhere the name is free
			if err := first.Unregister(); err != nil {
				t.Error(err)
			}
			measured(t, p2, here) // and here again
		})
	}
}

func TestPoolsOfOneProviderAreToldApart(t *testing.T) {
	for _, way := range []string{"provider", "producer"} {
		t.Run(way, func(t *testing.T) {
			p1, db1 := onNoop(t, connector.Config{Name: "one"})
			p2, db2 := onNoop(t, connector.Config{Name: "two"})
			producer := poolotel.NewProducer()
			reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(producer))
			there := poolotel.WithMeterProvider(provider(reader))
			if way == "producer" {
				there = poolotel.WithProducer(producer)
			}
			r1, err := poolotel.Register(p1, there)
			if err != nil {
				t.Fatal(err)
			}
			measured(t, p2, there)
			for i := range 3 {
				nothing(t, t.Context(), db2)
				if i == 0 {
					nothing(t, t.Context(), db1)
				}
			}
			acquired := func() string { return fmt.Sprint(points(collected(t, reader)["db.client.connection.wait_time"])) }
			got := acquired()
			if !strings.Contains(got, `"one"`) || !strings.Contains(got, `"two"`) || !strings.Contains(got, "of 3") {
				t.Errorf("waits: %s", got)
			}
			if err := r1.Unregister(); err != nil {
				t.Fatal(err)
			}
			if err := r1.Unregister(); err != nil {
				t.Errorf("once more: %v", err)
			}
			nothing(t, t.Context(), db1)
			created := fmt.Sprint(points(collected(t, reader)["poolsql.connections.created"]))
			if strings.Contains(created, `"one"`) || !strings.Contains(created, `"two"`) {
				t.Errorf("after one is gone: %s", created)
			}
			if got := acquired(); strings.Contains(got, "of 2") {
				t.Errorf("after one is gone: %s", got)
			}
		})
	}
}

// Counters that the pool keeps have what was before the registration; what is made of events has not.
func TestCountersHaveWhatWasBeforeTheRegistration(t *testing.T) {
	pool, db := onNoop(t, connector.Config{})
	for range 5 {
		nothing(t, t.Context(), db)
	}
	producer := poolotel.NewProducer()
	reader := sdkmetric.NewManualReader(sdkmetric.WithProducer(producer))
	provider(reader)
	measured(t, pool, poolotel.WithProducer(producer))
	nothing(t, t.Context(), db)
	all := collected(t, reader)
	for name, want := range map[string]string{
		"poolsql.operations": "6", "poolsql.acquisitions": "6", "db.client.operation.duration": "of 1,", "db.client.connection.use_time": "of 1,",
	} {
		if got := fmt.Sprint(points(all[name])); !strings.Contains(got, want) {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

func TestAPoolThatCannotBeMeasuredIsRefused(t *testing.T) {
	if _, err := poolotel.Register(nil); err == nil {
		t.Error("no pool was measured")
	}
	bad := connector.NewConnector(connector.Config{MaxConns: -1})
	if _, err := poolotel.Register(bad); err == nil || !strings.Contains(err.Error(), "MaxConns") {
		t.Errorf("a pool with a bad configuration: %v", err)
	}
}

// Of two series that differ in nothing but such an attribute a scrape has the first alone.
func TestAttributesThatTellSeriesApartAreRefused(t *testing.T) {
	pool, _ := onNoop(t, connector.Config{})
	bad := []string{"db.query.summary", "db_query_summary", "poolsql.class", "poolsql.tenant", "error.type", "le"}
	attrs := []attribute.KeyValue{attribute.String("role", "reader")}
	for _, key := range bad {
		attrs = append(attrs, attribute.String(key, "x"))
	}
	_, err := poolotel.Register(pool, poolotel.WithProducer(poolotel.NewProducer()), poolotel.WithAttributes(attrs...))
	if err == nil {
		t.Fatal("they were taken")
	}
	for _, key := range bad {
		if !strings.Contains(err.Error(), fmt.Sprintf("%q", key)) {
			t.Errorf("%s is not said to be bad", key)
		}
	}
	if strings.Contains(err.Error(), "role") {
		t.Errorf("a good one is said to be bad: %v", err)
	}
}

func TestTheGlobalMeterProviderIsTheDefault(t *testing.T) {
	before := otel.GetMeterProvider()
	t.Cleanup(func() { otel.SetMeterProvider(before) })
	reader := sdkmetric.NewManualReader()
	otel.SetMeterProvider(provider(reader))
	pool, db := onNoop(t, connector.Config{})
	measured(t, pool)
	nothing(t, t.Context(), db)
	if got := len(collected(t, reader)); got < 20 {
		t.Errorf("the global provider has %d metrics", got)
	}
}
