package poolotel

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/instrumentation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// ScopeName is the instrumentation scope of everything that this package measures.
const ScopeName = "github.com/poolsql/poolsql/otel"

// A Producer keeps the numbers of pools and gives them to a reader of OpenTelemetry's SDK when it collects. It is given to
// that reader by sdkmetric.WithProducer, and to [Register] by [WithProducer]. Its numbers are cumulative, whatever
// temporality the reader prefers. The zero value has no pool. It must not be copied. Safe for concurrent use.
type Producer struct {
	mu      sync.Mutex
	sources []*kept
}

var _ sdkmetric.Producer = (*Producer)(nil)

// kept is a pool of a Producer.
type kept struct {
	*source
	*store
}

// NewProducer returns a Producer that has no pool yet.
func NewProducer() *Producer { return new(Producer) }

func (p *Producer) add(k *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources = append(slices.Clip(p.sources), k)
}

func (p *Producer) remove(k *kept) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.sources = slices.DeleteFunc(slices.Clone(p.sources), func(other *kept) bool { return other == k })
}

// Produce implements sdkmetric.Producer. It never fails.
func (p *Producer) Produce(context.Context) ([]metricdata.ScopeMetrics, error) {
	p.mu.Lock()
	sources := p.sources
	p.mu.Unlock()
	if len(sources) == 0 {
		return nil, nil
	}
	g := &gathering{now: time.Now()}
	for _, k := range sources {
		g.began = k.began
		k.collect(g)
		k.give(g)
	}
	return []metricdata.ScopeMetrics{{
		Scope: instrumentation.Scope{Name: ScopeName}, Metrics: g.metrics(),
	}}, nil
}

// loaded is when this package was loaded. Of a counter that is older than its registration no more is known than that it
// began after that.
var loaded = time.Now()

// A gathering is what a Producer gives out at one time.
type gathering struct {
	now   time.Time
	began time.Time // of the registration that is gathered

	integers   [numMetrics][]metricdata.DataPoint[int64]
	floats     [numMetrics][]metricdata.DataPoint[float64]
	histograms [numMetrics][]metricdata.HistogramDataPoint[float64]
	counts     [numMetrics][]metricdata.HistogramDataPoint[int64]
}

func (g *gathering) start(id metricID) time.Time {
	if catalogue[id].FromRegistration {
		return g.began
	}
	return loaded
}

func (g *gathering) integer(id metricID, attrs attribute.Set, value int64) {
	if catalogue[id].floating {
		g.floating(id, attrs, float64(value))
		return
	}
	g.integers[id] = append(g.integers[id], metricdata.DataPoint[int64]{
		Attributes: attrs, StartTime: g.start(id), Time: g.now, Value: value,
	})
}

func (g *gathering) floating(id metricID, attrs attribute.Set, value float64) {
	g.floats[id] = append(g.floats[id], metricdata.DataPoint[float64]{
		Attributes: attrs, StartTime: g.start(id), Time: g.now, Value: value,
	})
}

// metrics returns what was gathered, in the order of the catalogue.
func (g *gathering) metrics() []metricdata.Metrics {
	all := make([]metricdata.Metrics, 0, numMetrics)
	for id := range numMetrics {
		m := &catalogue[id]
		var data metricdata.Aggregation
		switch {
		case g.histograms[id] != nil:
			data = metricdata.Histogram[float64]{
				DataPoints: g.histograms[id], Temporality: metricdata.CumulativeTemporality,
			}
		case g.counts[id] != nil:
			data = metricdata.Histogram[int64]{DataPoints: g.counts[id], Temporality: metricdata.CumulativeTemporality}
		case g.integers[id] != nil:
			data = aggregation(m, g.integers[id])
		case g.floats[id] != nil:
			data = aggregation(m, g.floats[id])
		default:
			continue
		}
		all = append(all, metricdata.Metrics{Name: m.Name, Description: m.Description, Unit: m.Unit, Data: data})
	}
	return all
}

func aggregation[N int64 | float64](m *Metric, points []metricdata.DataPoint[N]) metricdata.Aggregation {
	if m.Kind == Gauge {
		for i := range points {
			points[i].StartTime = time.Time{} // a gauge begins with each of its values
		}
		return metricdata.Gauge[N]{DataPoints: points}
	}
	return metricdata.Sum[N]{
		DataPoints: points, Temporality: metricdata.CumulativeTemporality, IsMonotonic: m.Kind == Counter,
	}
}

// toUnits returns bounds in what a sharded histogram counts: nanoseconds for seconds, else the things themselves.
func toUnits(bounds []float64, unit float64) []int64 {
	in := make([]int64, len(bounds))
	for i, b := range bounds {
		in[i] = int64(min(math.Round(b*unit), math.MaxInt64/2))
	}
	return in
}
