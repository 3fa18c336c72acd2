package main

import "regexp"

// allGroups is everything this program can measure, in the order of its output.
func allGroups(l *lab) []group {
	return []group{
		overheadGroup(l),
		contentionGroup(l),
		selectGroup(l),
		priorityGroup(l),
		closedLoopGroup(l),
		spikeGroup(l),
		depthGroup(l),
		faultGroup(l),
	}
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

func experimentNames(groups []group) []string {
	var names []string
	for _, g := range groups {
		for _, e := range g.experiments {
			names = append(names, e.name)
		}
	}
	return names
}
