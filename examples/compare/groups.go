package main

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// allGroups is everything this program can measure, in the order of its output.
func allGroups(l *lab) []group {
	groups := []group{
		overheadGroup(l),
		contentionGroup(l),
		selectGroup(l),
		priorityGroup(l),
		closedLoopGroup(l),
		spikeGroup(l),
		depthGroup(l),
		faultGroup(l),
		overloadGroup(l),
		tenantsGroup(l),
		slowGroup(l),
		coalescingGroup(l),
		overloadServerGroup(l),
		adaptiveGroup(l),
	}
	for i := range groups {
		groups[i].limit = l.limit()
	}
	return groups
}

// choose keeps the experiments whose name matches, and the groups that still have one.
func choose(groups []group, match *regexp.Regexp) []group {
	var chosen []group
	for _, g := range groups {
		var kept []experiment
		for _, e := range g.experiments {
			if match.MatchString(e.name) {
				kept = append(kept, e)
			}
		}
		if len(kept) == 0 {
			continue
		}
		g.experiments = kept
		chosen = append(chosen, g)
	}
	return chosen
}

// describeRounds says how often each of the groups was run.
func describeRounds(groups []group, asked int) string {
	var parts []string
	for _, g := range groups {
		if times := g.times(asked); times != groups[0].times(asked) {
			parts = append(parts, fmt.Sprintf("%s %d", g.title[:1], times))
		}
	}
	text := strconv.Itoa(groups[0].times(asked))
	if len(parts) > 0 {
		text += " (" + strings.Join(parts, ", ") + ")"
	}
	return text
}

func experimentNames(groups []group) []string {
	var names []string
	for _, g := range groups {
		for _, e := range g.experiments {
			names = append(names, e.name)
		}
	}
	return names
}
