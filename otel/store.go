package poolotel

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
	"go.opentelemetry.io/otel/trace"
)

// A store is a backend that keeps the histograms itself, for a Producer to give out.
type store struct {
	began  time.Time
	bounds [numMetrics][]float64 // as they are given out
	inUnit [numMetrics][]int64   // as they are counted

	mu  sync.Mutex
	all [numMetrics][]stored
}

// stored is one series of a histogram.
type stored struct {
	*sharded
	attrs  attribute.Set
	sparse bool
}

func newStore(c *config) *store {
	s := &store{began: time.Now()}
	for id := range numMetrics {
		if catalogue[id].Kind == Histogram {
			s.bounds[id] = boundsOf(id, c)
			s.inUnit[id] = toUnits(s.bounds[id], unitOf(id))
		}
	}
	return s
}

// boundsOf returns the bounds of a histogram's buckets.
func boundsOf(id metricID, c *config) []float64 {
	m := &catalogue[id]
	if c.bounds != nil && m.Unit == "s" && !m.Template {
		return c.bounds
	}
	return m.Bounds
}

// unitOf returns how many of what is recorded are one of the metric's unit.
func unitOf(id metricID) float64 {
	if catalogue[id].Unit == "s" {
		return float64(time.Second)
	}
	return 1
}

func (s *store) series(id metricID, attrs attribute.Set, sparse bool) sink {
	h := newSharded(s.inUnit[id])
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all[id] = append(s.all[id], stored{h, attrs, sparse})
	return h
}

// context returns ctx if its span is to be kept as an example: if it is sampled, as OpenTelemetry's SDK has it.
func (s *store) context(ctx context.Context) context.Context { return sampled(ctx) }

// give adds the histograms to g.
func (s *store) give(g *gathering) {
	s.mu.Lock()
	all := s.all
	s.mu.Unlock()
	for id := range numMetrics {
		for _, h := range all[id] {
			buckets, count, sum := h.read()
			if count == 0 && h.sparse {
				continue
			}
			if catalogue[id].floating {
				g.histograms[id] = append(g.histograms[id], point(s, g, id, h, buckets, count, sum/unitOf(id)))
			} else {
				g.counts[id] = append(g.counts[id], point(s, g, id, h, buckets, count, int64(sum)))
			}
		}
	}
}

func point[N int64 | float64](
	s *store, g *gathering, id metricID, h stored, buckets []uint64, count uint64, sum N,
) metricdata.HistogramDataPoint[N] {
	p := metricdata.HistogramDataPoint[N]{
		Attributes: h.attrs, StartTime: s.began, Time: g.now,
		Count: count, Bounds: s.bounds[id], BucketCounts: buckets, Sum: sum,
	}
	unit := unitOf(id)
	h.kept(func(value int64, at time.Time, t trace.TraceID, span trace.SpanID) {
		p.Exemplars = append(p.Exemplars, metricdata.Exemplar[N]{
			Value: N(float64(value) / unit), Time: at, TraceID: t[:], SpanID: span[:],
		})
	})
	return p
}
