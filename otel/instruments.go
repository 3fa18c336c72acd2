package poolotel

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// instruments are a backend that has its histograms from a MeterProvider.
type instruments struct {
	meter      metric.Meter
	durations  [numMetrics]metric.Float64Histogram
	counts     [numMetrics]metric.Int64Histogram
	observed   [numMetrics]metric.Int64Observable
	observedF  [numMetrics]metric.Float64Observable
	observable []metric.Observable
}

// newInstruments makes the instruments of every metric.
func newInstruments(provider metric.MeterProvider, c *config) (*instruments, error) {
	in := &instruments{meter: provider.Meter(ScopeName)}
	var errs []error
	for id := range numMetrics {
		if catalogue[id].Template && !c.template {
			continue
		}
		errs = append(errs, in.add(id, c))
	}
	return in, errors.Join(errs...)
}

func (in *instruments) add(id metricID, c *config) (err error) {
	m := &catalogue[id]
	unit, description := metric.WithUnit(m.Unit), metric.WithDescription(m.Description)
	switch {
	case m.Kind == Histogram:
		bounds := metric.WithExplicitBucketBoundaries(boundsOf(id, c)...)
		if m.floating {
			in.durations[id], err = in.meter.Float64Histogram(m.Name, unit, description, bounds)
		} else {
			in.counts[id], err = in.meter.Int64Histogram(m.Name, unit, description, bounds)
		}
		return err
	case m.Kind == Counter && m.floating:
		in.observedF[id], err = in.meter.Float64ObservableCounter(m.Name, unit, description)
	case m.Kind == Counter:
		in.observed[id], err = in.meter.Int64ObservableCounter(m.Name, unit, description)
	case m.Kind == UpDownCounter:
		in.observed[id], err = in.meter.Int64ObservableUpDownCounter(m.Name, unit, description)
	case m.floating:
		in.observedF[id], err = in.meter.Float64ObservableGauge(m.Name, unit, description)
	default:
		in.observed[id], err = in.meter.Int64ObservableGauge(m.Name, unit, description)
	}
	if o := in.observed[id]; o != nil {
		in.observable = append(in.observable, o)
	}
	if o := in.observedF[id]; o != nil {
		in.observable = append(in.observable, o)
	}
	return err
}

// watch has s collected whenever the provider's readers collect.
func (in *instruments) watch(s *source) (metric.Registration, error) {
	return in.meter.RegisterCallback(func(_ context.Context, o metric.Observer) error {
		s.collect(observations{in, o})
		return nil
	}, in.observable...)
}

// observations gives what is collected to the instruments.
type observations struct {
	*instruments
	metric.Observer
}

func (o observations) integer(id metricID, attrs attribute.Set, value int64) {
	o.ObserveInt64(o.observed[id], value, metric.WithAttributeSet(attrs))
}

func (o observations) floating(id metricID, attrs attribute.Set, value float64) {
	o.ObserveFloat64(o.observedF[id], value, metric.WithAttributeSet(attrs))
}

func (in *instruments) series(id metricID, attrs attribute.Set, _ bool) sink {
	options := []metric.RecordOption{metric.WithAttributeSet(attrs)}
	if catalogue[id].floating {
		return &durationSink{in.durations[id], options, unitOf(id)}
	}
	return &countSink{in.counts[id], options}
}

// context returns a context that instruments take.
func (in *instruments) context(ctx context.Context) context.Context {
	if ctx == nil {
		return context.Background()
	}
	return ctx
}

// A durationSink is one series of a histogram of a MeterProvider. Its options are made once: to make them costs as much as
// to record.
type durationSink struct {
	histogram metric.Float64Histogram
	options   []metric.RecordOption
	unit      float64
}

func (s *durationSink) record(ctx context.Context, _ uint64, value int64) {
	s.histogram.Record(ctx, float64(value)/s.unit, s.options...)
}

// A countSink is the same of a histogram of integers.
type countSink struct {
	histogram metric.Int64Histogram
	options   []metric.RecordOption
}

func (s *countSink) record(ctx context.Context, _ uint64, value int64) {
	s.histogram.Record(ctx, value, s.options...)
}
