package main

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/guptarohit/asciigraph"
	"github.com/poolsql/poolsql/examples/internal/display"
)

const (
	chartColumns = 64 // beside the labels of the axis: together less than 80
	chartRows    = 10
)

// chart draws a curve over the ladder for a terminal. The rungs stand at equal distances, which is as good as a logarithmic
// axis. marks are words to put under rungs.
func chart(sizes []int, values []float64, caption string, marks map[int]string) string {
	apart := max(1, chartColumns/(len(sizes)-1))
	graph := asciigraph.Plot(stretch(values, apart),
		asciigraph.Height(chartRows),
		asciigraph.LowerBound(0),
		asciigraph.YAxisValueFormatter(func(v float64) string { return fmt.Sprintf("%8s", display.Rate(max(v, 0))) }),
		asciigraph.XAxisRange(0, float64(len(sizes)-1)),
		asciigraph.XAxisTickCount(len(sizes)),
		asciigraph.XAxisValueFormatter(func(v float64) string { return fmt.Sprint(sizes[int(v+0.5)]) }),
	)
	var b strings.Builder
	fmt.Fprintln(&b, caption)
	begin := 0
	for line := range strings.Lines(graph) {
		line = strings.TrimRight(line, " \n")
		fmt.Fprintln(&b, line)
		if before, _, ok := strings.Cut(line, "└"); ok {
			begin = utf8.RuneCountInString(before) + 1
		}
	}
	b.WriteString(under(marks, len(sizes), begin, apart))
	return b.String()
}

// stretch puts apart-1 values between each two, on the straight line between them.
func stretch(values []float64, apart int) []float64 {
	var out []float64
	for i, v := range values[:len(values)-1] {
		for j := range apart {
			out = append(out, v+(values[i+1]-v)*float64(j)/float64(apart))
		}
	}
	return append(out, values[len(values)-1])
}

// under writes an arrow and a word under each rung that has one, a line each, so that they never touch.
func under(marks map[int]string, rungs, begin, apart int) string {
	var b strings.Builder
	for i := range rungs {
		word, ok := marks[i]
		if !ok {
			continue
		}
		column := begin + i*apart
		if column+2+utf8.RuneCountInString(word) > 79 {
			fmt.Fprintf(&b, "%*s ▲\n", column-1, word)
		} else {
			fmt.Fprintf(&b, "%*s▲ %s\n", column, "", word)
		}
	}
	return b.String()
}
