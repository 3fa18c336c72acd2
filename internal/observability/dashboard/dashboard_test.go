package dashboard_test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/internal/observability/dashboard"
	"github.com/poolsql/poolsql/internal/observability/grafana"
	"github.com/poolsql/poolsql/internal/observability/promql"
	poolotel "github.com/poolsql/poolsql/otel"
)

// panels returns the panels of the dashboard, without the headings.
func panels() []*grafana.Panel {
	var found []*grafana.Panel
	for _, p := range dashboard.New().Panels {
		if panel, ok := p.(*grafana.Panel); ok {
			found = append(found, panel)
		}
	}
	return found
}

// place is what panels and headings have in common, as it is in the file.
type place struct {
	ID      int             `json:"id"`
	Title   string          `json:"title"`
	GridPos grafana.GridPos `json:"gridPos"`
}

func places(t *testing.T) []place {
	t.Helper()
	file, err := dashboard.New().JSON()
	if err != nil {
		t.Fatal(err)
	}
	var read struct {
		Panels []place `json:"panels"`
	}
	if err := json.Unmarshal(file, &read); err != nil {
		t.Fatal(err)
	}
	if len(read.Panels) < 30 {
		t.Fatalf("%d panels", len(read.Panels))
	}
	return read.Panels
}

func TestPanelsHaveIDsAndTitlesOfTheirOwn(t *testing.T) {
	ids, titles := make(map[int]bool), make(map[string]bool)
	for _, p := range places(t) {
		if p.ID < 1 || ids[p.ID] {
			t.Errorf("%q has the id %d, which is none or another's", p.Title, p.ID)
		}
		if p.Title == "" || titles[p.Title] {
			t.Errorf("the title %q is empty or another panel's", p.Title)
		}
		ids[p.ID], titles[p.Title] = true, true
	}
}

func TestNoPanelOverlapsAnotherOrLeavesTheGrid(t *testing.T) {
	all := places(t)
	for i, p := range all {
		if g := p.GridPos; g.X < 0 || g.Y < 0 || g.W < 1 || g.H < 1 || g.X+g.W > grafana.Columns {
			t.Errorf("%q is outside the grid: %+v", p.Title, g)
		}
		for _, o := range all[:i] {
			if p.GridPos.Overlaps(o.GridPos) {
				t.Errorf("%q at %+v overlaps %q at %+v", p.Title, p.GridPos, o.Title, o.GridPos)
			}
		}
	}
}

func TestEveryVariableIsUsedAndEveryUsedOneExists(t *testing.T) {
	board := dashboard.New()
	uses := make(map[string]bool)
	note := func(text string) {
		for _, part := range strings.Split(text, "$")[1:] {
			uses[strings.FieldsFunc(strings.TrimPrefix(part, "{"), func(r rune) bool {
				return r != '_' && (r < 'a' || r > 'z')
			})[0]] = true
		}
	}
	for _, p := range panels() {
		if p.DataSource != nil {
			note(p.DataSource.UID)
		}
		for _, target := range p.Targets {
			note(target.Expr)
		}
	}
	known := []string{"__rate_interval"} // Grafana's own
	for _, v := range board.Templating.List {
		known = append(known, v.Name)
		if !uses[v.Name] {
			t.Errorf("no panel uses the variable %s", v.Name)
		}
		if v.Label == "" || v.Description == "" {
			t.Errorf("the variable %s has no label or no description", v.Name)
		}
	}
	for name := range uses {
		if !slices.Contains(known, name) {
			t.Errorf("a panel uses $%s, which is no variable", name)
		}
	}
	for _, want := range []string{"datasource", "job", "pool", "class"} {
		if !slices.Contains(known, want) {
			t.Errorf("there is no variable %s", want)
		}
	}
}

// units are those of Grafana that the dashboard may use; a misspelled one would be shown as a suffix.
var units = []string{"s", "percentunit", "short", "ops", "cps"}

func TestEveryPanelHasADescriptionAUnitAndThresholds(t *testing.T) {
	for _, p := range panels() {
		if len(p.Description) < 20 || !strings.HasSuffix(p.Description, ".") {
			t.Errorf("%q has no description: %q", p.Title, p.Description)
		}
		if p.Type == "text" {
			continue
		}
		f := p.FieldConfig.Defaults
		if !slices.Contains(units, f.Unit) {
			t.Errorf("%q has the unit %q", p.Title, f.Unit)
		}
		if len(f.Thresholds.Steps) == 0 || f.Thresholds.Steps[0].Value != nil {
			t.Errorf("%q has no thresholds, or none from the start", p.Title)
		}
		for i, s := range f.Thresholds.Steps[1:] {
			if before := f.Thresholds.Steps[i].Value; s.Value == nil || before != nil && *s.Value <= *before {
				t.Errorf("the thresholds of %q do not rise", p.Title)
			}
		}
		if len(p.Targets) == 0 {
			t.Errorf("%q asks for nothing", p.Title)
		}
		refs := make(map[string]bool)
		for _, target := range p.Targets {
			if refs[target.RefID] || target.LegendFormat == "" {
				t.Errorf("%q has a query without a name of its own", p.Title)
			}
			refs[target.RefID] = true
		}
	}
}

func TestHistogramsShowExemplars(t *testing.T) {
	n := 0
	for _, p := range panels() {
		for _, target := range p.Targets {
			isHistogram := strings.Contains(target.Expr, "_bucket{")
			if isHistogram && !target.Exemplar {
				t.Errorf("%q shows no exemplars", p.Title)
			}
			if isHistogram {
				n++
			}
		}
	}
	if n < 10 {
		t.Errorf("only %d expressions are of histograms", n)
	}
}

// others are metrics that are not the pool's: those of Prometheus itself.
var others = []string{"ALERTS"}

// notShown are metrics of the catalogue that no panel shows, with the reason.
var notShown = map[string]string{}

func TestPanelsShowTheMetricsThatExistAndNoOthers(t *testing.T) {
	inCatalogue := make(map[string]poolotel.Metric)
	shown := make(map[string]bool)
	for _, m := range poolotel.Catalogue() {
		for _, series := range seriesOf(m) {
			inCatalogue[series] = m
		}
	}
	for _, p := range panels() {
		for _, target := range p.Targets {
			for _, series := range promql.Metrics(target.Expr) {
				m, ok := inCatalogue[series]
				if !ok && !slices.Contains(others, series) {
					t.Errorf("%q asks for %s, which no pool has", p.Title, series)
				}
				if m.Template {
					t.Errorf("%q asks for %s, which is there by an option only", p.Title, series)
				}
				shown[m.Name] = true
			}
		}
	}
	for _, m := range poolotel.Catalogue() {
		_, excused := notShown[m.Name]
		switch {
		case m.Template:
		case !shown[m.Name] && !excused:
			t.Errorf("no panel shows %s, and no reason is given", m.Name)
		case shown[m.Name] && excused:
			t.Errorf("%s is shown, and is said not to be", m.Name)
		}
	}
}

// seriesOf returns the names that a metric's series have in a scrape.
func seriesOf(m poolotel.Metric) []string {
	if m.Kind != poolotel.Histogram {
		return []string{m.Prometheus}
	}
	return []string{m.Prometheus + "_bucket", m.Prometheus + "_sum", m.Prometheus + "_count"}
}

func TestExpressionsUseLabelsThatTheirMetricsHave(t *testing.T) {
	attributes := make(map[string][]string)
	for _, m := range poolotel.Catalogue() {
		for _, series := range seriesOf(m) {
			for _, a := range m.Attributes {
				attributes[series] = append(attributes[series], strings.ReplaceAll(a, ".", "_"))
			}
		}
	}
	// What Prometheus adds.
	everywhere := []string{"job", "instance", "le", "alertname", "alertstate"}
	for _, p := range panels() {
		for _, target := range p.Targets {
			known := slices.Clone(everywhere)
			for _, series := range promql.Metrics(target.Expr) {
				known = append(known, attributes[series]...)
			}
			if slices.Contains(promql.Metrics(target.Expr), "ALERTS") {
				known = append(known, "db_client_connection_pool_name") // of the rule's own labels
			}
			for _, label := range promql.Labels(target.Expr) {
				if !slices.Contains(known, label) {
					t.Errorf("%q uses the label %s, which no metric of it has: %s", p.Title, label, target.Expr)
				}
			}
		}
	}
}

func TestTheGuidanceNamesPanelsThatExist(t *testing.T) {
	titles := make(map[string]bool)
	for _, p := range places(t) {
		titles[strings.ToLower(p.Title)] = true
	}
	series := []string{"held, but idle"} // of the panel beside it
	for _, p := range panels() {
		text, ok := p.Options.(*grafana.TextOptions)
		if !ok {
			continue
		}
		found := 0
		for i, name := range strings.Split(strings.ReplaceAll(text.Content, "**", ""), "*") {
			if i%2 == 0 {
				continue
			}
			found++
			if !titles[name] && !slices.Contains(series, name) {
				t.Errorf("%q sends the reader to *%s*, which is no panel", p.Title, name)
			}
		}
		if found < 3 {
			t.Errorf("%q names %d panels", p.Title, found)
		}
	}
}
