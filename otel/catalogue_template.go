package poolotel

// The template's buckets.
var (
	templateAcquireBounds = []float64{0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5}
	templateQueryBounds   = []float64{0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10}
)

// The template's labels.
const (
	templateKeyType      = "type"
	templateKeyQueryType = "query_type"
)

// templateMetrics are those that are there with WithTemplateNames only.
var templateMetrics = map[metricID]Metric{
	idTemplateTotal: {
		Name: "db_pool_connections_total", Prometheus: "db_pool_connections_total",
		Kind: Gauge, Unit: "{connection}", Template: true,
		Description: "Open connections, those being opened or closed included.",
		Attributes:  []string{keyPool},
	},
	idTemplateIdle: {
		Name: "db_pool_connections_idle", Prometheus: "db_pool_connections_idle",
		Kind: Gauge, Unit: "{connection}", Template: true,
		Description: "Idle connections.",
		Attributes:  []string{keyPool},
	},
	idTemplateActive: {
		Name: "db_pool_connections_active", Prometheus: "db_pool_connections_active",
		Kind: Gauge, Unit: "{connection}", Template: true,
		Description: "Connections in use.",
		Attributes:  []string{keyPool},
	},
	idTemplateWaiting: {
		Name: "db_pool_waiting_requests", Prometheus: "db_pool_waiting_requests",
		Kind: Gauge, Unit: "{request}", Template: true,
		Description: "Callers that wait for a connection.",
		Attributes:  []string{keyPool},
	},
	idTemplateUtilization: {
		Name: "db_pool_utilization_percent", Prometheus: "db_pool_utilization_percent",
		Kind: Gauge, Unit: "%", floating: true, Template: true,
		Description: "Connections in use, in percent of the maximum.",
		Attributes:  []string{keyPool},
	},
	idTemplateAcquire: {
		Name: "db_pool_acquire_total", Prometheus: "db_pool_acquire_total",
		Kind: Counter, Unit: "{acquisition}", Template: true,
		Description: "Callers that were granted a connection.",
		Attributes:  []string{keyPool},
	},
	idTemplateRelease: {
		Name: "db_pool_release_total", Prometheus: "db_pool_release_total",
		Kind: Counter, Unit: "{release}", Template: true,
		Description: "Connections that were given back.",
		Attributes:  []string{keyPool},
	},
	idTemplateErrors: {
		Name: "db_pool_errors_total", Prometheus: "db_pool_errors_total",
		Kind: Counter, Unit: "{error}", Template: true,
		Description: "What failed, by type: a query, an attempt to connect, or to acquire (timeouts left out).",
		Attributes:  []string{keyPool, templateKeyType},
	},
	idTemplateTimeouts: {
		Name: "db_pool_timeouts_total", Prometheus: "db_pool_timeouts_total",
		Kind: Counter, Unit: "{timeout}", Template: true,
		Description: "Callers that got no connection in time.",
		Attributes:  []string{keyPool},
	},
	idTemplateAcquireDuration: {
		Name: "db_pool_acquire_duration_seconds", Prometheus: "db_pool_acquire_duration_seconds",
		Kind: Histogram, Unit: "s", Bounds: templateAcquireBounds, floating: true, FromRegistration: true, Template: true,
		Description: "How long callers waited for the connection that they got.",
		Attributes:  []string{keyPool},
	},
	idTemplateQueryDuration: {
		Name: "db_pool_query_duration_seconds", Prometheus: "db_pool_query_duration_seconds",
		Kind: Histogram, Unit: "s", Bounds: templateQueryBounds, floating: true, FromRegistration: true, Template: true,
		Description: "How long operations took, by the caller's label.",
		Attributes:  []string{keyPool, templateKeyQueryType},
	},
}
