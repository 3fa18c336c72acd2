package dashboard

import "github.com/poolsql/poolsql/internal/observability/grafana"

// Path is where the dashboard is checked in, from the root of the repository.
const Path = "otel/grafana/poolsql.json"

// Runbooks is where the page of each alert is.
const Runbooks = "https://github.com/poolsql/poolsql/blob/main/docs/runbook/"

// source is the data source that the user has chosen.
var source = grafana.DataSource{Type: "prometheus", UID: "${datasource}"}

// New makes the dashboard.
func New() *grafana.Dashboard {
	var l layout
	overview(&l)
	whoIsSlow(&l)
	connections(&l)
	queue(&l)
	operations(&l)
	overload(&l)
	tenants(&l)
	trouble(&l)
	statements(&l)
	sharing(&l)
	routes(&l)
	pgbouncer(&l)
	return &grafana.Dashboard{
		UID:   "poolsql",
		Title: "poolsql",
		Description: "What the pools of an application do, and whether we, the queue or the database is slow. " +
			"Made by internal/observability of poolsql: change it there.",
		Tags:          []string{"poolsql", "postgresql", "opentelemetry"},
		SchemaVersion: grafana.SchemaVersion,
		Editable:      true,
		GraphTooltip:  grafana.SharedCrosshair,
		Refresh:       "30s",
		Timezone:      "browser",
		Time:          grafana.TimeRange{From: "now-1h", To: "now"},
		Links:         []grafana.Link{grafana.NewLink("Runbooks", Runbooks, "What each alert means, and what to do")},
		Templating:    grafana.Templating{List: variables()},
		Panels:        l.panels,
	}
}

// variables are what the user chooses at the top. Each but the first asks a metric that every pool has, from its first
// scrape on.
func variables() []grafana.Variable {
	return []grafana.Variable{
		grafana.DataSourceVariable("datasource", "Data source", "The Prometheus that scrapes the applications.", "prometheus"),
		grafana.LabelVariable("job", "Job", "The applications, as the scrape configuration names them.",
			"label_values(db_client_connection_max, job)", source),
		grafana.LabelVariable("instance", "Instance", "Their processes.",
			`label_values(db_client_connection_max{job=~"$job"}, instance)`, source),
		grafana.LabelVariable("pool", "Pool", "Their pools: Config.Name.",
			`label_values(db_client_connection_max{job=~"$job",instance=~"$instance"}, db_client_connection_pool_name)`, source),
		grafana.LabelVariable("class", "Class", "How much a call matters. Only what is told by class goes by it.",
			`label_values(poolsql_queue_length{job=~"$job",instance=~"$instance",db_client_connection_pool_name=~"$pool"}, poolsql_class)`, source),
	}
}
