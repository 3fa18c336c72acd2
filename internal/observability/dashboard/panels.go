package dashboard

import (
	"fmt"

	"github.com/poolsql/poolsql/internal/observability/grafana"
)

// Units, as Grafana names them.
const (
	seconds      = "s"
	fraction     = "percentunit" // 1 is 100%
	number       = "short"
	opsPerSecond = "ops"
	perSecond    = "cps"
)

// The colors of what is well, what is not, and what is bad.
const (
	green  = "green"
	yellow = "yellow"
	red    = "red"
)

// A query is an expression and what its series are called.
type query struct{ expr, legend string }

// limits are the values from which on something is worth a look, and is bad.
type limits struct{ look, bad float64 }

// The limits that panels share with alerts, so that what is red here is what somebody is told of.
var (
	utilizationLimits = limits{0.8, 0.95}
	errorLimits       = limits{0.01, 0.05}
	waitLimits        = limits{0.1, 1}
	openLimits        = limits{0.1, 1}
	lagLimits         = limits{1, 5}
)

// steps are the thresholds of a number that had better be small.
func (li limits) steps() []grafana.Step {
	return []grafana.Step{{Color: green}, {Color: yellow, Value: &li.look}, {Color: red, Value: &li.bad}}
}

// A change is one of what a panel usually is.
type change func(*grafana.Panel)

// newPanel is what all panels with numbers have in common. The thresholds are none: nothing is too much.
func newPanel(kind, title, description, unit string, queries []query) *grafana.Panel {
	p := &grafana.Panel{
		Type: kind, Title: title, Description: description, DataSource: &source,
		FieldConfig: &grafana.FieldConfig{
			Defaults: grafana.Field{
				Unit: unit, Color: grafana.Color{Mode: "palette-classic"}, Mappings: []any{},
				Thresholds: grafana.Thresholds{Mode: "absolute", Steps: []grafana.Step{{Color: green}}},
			},
			Overrides: []grafana.Override{},
		},
	}
	for i, q := range queries {
		p.Targets = append(p.Targets, grafana.Target{
			RefID: string(rune('A' + i)), DataSource: source, EditorMode: "code",
			Expr: q.expr, LegendFormat: q.legend, Range: true, Format: "time_series",
		})
	}
	return p
}

// graph is a panel of lines over time.
func graph(title, description, unit string, queries []query, changes ...change) *grafana.Panel {
	p := newPanel("timeseries", title, description, unit, queries)
	p.FieldConfig.Defaults.Custom = &grafana.TimeSeriesField{
		DrawStyle: "line", LineInterpolation: "linear", LineWidth: 1, FillOpacity: 10, GradientMode: "none",
		ShowPoints: "never", Stacking: grafana.Stacking{Mode: "none", Group: "A"},
		ThresholdsStyle: grafana.ThresholdsStyle{Mode: "off"},
	}
	p.Options = &grafana.TimeSeriesOptions{
		Legend:  grafana.Legend{ShowLegend: true, DisplayMode: "list", Placement: "bottom", Calcs: []string{}},
		Tooltip: grafana.Tooltip{Mode: "multi", Sort: "desc"},
	}
	for _, c := range changes {
		c(p)
	}
	return p
}

// stat is a panel of one number, with the time before it as a line.
func stat(title, description, unit string, q query, changes ...change) *grafana.Panel {
	p := newPanel("stat", title, description, unit, []query{q})
	p.FieldConfig.Defaults.Color.Mode = "thresholds"
	p.FieldConfig.Defaults.NoValue = "–"
	p.Options = &grafana.StatOptions{
		ReduceOptions: grafana.Reduce{Calcs: []string{"lastNotNull"}}, Orientation: "auto", ColorMode: "value",
		GraphMode: "area", JustifyMode: "auto", TextMode: "auto", WideLayout: true, PercentChangeColorMode: "standard",
	}
	for _, c := range changes {
		c(p)
	}
	return p
}

// heatmap is a panel of how many values of a histogram were in which range.
func heatmap(title, description, histogram string, matchers ...string) *grafana.Panel {
	expr := fmt.Sprintf("sum by (le) (increase(%s[$__rate_interval]))", of(histogram+"_bucket", matchers...))
	p := newPanel("heatmap", title, description, seconds, []query{{expr, "{{le}}"}})
	p.Targets[0].Format = "heatmap"
	p.FieldConfig.Defaults.Custom = &grafana.HeatmapField{ScaleDistribution: grafana.ScaleDistribution{Type: "linear"}}
	p.Options = &grafana.HeatmapOptions{
		CellGap:    1,
		CellValues: grafana.HeatmapCells{Unit: number},
		Color: grafana.HeatmapColor{
			Mode: "scheme", Scheme: "Oranges", Scale: "exponential", Exponent: 0.5, Fill: "dark-orange", Steps: 64,
		},
		Exemplars:    grafana.HeatmapExemplars{Color: "rgba(255,0,255,0.7)"},
		FilterValues: grafana.HeatmapFilter{LE: 1e-9},
		Legend:       grafana.HeatmapLegend{Show: true},
		RowsFrame:    grafana.HeatmapRows{Layout: "auto"},
		ShowValue:    "never",
		Tooltip:      grafana.HeatmapTooltip{Mode: "single", YHistogram: true},
		YAxis:        grafana.HeatmapAxis{AxisPlacement: "left", Unit: seconds},
	}
	traced(p)
	return p
}

// text is a panel of Markdown.
func text(title, description, content string) *grafana.Panel {
	return &grafana.Panel{
		Type: "text", Title: title, Description: description,
		Options: &grafana.TextOptions{Mode: "markdown", Content: content},
	}
}

// traced marks the traces that the histogram of each expression knows.
func traced(p *grafana.Panel) {
	for i := range p.Targets {
		p.Targets[i].Exemplar = true
	}
}

// within colors what is over the limits, and draws them in a graph.
func within(li limits) change {
	return func(p *grafana.Panel) {
		p.FieldConfig.Defaults.Thresholds.Steps = li.steps()
		if f, ok := p.FieldConfig.Defaults.Custom.(*grafana.TimeSeriesField); ok {
			f.ThresholdsStyle.Mode = "dashed"
		}
	}
}

// upTo has the axis go from 0 to a value.
func upTo(limit float64) change {
	return func(p *grafana.Panel) {
		zero := 0.0
		p.FieldConfig.Defaults.Min, p.FieldConfig.Defaults.Max = &zero, &limit
	}
}

// stacked puts the series on each other.
func stacked(p *grafana.Panel) {
	f := p.FieldConfig.Defaults.Custom.(*grafana.TimeSeriesField)
	f.Stacking.Mode, f.FillOpacity, f.LineWidth = "normal", 60, 0
}

// line takes the series of that name out of the stack: it is what the others are held against.
func line(name string) change {
	return func(p *grafana.Panel) {
		p.FieldConfig.Overrides = append(p.FieldConfig.Overrides, grafana.Override{
			Matcher: grafana.Matcher{ID: "byName", Options: name},
			Properties: []grafana.Property{
				{ID: "custom.stacking", Value: grafana.Stacking{Mode: "none", Group: "A"}},
				{ID: "custom.fillOpacity", Value: 0},
				{ID: "custom.lineWidth", Value: 2},
				{ID: "color", Value: grafana.Color{Mode: "fixed", Fixed: red}},
			},
		})
	}
}

// quantiles is a graph of the median and the 99th percentile of a histogram of durations.
func quantiles(title, description, histogram string, matchers []string, changes ...change) *grafana.Panel {
	return graph(title, description, seconds, []query{
		{quantile(0.5, histogram, matchers, byPool), "p50 {{" + byPool + "}}"},
		{quantile(0.99, histogram, matchers, byPool), "p99 {{" + byPool + "}}"},
	}, append([]change{traced}, changes...)...)
}
