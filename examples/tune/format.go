package main

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/poolsql/poolsql/examples/internal/display"
)

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return display.Number(n) + " " + what + "s"
}

// percent gives a share with as many digits as matter.
func percent(share float64) string {
	if share < 0.0995 {
		return strconv.FormatFloat(100*share, 'g', 2, 64) + "%"
	}
	return fmt.Sprintf("%.0f%%", 100*share)
}

// wrap breaks text into lines that fit on a terminal of 80 columns.
func wrap(text string) string {
	const width = 79
	var b strings.Builder
	column := 0
	for word := range strings.FieldsSeq(text) {
		switch n := len([]rune(word)); {
		case column == 0:
			column = n
		case column+1+n > width:
			b.WriteByte('\n')
			column = n
		default:
			b.WriteByte(' ')
			column += 1 + n
		}
		b.WriteString(word)
	}
	b.WriteByte('\n')
	return b.String()
}
