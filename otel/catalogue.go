package poolotel

import "slices"

// A Kind is the kind of instrument that a metric is.
type Kind uint8

// The kinds.
const (
	Counter       Kind = iota + 1 // only grows
	UpDownCounter                 // a number of things, which may be added up over pools
	Gauge                         // a number that may not
	Histogram                     // how many values were in which range, and their sum
)

// String returns the kind's name as OpenTelemetry writes it.
func (k Kind) String() string {
	switch k {
	case Counter:
		return "Counter"
	case UpDownCounter:
		return "UpDownCounter"
	case Gauge:
		return "Gauge"
	case Histogram:
		return "Histogram"
	default:
		return "Kind(?)"
	}
}

// A Metric is what is known of a metric of this package before anything was measured.
type Metric struct {
	// Name is OpenTelemetry's, Prometheus what it is in a scrape: of a histogram, without _bucket, _sum and _count.
	Name, Prometheus string
	Kind             Kind
	// Unit is in UCUM, as OpenTelemetry has it. Durations are in seconds.
	Unit        string
	Description string
	// Attributes are the keys that its series may have, beside those of WithAttributes. In a scrape their dots are
	// underscores.
	Attributes []string
	// Bounds are the upper bounds of a histogram's buckets, unless WithBuckets has others.
	Bounds []float64
	// FromRegistration says that it counts from the registration on: it is made of events. The others count from the
	// pool's start, since they are read from its Stats.
	FromRegistration bool
	// Template says that it is there only with WithTemplateNames.
	Template bool

	floating bool // its values are no integers
}

// The attributes that are not OpenTelemetry's own.
const (
	keyClass   = "poolsql.class"
	keyReason  = "poolsql.reason"
	keyTenant  = "poolsql.tenant"
	keyUser    = "poolsql.user"
	keyOutcome = "poolsql.outcome"
	keyState   = "poolsql.state"
	keyResult  = "poolsql.result"
	keyRoute   = "poolsql.route"
)

// Those of OpenTelemetry's conventions for databases.
const (
	keyPool      = "db.client.connection.pool.name"
	keyConnState = "db.client.connection.state"
	keySystem    = "db.system.name"
	keyNamespace = "db.namespace"
	keySummary   = "db.query.summary"
	keyStatus    = "db.response.status_code"
	keyErrorType = "error.type"
	keyAddress   = "server.address"
	keyPort      = "server.port"
)

// metricID is a metric's place in the catalogue.
type metricID uint8

const (
	idOpDuration metricID = iota
	idOpRows
	idConnCount
	idConnMax
	idConnIdleMax
	idConnIdleMin
	idConnPending
	idConnTimeouts
	idConnCreateTime
	idConnWaitTime
	idConnUseTime
	idAcquisitions
	idRefusals
	idQueueWait
	idQueueLength
	idLimit
	idReserve
	idSuspended
	idConnections
	idConnsCreated
	idConnsClosed
	idConnectFailures
	idOperations
	idRetries
	idCancels
	idLeaks
	idNested
	idStatementLookups
	idTenantUseTime
	idHealthScore
	idOverloaded
	idWouldRefuse
	idLimitChanges
	idSlowConns
	idTenantHeldBack
	idTenantRefusals
	idCoalescingCalls
	idCoalescingWaiting
	idStatementRemovals
	idStatements
	idAffinityLookups
	idRouteAcquisitions
	idRouteServing
	idRouteLag
	idRouteEjections
	idRouteFallbacks
	idPgBouncerUp
	idPgBouncerClients
	idPgBouncerServers
	idPgBouncerMaxWait
	idTemplateTotal
	idTemplateIdle
	idTemplateActive
	idTemplateWaiting
	idTemplateUtilization
	idTemplateAcquire
	idTemplateRelease
	idTemplateErrors
	idTemplateTimeouts
	idTemplateAcquireDuration
	idTemplateQueryDuration
	numMetrics
)

// durationBounds are those that OpenTelemetry's conventions ask for in db.client.operation.duration. They say nothing of
// the other durations; that all have the same makes quantiles of them comparable.
var durationBounds = []float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10}

// rowBounds are those that the conventions ask for in db.client.response.returned_rows.
var rowBounds = []float64{1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000}

var operationAttributes = []string{keyPool, keySystem, keyNamespace, keyAddress, keyPort, keySummary}

// plainMetrics are those of the conventions and of what every pool has.
var plainMetrics = map[metricID]Metric{
	idOpDuration: {
		Name: "db.client.operation.duration", Prometheus: "db_client_operation_duration_seconds",
		Kind: Histogram, Unit: "s", Bounds: durationBounds, floating: true, FromRegistration: true,
		Description: "How long operations took, from when they had a connection; a query's until its rows were closed.",
		Attributes:  append(slices.Clone(operationAttributes), keyErrorType, keyStatus),
	},
	idOpRows: {
		Name: "db.client.response.returned_rows", Prometheus: "db_client_response_returned_rows",
		Kind: Histogram, Unit: "{row}", Bounds: rowBounds, FromRegistration: true,
		Description: "How many rows were read of the queries that succeeded.",
		Attributes:  operationAttributes,
	},
	idConnCount: {
		Name: "db.client.connection.count", Prometheus: "db_client_connection_count",
		Kind: UpDownCounter, Unit: "{connection}",
		Description: "Open connections that are idle, or used by a caller.",
		Attributes:  []string{keyPool, keyConnState},
	},
	idConnMax: {
		Name: "db.client.connection.max", Prometheus: "db_client_connection_max",
		Kind: UpDownCounter, Unit: "{connection}",
		Description: "How many connections there may be.",
		Attributes:  []string{keyPool},
	},
	idConnIdleMax: {
		Name: "db.client.connection.idle.max", Prometheus: "db_client_connection_idle_max",
		Kind: UpDownCounter, Unit: "{connection}",
		Description: "How many connections may be idle: all.",
		Attributes:  []string{keyPool},
	},
	idConnIdleMin: {
		Name: "db.client.connection.idle.min", Prometheus: "db_client_connection_idle_min",
		Kind: UpDownCounter, Unit: "{connection}",
		Description: "How many connections are kept open.",
		Attributes:  []string{keyPool},
	},
	idConnPending: {
		Name: "db.client.connection.pending_requests", Prometheus: "db_client_connection_pending_requests",
		Kind: UpDownCounter, Unit: "{request}",
		Description: "Callers that wait for a connection.",
		Attributes:  []string{keyPool},
	},
	idConnTimeouts: {
		Name: "db.client.connection.timeouts", Prometheus: "db_client_connection_timeouts_total",
		Kind: Counter, Unit: "{timeout}",
		Description: "Callers that got no connection because the acquire timeout or their deadline passed.",
		Attributes:  []string{keyPool},
	},
	idConnCreateTime: {
		Name: "db.client.connection.create_time", Prometheus: "db_client_connection_create_time_seconds",
		Kind: Histogram, Unit: "s", Bounds: durationBounds, floating: true, FromRegistration: true,
		Description: "How long it took to open connections, those that failed left out.",
		Attributes:  []string{keyPool},
	},
	idConnWaitTime: {
		Name: "db.client.connection.wait_time", Prometheus: "db_client_connection_wait_time_seconds",
		Kind: Histogram, Unit: "s", Bounds: durationBounds, floating: true, FromRegistration: true,
		Description: "How long callers waited for the connection that they got.",
		Attributes:  []string{keyPool},
	},
	idConnUseTime: {
		Name: "db.client.connection.use_time", Prometheus: "db_client_connection_use_time_seconds",
		Kind: Histogram, Unit: "s", Bounds: durationBounds, floating: true, FromRegistration: true,
		Description: "How long connections were held, from when a caller got one until it gave it back.",
		Attributes:  []string{keyPool},
	},
	idAcquisitions: {
		Name: "poolsql.acquisitions", Prometheus: "poolsql_acquisitions_total",
		Kind: Counter, Unit: "{acquisition}",
		Description: "Callers that were granted a connection, by class.",
		Attributes:  []string{keyPool, keyClass},
	},
	idRefusals: {
		Name: "poolsql.refusals", Prometheus: "poolsql_refusals_total",
		Kind: Counter, Unit: "{refusal}",
		Description: "Callers that were turned away, those that timed out included, by class and reason.",
		Attributes:  []string{keyPool, keyClass, keyReason},
	},
	idQueueWait: {
		Name: "poolsql.queue.wait", Prometheus: "poolsql_queue_wait_seconds",
		Kind: Histogram, Unit: "s", Bounds: durationBounds, floating: true, FromRegistration: true,
		Description: "How long callers waited, by class and by what came of it: admitted, refused or timeout.",
		Attributes:  []string{keyPool, keyClass, keyOutcome},
	},
	idQueueLength: {
		Name: "poolsql.queue.length", Prometheus: "poolsql_queue_length",
		Kind: UpDownCounter, Unit: "{request}",
		Description: "Callers that wait for a connection, by class.",
		Attributes:  []string{keyPool, keyClass},
	},
	idLimit: {
		Name: "poolsql.limit", Prometheus: "poolsql_limit",
		Kind: Gauge, Unit: "{connection}",
		Description: "How many connections may be lent at once now: none while the pool is suspended.",
		Attributes:  []string{keyPool},
	},
	idReserve: {
		Name: "poolsql.reserve", Prometheus: "poolsql_reserve",
		Kind: Gauge, Unit: "{connection}",
		Description: "How many of them only callers of class high may use.",
		Attributes:  []string{keyPool},
	},
	idSuspended: {
		Name: "poolsql.suspended", Prometheus: "poolsql_suspended",
		Kind: Gauge, Unit: "{pool}",
		Description: "1 while the pool is suspended and lends nothing, else 0.",
		Attributes:  []string{keyPool},
	},
	idConnections: {
		Name: "poolsql.connections", Prometheus: "poolsql_connections",
		Kind: UpDownCounter, Unit: "{connection}",
		Description: "Connections by state: creating, idle, used or closing. Their sum is held against the maximum.",
		Attributes:  []string{keyPool, keyState},
	},
	idConnsCreated: {
		Name: "poolsql.connections.created", Prometheus: "poolsql_connections_created_total",
		Kind: Counter, Unit: "{connection}",
		Description: "Connections that were opened.",
		Attributes:  []string{keyPool},
	},
	idConnsClosed: {
		Name: "poolsql.connections.closed", Prometheus: "poolsql_connections_closed_total",
		Kind: Counter, Unit: "{connection}",
		Description: "Connections that were closed, by reason.",
		Attributes:  []string{keyPool, keyReason},
	},
	idConnectFailures: {
		Name: "poolsql.connect.failures", Prometheus: "poolsql_connect_failures_total",
		Kind: Counter, Unit: "{failure}",
		Description: "Attempts to open a connection that failed.",
		Attributes:  []string{keyPool},
	},
	idOperations: {
		Name: "poolsql.operations", Prometheus: "poolsql_operations_total",
		Kind: Counter, Unit: "{operation}",
		Description: "Operations, those under way included, and those that failed.",
		Attributes:  []string{keyPool, keyOutcome},
	},
	idRetries: {
		Name: "poolsql.retries", Prometheus: "poolsql_retries_total",
		Kind: Counter, Unit: "{retry}", FromRegistration: true,
		Description: "Operations and transactions that were tried again.",
		Attributes:  []string{keyPool},
	},
	idCancels: {
		Name: "poolsql.cancels", Prometheus: "poolsql_cancels_total",
		Kind: Counter, Unit: "{cancel}", FromRegistration: true,
		Description: "Requests to the server to cancel a statement, and those that could not be made.",
		Attributes:  []string{keyPool, keyOutcome},
	},
	idLeaks: {
		Name: "poolsql.leaks", Prometheus: "poolsql_leaks_total",
		Kind: Counter, Unit: "{leak}",
		Description: "Connections that were held for longer than the leak threshold.",
		Attributes:  []string{keyPool},
	},
	idNested: {
		Name: "poolsql.nested", Prometheus: "poolsql_nested_total",
		Kind: Counter, Unit: "{acquisition}", FromRegistration: true,
		Description: "Callers that asked for a connection while they held one.",
		Attributes:  []string{keyPool},
	},
	idStatementLookups: {
		Name: "poolsql.statement_cache.lookups", Prometheus: "poolsql_statement_cache_lookups_total",
		Kind: Counter, Unit: "{lookup}",
		Description: "Look-ups of prepared statements, by result: hit or miss.",
		Attributes:  []string{keyPool, keyResult},
	},
	idTenantUseTime: {
		Name: "poolsql.tenant.use_time", Prometheus: "poolsql_tenant_use_time_seconds_total",
		Kind: Counter, Unit: "s", floating: true, FromRegistration: true,
		Description: "How long connections were held, by tenant.",
		Attributes:  []string{keyPool, keyTenant},
	},
	idHealthScore: {
		Name: "poolsql.health.score", Prometheus: "poolsql_health_score",
		Kind: Gauge, Unit: "{point}", FromRegistration: true,
		Description: "The last judgment of the pool's health, from 0 to 100.",
		Attributes:  []string{keyPool},
	},
}

// catalogue has every metric, at its place.
var catalogue = assemble(plainMetrics, featureMetrics, templateMetrics)

func assemble(parts ...map[metricID]Metric) (all [numMetrics]Metric) {
	for _, part := range parts {
		for id, m := range part {
			all[id] = m
		}
	}
	return all
}

// Catalogue returns every metric that this package makes, OpenTelemetry's first, then ours, then the template's. It is
// what its documentation, tests and dashboards go by.
func Catalogue() []Metric {
	all := slices.Clone(catalogue[:])
	for i := range all {
		all[i].Attributes = slices.Clone(all[i].Attributes)
		all[i].Bounds = slices.Clone(all[i].Bounds)
	}
	return all
}
