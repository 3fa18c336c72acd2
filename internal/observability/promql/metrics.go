// Package promql reads as much of Prometheus' language as the tests need. Whether an expression is valid, a real Prometheus
// says.
package promql

import (
	"regexp"
	"slices"
	"strings"
)

var (
	// literals may hold whatever the rest looks for.
	literals = regexp.MustCompile(`"(\\.|[^"\\])*"`)
	// selectors are the matchers of a series, windows its window, and groupings the labels that operators go by.
	selectors = regexp.MustCompile(`\{([^}]*)\}`)
	windows   = regexp.MustCompile(`\[[^\]]*\]`)
	groupings = regexp.MustCompile(`\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)`)
	// words are names, with the parenthesis of a function's.
	words    = regexp.MustCompile(`[a-zA-Z_:][a-zA-Z0-9_:]*(\s*\()?`)
	operator = regexp.MustCompile(`[=!~]+`)
)

var keywords = []string{"and", "or", "unless", "bool", "offset", "inf", "nan"}

// Metrics returns the names of the metrics that expr asks for, in their order, each once.
func Metrics(expr string) []string {
	for _, inert := range []*regexp.Regexp{literals, selectors, windows, groupings} {
		expr = inert.ReplaceAllString(expr, " ")
	}
	var names []string
	for _, w := range words.FindAllString(expr, -1) {
		if !strings.HasSuffix(w, "(") && !slices.Contains(keywords, w) && !slices.Contains(names, w) {
			names = append(names, w)
		}
	}
	return names
}

// Labels returns the names of the labels that expr matches or groups by, sorted.
func Labels(expr string) []string {
	expr = literals.ReplaceAllString(expr, "")
	var names []string
	for _, list := range slices.Concat(selectors.FindAllStringSubmatch(expr, -1), groupings.FindAllStringSubmatch(expr, -1)) {
		for entry := range strings.SplitSeq(list[1], ",") {
			if name := strings.TrimSpace(operator.Split(entry, 2)[0]); name != "" {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
