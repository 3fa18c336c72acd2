package main

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"strings"
	"time"

	"github.com/poolsql/poolsql/examples/internal/display"
)

// The picture: two panels, one above the other, with the same horizontal axis. Pixels.
const (
	pictureWidth  = 760
	pictureHeight = 560
	panelLeft     = 78.0
	panelRight    = 736.0
	topPanel      = 76.0
	topHeight     = 230.0
	lowPanel      = 372.0
	lowHeight     = 120.0
)

//go:embed chart.svg.tmpl
var pictureText string

// html/template knows how to quote what stands in an attribute and between tags, and SVG is quoted alike.
var pictureTemplate = template.Must(template.New("chart").Parse(pictureText))

// picture is what the template draws: places in pixels, and texts.
type picture struct {
	Width, Height         int
	Title, Subtitle, Desc string
	Left, Right           float64
	Upper, Lower          panel
	Columns               []column
	Throughput            string // a line through the medians
	Points                []dot  // each pass
	Medians               []dot
	P50, P99              string
	P50Dots, P99Dots      []dot
	Band                  box // what is within the tolerance of the best
	BandText              string
	Knee, Choice, Formula *marker
	Target                *rule
}

type (
	panel struct {
		Top, Bottom float64
		Ticks       []tick
	}
	tick struct {
		Y    float64
		Text string
	}
	column struct {
		X    float64
		Text string
	}
	dot struct {
		X, Y  float64
		Title string
	}
	box  struct{ Y, Height float64 }
	rule struct {
		Y    float64
		Text string
	}
	// marker is a vertical line with a text beside it, on the side where there is room.
	marker struct {
		X, LabelX, LabelY float64
		Anchor, Text      string
	}
)

// scale maps values onto a panel, from 0 at its bottom.
type scale struct {
	bottom, height, most float64
}

func (s scale) y(v float64) float64 { return round1(s.bottom - s.height*v/s.most) }

func round1(v float64) float64 { return math.Round(10*v) / 10 }

// draw writes the chart as an SVG that needs nothing else, in colors for light and for dark.
func (r *report) draw(w io.Writer) error {
	x := func(size float64) float64 { // logarithmic
		low, high := math.Log(float64(r.rungs[0].size)), math.Log(float64(r.topSize()))
		return round1(panelLeft + 14 + (panelRight-panelLeft-28)*(math.Log(size)-low)/(high-low))
	}
	p := picture{
		Width: pictureWidth, Height: pictureHeight, Left: panelLeft, Right: panelRight,
		Title:    "Throughput and latency by pool size",
		Subtitle: fmt.Sprintf("%s, PostgreSQL %s; median of %d passes of %s", r.load.name, r.server.version, r.settings.passes, r.settings.duration),
		Desc:     r.aboutKnee(),
	}
	r.drawColumns(&p, x)
	r.drawThroughput(&p, x)
	r.drawLatency(&p, x)
	r.drawFlags(&p, x)
	return pictureTemplate.Execute(w, p)
}

// leastApart is how near two labels of the horizontal axis may be.
const leastApart = 26

func (r *report) drawColumns(p *picture, x func(float64) float64) {
	last := math.Inf(-1)
	for i, g := range r.rungs {
		c := column{X: x(float64(g.size)), Text: fmt.Sprint(g.size)}
		if c.X-last < leastApart && i != r.finding.knee {
			c.Text = ""
		} else {
			last = c.X
		}
		p.Columns = append(p.Columns, c)
	}
}

func (r *report) drawThroughput(p *picture, x func(float64) float64) {
	most := 0.0
	for _, g := range r.rungs {
		for _, s := range g.samples {
			most = max(most, s.perSecond)
		}
	}
	ticks, top := axis(most, 6)
	s := scale{topPanel + topHeight, topHeight, top}
	p.Upper = panel{Top: topPanel, Bottom: topPanel + topHeight, Ticks: ticksOf(ticks, s, plain)}
	var line []string
	for _, g := range r.rungs {
		at := dot{X: x(float64(g.size)), Y: s.y(g.throughput())}
		at.Title = fmt.Sprintf("%s: %s per second", count(g.size, "connection"), display.Rate(g.throughput()))
		p.Medians = append(p.Medians, at)
		line = append(line, fmt.Sprintf("%g,%g", at.X, at.Y))
		for _, one := range g.samples {
			p.Points = append(p.Points, dot{X: at.X, Y: s.y(one.perSecond)})
		}
	}
	p.Throughput = strings.Join(line, " ")
	best := r.finding.best
	p.Band = box{Y: s.y(best), Height: round1(s.y((1-r.settings.tolerance)*best) - s.y(best))}
	p.BandText = fmt.Sprintf("within %s of the best, %s per second", percent(r.settings.tolerance), display.Rate(best))
}

func (r *report) drawLatency(p *picture, x func(float64) float64) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	most := 1.15 * ms(r.settings.p99)
	for _, g := range r.rungs {
		most = max(most, ms(g.p99()))
	}
	ticks, top := axis(most, 5)
	s := scale{lowPanel + lowHeight, lowHeight, top}
	p.Lower = panel{Top: lowPanel, Bottom: lowPanel + lowHeight,
		Ticks: ticksOf(ticks, s, plain)}
	line := func(of func(rung) time.Duration, name string) (string, []dot) {
		var points []string
		var dots []dot
		for _, g := range r.rungs {
			at := dot{X: x(float64(g.size)), Y: s.y(ms(of(g)))}
			at.Title = fmt.Sprintf("%s: %s %s", count(g.size, "connection"), name, display.Milliseconds(of(g)))
			dots = append(dots, at)
			points = append(points, fmt.Sprintf("%g,%g", at.X, at.Y))
		}
		return strings.Join(points, " "), dots
	}
	p.P50, p.P50Dots = line(rung.p50, "p50")
	p.P99, p.P99Dots = line(rung.p99, "p99")
	if r.settings.p99 > 0 {
		p.Target = &rule{Y: s.y(ms(r.settings.p99)), Text: "-p99 " + r.settings.p99.String()}
	}
}

func (r *report) drawFlags(p *picture, x func(float64) float64) {
	at := func(size int, text string, y float64) *marker {
		f := &marker{X: x(float64(size)), LabelY: y, Text: text, Anchor: "start"}
		if f.LabelX = f.X + 7; f.X > (panelLeft+panelRight)/2 {
			f.LabelX, f.Anchor = f.X-7, "end"
		}
		return f
	}
	bottom := topPanel + topHeight
	p.Knee = at(r.kneeSize(), fmt.Sprintf("%s: %d", r.kneeWord(), r.kneeSize()), bottom-44)
	if r.choice.index != r.finding.knee {
		p.Choice = at(r.rungs[r.choice.index].size, fmt.Sprintf("p99 within %s: %d", r.settings.p99, r.rungs[r.choice.index].size), bottom-27)
	}
	if r.formula.known && r.formula.total >= r.rungs[0].size && r.formula.total <= r.topSize() {
		p.Formula = at(r.formula.total, fmt.Sprintf("formula: %d", r.formula.total), bottom-10)
	}
}

// plain writes a round value.
func plain(v float64) string {
	if v >= 1000 {
		return display.Number(int(v + 0.5))
	}
	return fmt.Sprintf("%.4g", v)
}

func ticksOf(values []float64, s scale, text func(float64) string) []tick {
	return each(values, func(v float64) tick { return tick{Y: s.y(v), Text: text(v)} })
}

// axis gives about n round values from 0 on, and the end of an axis that has room for most.
func axis(most float64, n int) (ticks []float64, top float64) {
	if most <= 0 || math.IsNaN(most) || math.IsInf(most, 0) {
		most = 1
	}
	step := math.Pow(10, math.Floor(math.Log10(most/float64(n))))
	for _, factor := range []float64{1, 2, 5, 10} {
		if step*factor*float64(n) >= most {
			step *= factor
			break
		}
	}
	for v := 0.0; v <= most*1.0001; v += step {
		ticks = append(ticks, v)
	}
	return ticks, max(most*1.06, ticks[len(ticks)-1])
}
