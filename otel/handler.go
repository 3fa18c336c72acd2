package poolotel

import (
	"errors"
	"fmt"
	"net/http"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"
	otelprom "go.opentelemetry.io/otel/exporters/prometheus"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/poolsql/poolsql/connector"
)

// A MetricsHandler answers scrapes of Prometheus with the metrics of pools. Safe for concurrent use.
type MetricsHandler struct {
	producer *Producer
	serve    http.Handler
	opts     []Option

	mu     sync.Mutex
	pools  []*Registration
	closed bool
}

// Handler returns what answers scrapes of Prometheus with the metrics of these pools:
//
//	http.Handle("/metrics", poolotel.Handler(pool))
//
// If they cannot be measured, because a configuration is bad or two have one name, each scrape fails and says so. See
// [NewHandler], which has options and an error.
func Handler(pools ...*connector.Connector) http.Handler {
	h, err := NewHandler(pools)
	if err != nil {
		return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		})
	}
	return h
}

// NewHandler returns what answers scrapes of Prometheus with the metrics of these pools, each registered with these
// options. It uses a [Producer] and a registry of its own, so WithMeterProvider and WithProducer mean nothing to it.
//
// It speaks OpenMetrics to who asks for it, as Prometheus does, and then has exemplars with trace ids. There are no labels
// for OpenTelemetry's scope, and no target_info: all series are of this library.
func NewHandler(pools []*connector.Connector, opts ...Option) (*MetricsHandler, error) {
	h := &MetricsHandler{producer: NewProducer(), opts: opts}
	registry := prometheus.NewRegistry()
	exporter, err := otelprom.New(
		otelprom.WithRegisterer(registry), otelprom.WithProducer(h.producer),
		otelprom.WithoutScopeInfo(), otelprom.WithoutTargetInfo(),
	)
	if err != nil {
		return nil, fmt.Errorf("poolsql: cannot serve metrics: %w", err)
	}
	// A reader collects nothing, its producers included, before it belongs to a provider.
	sdkmetric.NewMeterProvider(sdkmetric.WithReader(exporter), sdkmetric.WithResource(resource.Empty()))
	gatherers := append(prometheus.Gatherers{registry}, newConfig(opts).gatherers...)
	h.serve = promhttp.HandlerFor(gatherers, promhttp.HandlerOpts{
		EnableOpenMetrics: true,
		ErrorHandling:     promhttp.ContinueOnError, // what is wrong with another's metric must not hide these
	})
	for _, pool := range pools {
		if _, err := h.Register(pool); err != nil {
			h.Close()
			return nil, err
		}
	}
	return h, nil
}

// Register adds a pool, with the handler's options and these. It fails as the function of that name does.
func (h *MetricsHandler) Register(pool *connector.Connector, opts ...Option) (*Registration, error) {
	all := append(append([]Option{}, h.opts...), opts...)
	r, err := Register(pool, append(all, WithProducer(h.producer))...)
	if err != nil {
		return nil, err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.closed {
		return nil, errors.Join(errors.New("poolsql: cannot measure: the handler is closed"), r.Unregister())
	}
	h.pools = append(h.pools, r)
	return r, nil
}

// ServeHTTP implements http.Handler.
func (h *MetricsHandler) ServeHTTP(w http.ResponseWriter, r *http.Request) { h.serve.ServeHTTP(w, r) }

// Close unregisters every pool. The handler goes on to answer, without them.
func (h *MetricsHandler) Close() {
	h.mu.Lock()
	pools := h.pools
	h.pools, h.closed = nil, true
	h.mu.Unlock()
	for _, r := range pools {
		_ = r.Unregister() // of a Producer it cannot fail
	}
}
