package rules_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/observability"
	"github.com/poolsql/poolsql/internal/observability/dashboard"
	"github.com/poolsql/poolsql/internal/observability/prometheus"
	"github.com/poolsql/poolsql/internal/observability/promql"
	"github.com/poolsql/poolsql/internal/observability/rules"
	poolotel "github.com/poolsql/poolsql/otel"
)

// all returns every rule as it is checked in.
func all() []rules.Rule {
	var found []rules.Rule
	for _, f := range []*rules.File{rules.Recording(1), rules.Alerts(1)} {
		for _, g := range f.Groups {
			found = append(found, g.Rules...)
		}
	}
	return found
}

// write puts both files of rules where promtool finds them.
func write(t *testing.T, scale rules.Scale) (files []string) {
	t.Helper()
	for i, file := range []*rules.File{rules.Recording(scale), rules.Alerts(scale)} {
		text, err := file.YAML()
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), fmt.Sprintf("rules%d.yml", i))
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		files = append(files, path)
	}
	return files
}

func TestPromtoolAcceptsTheRules(t *testing.T) {
	for _, scale := range []rules.Scale{1, 60} {
		args := append([]string{"check", "rules", "--lint=all", "--lint-fatal"}, write(t, scale)...)
		if output, err := prometheus.Promtool(t.Context(), nil, args...); err != nil {
			t.Errorf("scale %d: %v\n%s", scale, err, output)
		}
	}
}

func TestRulesAskForMetricsAndLabelsThatExist(t *testing.T) {
	labels := map[string][]string{}
	for _, m := range poolotel.Catalogue() {
		names := []string{m.Prometheus}
		if m.Kind == poolotel.Histogram {
			names = []string{m.Prometheus + "_bucket", m.Prometheus + "_sum", m.Prometheus + "_count"}
		}
		for _, name := range names {
			labels[name] = []string{"job", "instance", "le"}
			for _, a := range m.Attributes {
				labels[name] = append(labels[name], strings.ReplaceAll(a, ".", "_"))
			}
		}
		if m.Template {
			delete(labels, m.Prometheus)
		}
	}
	for _, r := range all() {
		known := map[string]bool{}
		for _, metric := range promql.Metrics(r.Expr) {
			if labels[metric] == nil {
				t.Errorf("%s%s asks for %s, which neither a pool nor a recording rule has", r.Record, r.Alert, metric)
			}
			for _, label := range labels[metric] {
				known[label] = true
			}
		}
		for _, label := range promql.Labels(r.Expr) {
			if !known[label] {
				t.Errorf("%s%s uses the label %s, which no metric of it has", r.Record, r.Alert, label)
			}
		}
		if r.Record != "" {
			labels[r.Record] = []string{"job", "instance", "db_client_connection_pool_name", "poolsql_class"}
		}
	}
}

// TestEveryAlertSaysWhatToDo holds alerts and runbooks against each other.
func TestEveryAlertSaysWhatToDo(t *testing.T) {
	root, err := observability.Root()
	if err != nil {
		t.Fatal(err)
	}
	pages, err := filepath.Glob(filepath.Join(root, "docs", "runbook", "Poolsql*.md"))
	if err != nil {
		t.Fatal(err)
	}
	names := rules.Names()
	for _, page := range pages {
		if name := strings.TrimSuffix(filepath.Base(page), ".md"); !names[name] {
			t.Errorf("%s is a page for no alert", page)
		}
	}
	index, err := os.ReadFile(filepath.Join(root, "docs", "runbook", "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	for name := range names {
		text, err := os.ReadFile(filepath.Join(root, "docs", "runbook", name+".md"))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, heading := range []string{
			"# " + name + "\n", "## What it means\n", "## What callers see\n", "## Who and what, in five minutes\n", "## What to do\n",
			"## What not to do\n",
		} {
			if !strings.Contains(string(text), heading) {
				t.Errorf("the page of %s lacks %q", name, strings.TrimSpace(heading))
			}
		}
		if !strings.Contains(string(index), "]("+name+".md)") {
			t.Errorf("docs/runbook/README.md does not lead to %s", name)
		}
	}
	for _, r := range all() {
		if r.Alert == "" {
			continue
		}
		if got := r.Annotations["runbook_url"]; got != dashboard.Runbooks+r.Alert+".md" {
			t.Errorf("%s sends its reader to %s", r.Alert, got)
		}
		if s := r.Labels["severity"]; s != "critical" && s != "warning" && s != "info" {
			t.Errorf("%s has the severity %q", r.Alert, s)
		}
		if r.Annotations["summary"] == "" || r.Annotations["description"] == "" {
			t.Errorf("%s does not say what it is about", r.Alert)
		}
	}
}

var span = regexp.MustCompile(`\[([0-9a-z]+)\]`)

func TestAScaleMakesEveryTimeShorter(t *testing.T) {
	const scale = 60
	shorter := append(rules.Recording(scale).Groups[0].Rules, rules.Alerts(scale).Groups[0].Rules...)
	for i, r := range all() {
		s := shorter[i]
		if r.Alert != s.Alert || r.Record != s.Record {
			t.Fatalf("another rule: %+v, %+v", r, s)
		}
		times, scaled := span.FindAllStringSubmatch(r.Expr, -1), span.FindAllStringSubmatch(s.Expr, -1)
		if r.For != "" {
			times, scaled = append(times, []string{"", r.For}), append(scaled, []string{"", s.For})
		}
		for j := range times {
			want, err := time.ParseDuration(times[j][1])
			if err != nil {
				t.Fatal(err)
			}
			if got, err := time.ParseDuration(scaled[j][1]); err != nil || got != want/scale {
				t.Errorf("%s%s: %s became %s (%v)", r.Record, r.Alert, want, got, err)
			}
		}
	}
}
