package main

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// print writes the group as a Markdown table.
func (g group) print(out io.Writer, results []result) error {
	var b strings.Builder
	fmt.Fprintf(&b, "### %s\n\n", g.title)

	header := append([]string{"measure"}, g.columns...)
	for _, r := range g.ratios {
		header = append(header, r.of+" ÷ "+r.to)
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
		cells = append(cells, e.measures[m].format(r.column(arm, m)))
	}
	for _, q := range g.ratios {
		of, to := slices.Index(g.columns, q.of), slices.Index(g.columns, q.to)
		cells = append(cells, formatRatio(ratiosOf(r.column(of, m), r.column(to, m))))
	}
	return cells
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
	return strconv.FormatFloat(value, 'f', m.digits, 64)
}

// formatRatio shows the median of the rounds and how far they were apart. Where no round has a ratio (a divisor of
// zero), it shows a dash.
func formatRatio(rounds []float64) string {
	if len(rounds) == 0 {
		return "–"
	}
	if len(rounds) == 1 {
		return fmt.Sprintf("%.3g", rounds[0])
	}
	return fmt.Sprintf("%.3g (%.3g–%.3g)", median(rounds), slices.Min(rounds), slices.Max(rounds))
}

func writeRow(b *strings.Builder, cells []string) {
	b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
}
