package main

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// short gives three digits or so of a time: 0.41 ms, 3.07 ms, 41.2 ms, 1,170 ms.
func short(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 9.995:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 99.95:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return number(int(ms+0.5)) + " ms"
	}
}

func rate(perSecond float64) string {
	if perSecond < 99.95 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return number(int(perSecond + 0.5))
}

// number separates the thousands of n, which must not be negative.
func number(n int) string {
	digits := strconv.Itoa(n)
	var b strings.Builder
	for i, digit := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return number(n) + " " + what + "s"
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
