package rules

import (
	"slices"
	"time"

	"github.com/poolsql/poolsql/internal/observability/dashboard"
)

// A Severity says who is told.
type Severity string

// The severities.
const (
	Critical Severity = "critical" // callers fail or are about to: wakes somebody
	Warning  Severity = "warning"  // should be looked at today
	Info     Severity = "info"     // costs something, hurts nobody
)

// An alert is one before its times are scaled. Several may have one name, for the same trouble in another degree; they have one
// page in docs/runbook.
type alert struct {
	name     string
	severity Severity
	// expr is true while there is trouble; lasts is for how long it must be, without a break.
	expr  func(Scale) string
	lasts time.Duration
	// summary is a line, description says what is measured. Both are templates of Prometheus.
	summary, description string
}

// whose names the pool of an alert that is local, ofAll that of one that is common.
const (
	whose = "{{ $labels.db_client_connection_pool_name }} of {{ $labels.job }} at {{ $labels.instance }}"
	ofAll = "{{ $labels.db_client_connection_pool_name }} of {{ $labels.job }}"
)

// Alerts makes the alert rules. They need the recording rules of the same scale.
func Alerts(s Scale) *File {
	var rules []Rule
	for _, a := range slices.Concat(alerts, featureAlerts) {
		r := Rule{
			Alert: a.name, Expr: a.expr(s),
			Labels: map[string]string{"severity": string(a.severity)},
			Annotations: map[string]string{
				"summary": a.summary, "description": a.description, "runbook_url": dashboard.Runbooks + a.name + ".md",
			},
		}
		if a.lasts > 0 {
			r.For = s.of(a.lasts)
		}
		rules = append(rules, r)
	}
	return &File{
		Comment: "Made by internal/observability of poolsql: change it there. Needs poolsql-rules.yml beside it.",
		Groups:  []Group{{Name: "poolsql-alerts", Rules: rules}},
	}
}

// Names are the names of all alerts, each once.
func Names() map[string]bool {
	names := make(map[string]bool)
	for _, a := range slices.Concat(alerts, featureAlerts) {
		names[a.name] = true
	}
	return names
}
