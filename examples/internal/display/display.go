// Package display writes figures for people to read.
package display

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"golang.org/x/term"
)

// Milliseconds gives three digits or more: 0.41 ms, 3.07 ms, 41.2 ms, 1,170 ms.
func Milliseconds(d time.Duration) string {
	ms := float64(d) / float64(time.Millisecond)
	switch {
	case ms < 9.995:
		return fmt.Sprintf("%.2f ms", ms)
	case ms < 99.95:
		return fmt.Sprintf("%.1f ms", ms)
	default:
		return Number(int(ms+0.5)) + " ms"
	}
}

// Rate gives what is done in a second.
func Rate(perSecond float64) string {
	if perSecond < 99.95 {
		return fmt.Sprintf("%.1f", perSecond)
	}
	return Number(int(perSecond + 0.5))
}

// Number separates the thousands.
func Number[T int | int64](n T) string {
	digits := strconv.FormatInt(int64(n), 10)
	start := 0
	if n < 0 {
		start = 1
	}
	var b strings.Builder
	b.WriteString(digits[:start])
	for i, digit := range digits[start:] {
		if i > 0 && (len(digits)-start-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(digit)
	}
	return b.String()
}

// IsTerminal reports whether what is written to w is seen at once on a terminal that can redraw a line.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}
