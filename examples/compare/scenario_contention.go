package main

// contentionGroup is B: many callers over few connections, when the driver costs nothing.
func contentionGroup(l *lab) group {
	contention := func(name, label string, fresh func() *standin, callers, total int) experiment {
		return experiment{
			name:     name,
			label:    label,
			measures: costMeasures,
			arms:     costArms(fresh, load{callers: callers, perCaller: l.scale(total/callers, 5)}),
		}
	}
	return group{
		title:   "B. Exec on a driver that does nothing, many goroutines over 8 connections",
		columns: standinNames(layers()),
		ratios:  layerRatios,
		experiments: []experiment{
			contention("B/64", "64, no-op", idleStandin, 64, 1_280_000),
			contention("B/1000", "1,000, no-op", idleStandin, 1000, 1_000_000),
			contention("B/yield/64", "64, yield", yieldingStandin, 64, 640_000),
			contention("B/yield/1000", "1,000, yield", yieldingStandin, 1000, 500_000),
		},
	}
}
