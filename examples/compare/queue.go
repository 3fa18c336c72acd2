package main

import "context"

// queues are the peers whose way to let callers wait is compared, on the stand-in driver.
func queues() []standinPeer {
	return []standinPeer{
		{plainSQL, openSQL(openPlain).onStandin},
		{puddlePool, openPuddle},
		{poolSQL, openPoolsql(0).onStandin},
	}
}

var queueRatios = []ratio{{poolSQL, plainSQL}, {poolSQL, puddlePool}}

// queueArms measure the same of every queue.
func queueArms(run func(context.Context, standinPeer) ([]float64, error)) []arm {
	var arms []arm
	for _, peer := range queues() {
		arms = append(arms, func(ctx context.Context) ([]float64, error) { return run(ctx, peer) })
	}
	return arms
}
