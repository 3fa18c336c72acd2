package main

// overheadGroup is A: what a layer costs one caller when the driver costs nothing.
func overheadGroup(l *lab) group {
	return group{
		title:   "A. Exec on a driver that does nothing, 1 goroutine",
		columns: standinNames(layers()),
		ratios:  layerRatios,
		experiments: []experiment{{
			name:     "A/1",
			measures: costMeasures,
			arms:     costArms(idleStandin, load{callers: 1, perCaller: l.scale(1_000_000, 200)}),
		}},
	}
}
