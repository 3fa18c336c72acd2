package main

import (
	"cmp"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// nothing stands where there is no value.
const nothing = "–"

// print writes the group as a Markdown table.
func (g group) print(out io.Writer, results []result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", g.title)

	header := append([]string{"measure"}, g.columns...)
	for _, r := range g.ratios {
		header = append(header, r.of+" ÷ "+r.to)
	}
	if g.hasTargets() {
		header = append(header, "target")
	}
	writeRow(&b, header)
	writeRow(&b, append([]string{"---"}, slices.Repeat([]string{"---:"}, len(header)-1)...))
	for i, e := range g.experiments {
		for m := range e.measures {
			writeRow(&b, g.row(e, results[i], m))
		}
	}
	b.WriteString("\n")

	_, err := io.WriteString(out, b.String())
	return err
}

func (g group) row(e experiment, r result, m int) []string {
	cells := []string{e.rowName(m)}
	for arm := range e.arms {
		if e.arms[arm] == nil {
			cells = append(cells, nothing)
			continue
		}
		cells = append(cells, e.measures[m].format(r.column(arm, m)))
	}
	for _, q := range g.ratios {
		of, to := slices.Index(g.columns, q.of), slices.Index(g.columns, q.to)
		cells = append(cells, formatRatio(ratiosOf(r.column(of, m), r.column(to, m))))
	}
	if g.hasTargets() {
		cells = append(cells, cmp.Or(e.measures[m].target, nothing))
	}
	return cells
}

// hasTargets reports whether the table has a column of them.
func (g group) hasTargets() bool {
	for _, e := range g.experiments {
		if slices.ContainsFunc(e.measures, func(m measure) bool { return m.target != "" }) {
			return true
		}
	}
	return false
}

func (e experiment) rowName(m int) string {
	if e.label == "" {
		return e.measures[m].name
	}
	return e.label + ": " + e.measures[m].name
}

func (m measure) format(rounds []float64) string {
	value := median(rounds)
	if m.total {
		value = sum(rounds)
	}
	if m.bound > 0 && value >= m.bound {
		return "> " + strconv.FormatFloat(m.bound, 'f', -1, 64)
	}
	return strconv.FormatFloat(value, 'f', m.digits, 64)
}

// formatRatio shows the median of the rounds and how far they were apart. Where no round has a ratio (a divisor of
// zero), it shows a dash.
func formatRatio(rounds []float64) string {
	if len(rounds) == 0 {
		return nothing
	}
	if len(rounds) == 1 {
		return fmt.Sprintf("%.3g", rounds[0])
	}
	return fmt.Sprintf("%.3g (%.3g–%.3g)", median(rounds), slices.Min(rounds), slices.Max(rounds))
}

func writeRow(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
