package poolotel

// featureMetrics are about what a configuration switches on: shedding, the adaptive limit, tenants' caps, slow calls apart, coalescing, affinity,
// routes, PgBouncer's console. Series that can be named beforehand are there with 0 where it does not.
var featureMetrics = map[metricID]Metric{
	idOverloaded: {
		Name: "poolsql.overloaded", Prometheus: "poolsql_overloaded",
		Kind: Gauge, Unit: "{class}",
		Description: "1 while more callers of the class come than can be served, as Shedding finds, in a dry run too; else 0.",
		Attributes:  []string{keyPool, keyClass},
	},
	idWouldRefuse: {
		Name: "poolsql.refusals.dry_run", Prometheus: "poolsql_refusals_dry_run_total",
		Kind: Counter, Unit: "{refusal}",
		Description: "Callers that Shedding would have turned away, were it no dry run, by class and reason.",
		Attributes:  []string{keyPool, keyClass, keyReason},
	},
	idLimitChanges: {
		Name: "poolsql.limit.changes", Prometheus: "poolsql_limit_changes_total",
		Kind: Counter, Unit: "{change}",
		Description: "Changes of the limit by AdaptiveLimit, by reason; absent without it.",
		Attributes:  []string{keyPool, keyReason},
	},
	idSlowConns: {
		Name: "poolsql.slow.connections", Prometheus: "poolsql_slow_connections",
		Kind: UpDownCounter, Unit: "{connection}",
		Description: "Connections that calls with slow labels hold: of their own share, or borrowed.",
		Attributes:  []string{keyPool, keyState},
	},
	idTenantHeldBack: {
		Name: "poolsql.tenant.held_back", Prometheus: "poolsql_tenant_held_back",
		Kind: UpDownCounter, Unit: "{request}",
		Description: "Callers that wait because their tenant holds as many connections as it may.",
		Attributes:  []string{keyPool},
	},
	idTenantRefusals: {
		Name: "poolsql.tenant.refusals", Prometheus: "poolsql_tenant_refusals_total",
		Kind: Counter, Unit: "{refusal}", FromRegistration: true,
		Description: "Callers that were turned away, by tenant; those who gave up, or were sent away by an operator, left out.",
		Attributes:  []string{keyPool, keyTenant},
	},
	idCoalescingCalls: {
		Name: "poolsql.coalescing.calls", Prometheus: "poolsql_coalescing_calls_total",
		Kind: Counter, Unit: "{call}",
		Description: "Calls that asked to share, by result: executed for all, shared another's, alone after all, or refused at a cap.",
		Attributes:  []string{keyPool, keyResult},
	},
	idCoalescingWaiting: {
		Name: "poolsql.coalescing.waiting", Prometheus: "poolsql_coalescing_waiting",
		Kind: UpDownCounter, Unit: "{call}",
		Description: "Calls that wait for an execution that they share.",
		Attributes:  []string{keyPool},
	},
	idStatementRemovals: {
		Name: "poolsql.statement_cache.removals", Prometheus: "poolsql_statement_cache_removals_total",
		Kind: Counter, Unit: "{statement}",
		Description: "Prepared statements that were dropped: evicted for others, or invalidated because the server has them no more.",
		Attributes:  []string{keyPool, keyReason},
	},
	idStatements: {
		Name: "poolsql.statement_cache.size", Prometheus: "poolsql_statement_cache_size",
		Kind: UpDownCounter, Unit: "{statement}",
		Description: "Statements that are prepared, on all connections together.",
		Attributes:  []string{keyPool},
	},
	idAffinityLookups: {
		Name: "poolsql.affinity.lookups", Prometheus: "poolsql_affinity_lookups_total",
		Kind: Counter, Unit: "{lookup}",
		Description: "Callers with an affinity key, by result: hit, if they got the connection that served the key last, or miss.",
		Attributes:  []string{keyPool, keyResult},
	},
	idRouteAcquisitions: {
		Name: "poolsql.route.acquisitions", Prometheus: "poolsql_route_acquisitions_total",
		Kind: Counter, Unit: "{acquisition}",
		Description: "Callers that the route was chosen for, and that got a connection there.",
		Attributes:  []string{keyPool, keyRoute},
	},
	idRouteServing: {
		Name: "poolsql.route.serving", Prometheus: "poolsql_route_serving",
		Kind: Gauge, Unit: "{route}",
		Description: "1 if the route would be chosen for a read, 0 while it is ejected or too far behind; absent before anybody reads.",
		Attributes:  []string{keyPool, keyRoute},
	},
	idRouteLag: {
		Name: "poolsql.route.lag", Prometheus: "poolsql_route_lag_seconds",
		Kind: Gauge, Unit: "s", floating: true,
		Description: "How far the route's replica was behind the primary when both were asked last, which is while reads come.",
		Attributes:  []string{keyPool, keyRoute},
	},
	idRouteEjections: {
		Name: "poolsql.route.ejections", Prometheus: "poolsql_route_ejections_total",
		Kind: Counter, Unit: "{ejection}",
		Description: "How often the route was left alone because it failed.",
		Attributes:  []string{keyPool, keyRoute},
	},
	idRouteFallbacks: {
		Name: "poolsql.route.fallbacks", Prometheus: "poolsql_route_fallbacks_total",
		Kind: Counter, Unit: "{read}",
		Description: "Reads for routes that the primary served: no route was fit, none fresh enough, or those that were tried failed.",
		Attributes:  []string{keyPool, keyReason},
	},
	idPgBouncerUp: {
		Name: "poolsql.pgbouncer.up", Prometheus: "poolsql_pgbouncer_up",
		Kind: Gauge, Unit: "{console}",
		Description: "1 if PgBouncer's console answered the health monitor last, else 0.",
		Attributes:  []string{keyPool},
	},
	idPgBouncerClients: {
		Name: "poolsql.pgbouncer.clients", Prometheus: "poolsql_pgbouncer_clients",
		Kind: Gauge, Unit: "{client}",
		Description: "Clients of PgBouncer on this database, of all programs: active, or waiting for a server's connection.",
		Attributes:  []string{keyPool, keyState},
	},
	idPgBouncerServers: {
		Name: "poolsql.pgbouncer.servers", Prometheus: "poolsql_pgbouncer_servers",
		Kind: Gauge, Unit: "{connection}",
		Description: "PgBouncer's connections to the server for this database: active, idle, or other.",
		Attributes:  []string{keyPool, keyState},
	},
	idPgBouncerMaxWait: {
		Name: "poolsql.pgbouncer.max_wait", Prometheus: "poolsql_pgbouncer_max_wait_seconds",
		Kind: Gauge, Unit: "s", floating: true,
		Description: "For how long the first of PgBouncer's waiting clients has waited.",
		Attributes:  []string{keyPool},
	},
}
