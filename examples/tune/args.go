package main

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
)

// values draws what the placeholders of a statement are, in their order. Safe for concurrent use.
type values []func() any

var intRange = regexp.MustCompile(`^(-?[0-9]+)-(-?[0-9]+)$`)

// parseValues reads the flag -args.
func parseValues(text string) (values, error) {
	if text == "" {
		return nil, nil
	}
	var v values
	for field := range strings.SplitSeq(text, ",") {
		kind, rest, _ := strings.Cut(strings.TrimSpace(field), ":")
		switch kind {
		case "int":
			draw, err := intBetween(rest)
			if err != nil {
				return nil, err
			}
			v = append(v, draw)
		case "pick":
			choices := strings.Split(rest, "|")
			v = append(v, func() any { return choices[rand.IntN(len(choices))] })
		default:
			return nil, fmt.Errorf("-args: %q is neither int:LOW-HIGH nor pick:A|B", field)
		}
	}
	return v, nil
}

func intBetween(text string) (func() any, error) {
	parts := intRange.FindStringSubmatch(text)
	if parts == nil {
		return nil, fmt.Errorf("-args: %q is no range of whole numbers such as 1-100000", text)
	}
	low, errLow := strconv.ParseInt(parts[1], 10, 64)
	high, errHigh := strconv.ParseInt(parts[2], 10, 64)
	width := high - low + 1
	if errLow != nil || errHigh != nil || low > high || width <= 0 {
		return nil, fmt.Errorf("-args: %q is no range that ends above its begin and fits into 63 bits", text)
	}
	return func() any { return low + rand.Int64N(width) }, nil
}

// draw returns values for one call.
func (v values) draw() []any {
	drawn := make([]any, len(v))
	for i, draw := range v {
		drawn[i] = draw()
	}
	return drawn
}
