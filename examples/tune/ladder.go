package main

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// mostSize is beyond what any server could bear.
const mostSize = 10_000

// ladder gives the sizes 1, 2, 3, 4, 6, 8, 12, 16, ... up to most, and most itself: each about two fifths more than the one
// before. A bend shows as well on a coarse ladder at its top as on a fine one at its bottom, since what matters is the
// share by which throughput grows.
func ladder(most int) []int {
	var sizes []int
	for n := 1; n <= most; n *= 2 {
		sizes = append(sizes, n)
		if between := n + n/2; between > n && between <= most {
			sizes = append(sizes, between)
		}
	}
	if last := len(sizes) - 1; sizes[last] != most {
		// A rung close below the top would say the same as the top.
		if float64(most) < 1.2*float64(sizes[last]) {
			sizes = sizes[:last]
		}
		sizes = append(sizes, most)
	}
	return sizes
}

// parseSizes reads the sizes of the flag, in any order.
func parseSizes(text string) ([]int, error) {
	var sizes []int
	for field := range strings.SplitSeq(text, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(field))
		if err != nil || n < 1 || n > mostSize {
			return nil, fmt.Errorf("-sizes: %q is no number from 1 to %d", field, mostSize)
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	if sizes = slices.Compact(sizes); len(sizes) < leastSizes {
		return nil, fmt.Errorf("-sizes: want %d sizes at least: fewer have no bend", leastSizes)
	}
	return sizes, nil
}

// rungs returns the sizes to measure on a server that has room for so many connections, and whether the server is why they
// end where they do.
func (s settings) rungs(room int) (sizes []int, cut bool, err error) {
	if s.sizes == nil {
		if sizes = ladder(min(s.most, max(room, 1))); room < s.most {
			cut = true
		}
	} else {
		sizes = slices.DeleteFunc(slices.Clone(s.sizes), func(n int) bool { return n > room })
		cut = len(sizes) < len(s.sizes)
	}
	if len(sizes) < leastSizes {
		return nil, cut, errors.New("the server has too few connections left to measure anything: raise max_connections, or close some")
	}
	return sizes, cut, nil
}

// climb gives the order in which a pass visits the rungs: up in the first, down in the second, and so on. Whatever
// changes steadily while all this runs (a cache that fills, a table that grows, a machine that heats up) then weighs on
// the small sizes as much as on the large ones.
func climb(pass, rungs int) []int {
	order := make([]int, rungs)
	for i := range order {
		order[i] = i
	}
	if pass%2 == 1 {
		slices.Reverse(order)
	}
	return order
}
