package poolotel

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// The defaults of the options.
const (
	DefaultMaxLabels      = 50
	DefaultMaxTenants     = 20
	DefaultMaxErrorSeries = 100
)

// An Option changes how [Register] and [NewHandler] measure a pool.
type Option interface {
	apply(config) config
}

type optionFunc func(config) config

func (f optionFunc) apply(c config) config { return f(c) }

type config struct {
	provider   metric.MeterProvider
	producer   *Producer
	poolName   string
	attributes []attribute.KeyValue
	labels     int
	tenants    int
	errors     int
	bounds     []float64 // nil for those of the catalogue
	template   bool
	gatherers  prometheus.Gatherers
}

func newConfig(opts []Option) config {
	c := config{labels: DefaultMaxLabels, tenants: DefaultMaxTenants, errors: DefaultMaxErrorSeries}
	for _, o := range opts {
		if o != nil {
			c = o.apply(c)
		}
	}
	return c
}

// WithMeterProvider has the metrics made by instruments of this provider. Defaults to OpenTelemetry's global one.
func WithMeterProvider(p metric.MeterProvider) Option {
	return optionFunc(func(c config) config { c.provider = p; return c })
}

// WithProducer has the metrics given out by p, and none made by a MeterProvider. It is the cheaper way: see the package
// documentation.
func WithProducer(p *Producer) Option {
	return optionFunc(func(c config) config { c.producer = p; return c })
}

// WithPoolName is the pool's name in the metrics, for two pools of one name. Defaults to the Name of its configuration.
func WithPoolName(name string) Option {
	return optionFunc(func(c config) config { c.poolName = name; return c })
}

// WithAttributes adds attributes to every series of the pool: a role, say, or db.system.name for a server that is no
// PostgreSQL. They win over those that are read from the pool's configuration, but not over the pool's name. A key that
// tells the pool's series apart, such as db.query.summary or poolsql.class, is refused by [Register]: of two
// series that become alike one would be lost.
func WithAttributes(attributes ...attribute.KeyValue) Option {
	attributes = slices.Clone(attributes)
	for i, kv := range attributes {
		if kv.Value.Type() == attribute.STRING {
			attributes[i].Value = attribute.StringValue(show(kv.Value.AsString()))
		}
	}
	return optionFunc(func(c config) config {
		c.attributes = append(slices.Clip(c.attributes), attributes...)
		return c
	})
}

// WithMaxLabels is how many labels of callers have series of their own: the first that come. The others are "other".
// Defaults to DefaultMaxLabels; with 0, all are "other".
func WithMaxLabels(n int) Option {
	return optionFunc(func(c config) config { c.labels = max(0, n); return c })
}

// WithMaxTenants is how many tenants have series of their own: the first that come. The others are "other". Defaults to
// DefaultMaxTenants; with 0, all are "other".
func WithMaxTenants(n int) Option {
	return optionFunc(func(c config) config { c.tenants = max(0, n); return c })
}

// WithMaxErrorSeries is how many pairs of label and error have series of their own: the first that come. Other errors of
// a label are its error.type "_OTHER". Defaults to DefaultMaxErrorSeries; with 0, all are.
func WithMaxErrorSeries(n int) Option {
	return optionFunc(func(c config) config { c.errors = max(0, n); return c })
}

// WithBuckets are the upper bounds, in seconds, of the buckets of every histogram of time. They are sorted, and what is no
// finite number above 0 is left out. Defaults to those that OpenTelemetry's conventions ask for, of which the first is a
// millisecond. The template's histograms keep theirs.
func WithBuckets(seconds ...float64) Option {
	bounds := slices.DeleteFunc(slices.Clone(seconds), func(s float64) bool {
		return math.IsNaN(s) || math.IsInf(s, 0) || s <= 0
	})
	slices.Sort(bounds)
	bounds = slices.Compact(bounds)
	return optionFunc(func(c config) config { c.bounds = bounds; return c })
}

// WithTemplateNames adds eleven series under the names db_pool_..., for dashboards that have them. They tell what others
// tell, under other names: see [Catalogue].
func WithTemplateNames() Option {
	return optionFunc(func(c config) config { c.template = true; return c })
}

// WithGatherer has [NewHandler] serve what g has as well: prometheus.DefaultGatherer, say, with the metrics of the program
// and of Go. It means nothing to [Register].
func WithGatherer(g prometheus.Gatherer) Option {
	return optionFunc(func(c config) config {
		if g != nil {
			c.gatherers = append(slices.Clip(c.gatherers), g)
		}
		return c
	})
}
