package observability_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/internal/observability/dashboard"
	"github.com/poolsql/poolsql/internal/observability/prometheus"
	"github.com/poolsql/poolsql/internal/observability/rules"
	"github.com/poolsql/poolsql/internal/testdb"
)

const (
	// pace makes the minutes of the rules seconds.
	pace = 60
	// scrapeEvery is how often Prometheus looks: four times in the shortest window.
	scrapeEvery = 500 * time.Millisecond
	// patience is how long all alerts may take to fire and to clear. The slowest of them needs half an hour to fire and as
	// much to clear, which is a minute here.
	patience = 150 * time.Second
)

// A trouble is a pool with something wrong, until it is mended.
type trouble struct {
	pool string
	// alerts are those that must fire, as "alert severity".
	alerts []string
	mend   func()

	fired  map[string]bool
	mended bool
	clear  bool
}

// TestEachAlertFiresForItsTroubleAndClears makes every trouble that there is an alert for, each in a pool of its own, on real
// servers and before a real Prometheus.
func TestEachAlertFiresForItsTroubleAndClears(t *testing.T) {
	testdb.NoLeaks(t)
	s := newSite(t)
	shared := testdb.New(t)
	troubles := []*trouble{
		full(s, shared.DSN), gone(s, testdb.Private(t)), churning(s, shared.DSN), failing(s, shared.DSN), leaking(s, shared.DSN),
		nesting(s, shared.DSN), suspended(s, shared.DSN), cold(s, shared.DSN),
		flooded(s, shared.DSN), behind(s, testdb.Replicated(t)), unshared(s, shared.DSN),
		bounced(s, shared.DSN, "queued", connector.PgBouncerStats{Up: true, ClientsWaiting: 3, MaxWait: 4 * time.Second}, "PoolsqlPgBouncerQueue warning"),
		bounced(s, shared.DSN, "silent", connector.PgBouncerStats{}, "PoolsqlPgBouncerSilent info"),
	}
	well(s, shared.DSN)
	p := prometheus.Start(t, prometheus.Config{
		Every: scrapeEvery, Job: "app", Targets: []string{s.address()}, Rules: [][]byte{yamlOf(t, rules.Recording(pace)), yamlOf(t, rules.Alerts(pace))},
	})

	told := make(map[string]bool)
	for _, tr := range troubles {
		tr.fired = make(map[string]bool)
		for _, a := range tr.alerts {
			told[strings.Fields(a)[0]] = true
		}
	}
	for name := range rules.Names() {
		if !told[name] {
			t.Errorf("nothing provokes %s", name)
		}
	}
	began := time.Now()
	for time.Since(began) < patience && !allClear(troubles) {
		alerts, err := p.Alerts(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		firing := firingByPool(t, alerts)
		for name := range firing["well"] {
			t.Fatalf("%s fires for the pool that is well", name)
		}
		for _, tr := range troubles {
			tr.look(t, firing[tr.pool], began)
		}
		time.Sleep(scrapeEvery / 2)
	}
	for _, tr := range troubles {
		switch {
		case !tr.mended:
			t.Errorf("pool %s: fired %v, want %v", tr.pool, slices.Sorted(maps.Keys(tr.fired)), tr.alerts)
		case !tr.clear:
			t.Errorf("pool %s: its alerts have not cleared", tr.pool)
		}
	}
	requireHealthyRules(t, p)
}

// look notes what fires, mends the pool when everything has, and sees whether it clears.
func (tr *trouble) look(t *testing.T, firing map[string]bool, began time.Time) {
	at := time.Since(began).Round(time.Second)
	for name := range firing {
		if !tr.fired[name] && slices.Contains(tr.alerts, name) {
			t.Logf("%4s %-9s %s fires", at, tr.pool, name)
		}
		tr.fired[name] = true
	}
	missing := slices.ContainsFunc(tr.alerts, func(a string) bool { return !tr.fired[a] })
	switch {
	case !tr.mended && !missing:
		t.Logf("%4s %-9s is mended", at, tr.pool)
		tr.mend()
		tr.mended = true
	case tr.mended && !tr.clear && len(firing) == 0:
		t.Logf("%4s %-9s has cleared", at, tr.pool)
		tr.clear = true
	}
}

func allClear(troubles []*trouble) bool {
	return !slices.ContainsFunc(troubles, func(tr *trouble) bool { return !tr.clear })
}

// firingByPool returns which alerts fire, and holds what they say against what they should.
func firingByPool(t *testing.T, alerts []prometheus.Alert) map[string]map[string]bool {
	t.Helper()
	firing := make(map[string]map[string]bool)
	for _, a := range alerts {
		if a.State != "firing" {
			continue
		}
		pool := a.Labels["db_client_connection_pool_name"]
		if firing[pool] == nil {
			firing[pool] = make(map[string]bool)
		}
		firing[pool][a.Labels["alertname"]+" "+a.Labels["severity"]] = true
		for name, text := range a.Annotations {
			if strings.Contains(text, "<") || strings.Contains(text, "{{") || strings.Contains(text, "NaN") {
				t.Errorf("%s: its %s is %q", a.Labels["alertname"], name, text)
			}
		}
		if !strings.Contains(a.Annotations["summary"], pool) || pool == "" {
			t.Errorf("%s does not name its pool: %q", a.Labels["alertname"], a.Annotations["summary"])
		}
		page, isOurs := strings.CutPrefix(a.Annotations["runbook_url"], dashboard.Runbooks)
		if _, err := os.Stat(filepath.Join(root(t), "docs", "runbook", page)); !isOurs || err != nil {
			t.Errorf("%s: %q leads to no page", a.Labels["alertname"], a.Annotations["runbook_url"])
		}
	}
	return firing
}

func requireHealthyRules(t *testing.T, p *prometheus.Server) {
	t.Helper()
	states, err := p.Rules(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range states {
		if r.Health != "ok" {
			t.Errorf("the rule %s is %s: %s\n%s", r.Name, r.Health, r.LastError, r.Query)
		}
	}
}

func yamlOf(t *testing.T, f *rules.File) []byte {
	t.Helper()
	text, err := f.YAML()
	if err != nil {
		t.Fatal(err)
	}
	return text
}
