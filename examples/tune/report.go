package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/poolsql/poolsql/examples/internal/display"
)

// report is what was measured and what follows from it.
type report struct {
	settings settings
	load     workload
	server   server
	here     bool // the server is on this machine
	embedded bool
	cut      bool // the ladder ends where the server has no more room
	rungs    []rung
	waits    *waits

	finding finding
	formula formula
	choice  choice
}

func (r *report) kneeSize() int { return r.rungs[r.finding.knee].size }
func (r *report) topSize() int  { return r.rungs[len(r.rungs)-1].size }

// write writes all of it, no line above 80 columns.
func (r *report) write(w io.Writer) {
	fmt.Fprint(w, wrap(fmt.Sprintf("%s on PostgreSQL %s: %d sizes, %d passes of %s each, %d callers.", r.load.name, r.server.version,
		len(r.rungs), r.settings.passes, r.settings.duration, r.settings.callersFor(r.sizes()))))
	fmt.Fprintln(w)
	r.writeTable(w)
	fmt.Fprintln(w)
	fmt.Fprint(w, chart(r.sizes(), each(r.rungs, rung.throughput), "calls per second, by connections", r.marks()))
	fmt.Fprintln(w)
	for _, text := range r.conclusions() {
		fmt.Fprint(w, wrap(text))
	}
	fmt.Fprintln(w)
	r.writeAdvice(w)
}

func (r *report) sizes() []int { return each(r.rungs, func(g rung) int { return g.size }) }

func (r *report) marks() map[int]string {
	marks := map[int]string{r.finding.knee: r.kneeWord()}
	if r.choice.index != r.finding.knee {
		marks[r.choice.index] = "p99 within " + r.settings.p99.String()
	}
	return marks
}

// kneeWord names the knee as surely as it is known.
func (r *report) kneeWord() string {
	switch r.finding.verdict {
	case rising:
		return "still rising at the top"
	case tooNoisy:
		return "perhaps the knee"
	default:
		return "knee"
	}
}

// fewCalls is below how many calls a p99 is one of the two slowest.
const fewCalls = 100

func (r *report) writeTable(w io.Writer) {
	fmt.Fprintln(w, "connections   per second   passes within        p50        p99")
	few := false
	for i, g := range r.rungs {
		mark := ""
		if r.marks()[i] != "" {
			mark = "  <--"
		}
		p99 := display.Milliseconds(g.p99())
		if g.fewest() < fewCalls {
			p99, few = "~"+p99, true
		}
		fmt.Fprintf(w, "%11d %12s %15s %10s %10s%s\n", g.size, display.Rate(g.throughput()), "± "+percent(g.halfRange()), display.Milliseconds(g.p50()), p99, mark)
	}
	fmt.Fprint(w, wrap("Times are those of a call that has its connection: what it waits for one before that depends on your "+
		"load, and not on the server."))
	if few {
		fmt.Fprintf(w, "~: of fewer than %d calls a pass; a longer -duration makes it surer.\n", fewCalls)
	}
}

// halfRange is half of what the passes differ at most, as a share of the median.
func (r rung) halfRange() float64 {
	low, high := r.samples[0].perSecond, r.samples[0].perSecond
	for _, s := range r.samples {
		low, high = min(low, s.perSecond), max(high, s.perSecond)
	}
	return (high - low) / 2 / max(r.throughput(), leastRate)
}

// conclusions are sentences, a paragraph each.
func (r *report) conclusions() []string {
	list := []string{r.aboutKnee()}
	if r.finding.falls >= 0 {
		at := r.rungs[r.finding.falls]
		list = append(list, fmt.Sprintf("More is not only of no use: at %d connections throughput is %s below the best.",
			at.size, percent(1-at.throughput()/r.finding.best)))
	}
	if r.cut {
		list = append(list, fmt.Sprintf("The ladder ends at %d because the server has no room for more: max_connections %d, %d reserved, %d in use by others.",
			r.topSize(), r.server.maxConnections, r.server.reserved, r.server.inUse))
	}
	list = append(list, r.formula.compare(r.kneeSize(), r.topSize(), r.finding.verdict, r.waits.shares))
	if r.here {
		text := "This program runs on the server's machine and takes part of its cores: one that runs elsewhere leaves more to the server."
		if r.embedded {
			text += " And the embedded server is not yours: -dsn measures yours."
		}
		list = append(list, text)
	}
	return list
}

func (r *report) aboutKnee() string {
	f, within := r.finding, percent(r.settings.tolerance)
	low, high := r.rungs[f.low].size, r.rungs[f.high].size
	switch f.verdict {
	case tooNoisy:
		return fmt.Sprintf("TOO NOISY TO TELL: a step differs from its like by %s (standard deviation), so the knee may be anywhere "+
			"from %d to %d connections. Measure longer (-duration, -passes) or on a quieter machine. What follows is a guess.",
			percent(f.noise), low, high)
	case rising:
		text := fmt.Sprintf("THE LADDER ENDED BEFORE THE KNEE: throughput still grows at %d connections (%s per second).",
			r.topSize(), display.Rate(r.rungs[len(r.rungs)-1].throughput()))
		if r.cut {
			return text + " What follows is the most that this server lets be measured."
		}
		return text + fmt.Sprintf(" Measure further: -max %d. What follows is a lower bound.", 2*r.topSize())
	}
	text := fmt.Sprintf("The knee is at %s: the fewest within %s of the best throughput, %s per second.",
		count(r.kneeSize(), "connection"), within, display.Rate(f.best))
	if low != high {
		text += fmt.Sprintf(" Given the noise (%s a step) it is from %d to %d in 9 of 10 cases.", percent(f.noise), low, high)
	} else {
		text += fmt.Sprintf(" The noise (%s a step) leaves no doubt about it.", percent(f.noise))
	}
	return text
}

// writeAdvice writes the configuration.
func (r *report) writeAdvice(w io.Writer) {
	for _, reason := range r.choice.reasons {
		fmt.Fprint(w, wrap("- "+reason))
	}
	each := ""
	if r.choice.instances > 1 {
		each = fmt.Sprintf(" of each of %d instances", r.choice.instances)
	}
	fmt.Fprint(w, wrap(fmt.Sprintf("The configuration%s, as Go code, as variables that presets.FromEnvironment reads, "+
		"and as parameters for a DSN, poolsql's or pgxpool's:", each)))
	fmt.Fprintf(w, "\n%s\n    %s\n    %s\n", r.goCode(), r.variables(), r.dsnParameters())
}

// goCode is the Config. The DSN is a name and never the text, which may hold a password.
func (r *report) goCode() string {
	lines := []string{
		"poolsql.Config{",
		"\tDSN:      dsn,",
		fmt.Sprintf("\tMinConns: %d,", r.choice.minConns),
		fmt.Sprintf("\tMaxConns: %d,", r.choice.perInstance),
		"}",
	}
	return "    " + strings.Join(lines, "\n    ") + "\n"
}

func (r *report) variables() string {
	return fmt.Sprintf("POOL_MIN_CONNECTIONS=%d POOL_MAX_CONNECTIONS=%d", r.choice.minConns, r.choice.perInstance)
}

func (r *report) dsnParameters() string {
	return fmt.Sprintf("pool_min_conns=%d&pool_max_conns=%d", r.choice.minConns, r.choice.perInstance)
}
