package main

import (
	"context"
	"errors"
	"fmt"
	"time"
)

const (
	spikeDial    = 150 * time.Millisecond
	spikeWork    = 2 * time.Millisecond
	spikeMax     = 50
	spikeIdle    = 5
	spikeCallers = 50
)

// spikeGroup is F: many callers at once on a pool that may grow, where growing takes longer than waiting. The quick
// form is the full one: it takes less than a second.
func spikeGroup(*lab) group {
	return group{
		title:   "F. Spike: 50 callers at once, 5 of at most 50 connections open, opening one takes 150 ms, the work 2 ms",
		columns: standinNames(queues()),
		ratios:  queueRatios,
		experiments: []experiment{{
			name: "F/spike",
			measures: []measure{
				{name: "new connections"},
				{name: "slowest caller (ms)", digits: 1},
				{name: "p50 (ms)", digits: 1},
			},
			arms: queueArms(measureSpike),
		}},
	}
}

func measureSpike(ctx context.Context, peer standinPeer) (values []float64, err error) {
	s := &standin{dial: spikeDial, work: spikeWork}
	client, err := peer.open(ctx, s, size{conns: spikeMax, warm: spikeIdle})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()
	if dials := s.dials.Load(); dials != spikeIdle {
		return nil, fmt.Errorf("%d connections opened before the spike, want %d", dials, spikeIdle)
	}

	out := load{callers: spikeCallers, perCaller: 1, timed: true}.run(ctx, client.exec)
	if out.err != nil {
		return nil, out.err
	}
	// A pool that opens connections behind its callers' backs may not have begun with the last of them.
	settle := time.NewTimer(2 * spikeDial)
	defer settle.Stop()
	select {
	case <-settle.C:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	return []float64{float64(s.dials.Load() - spikeIdle), out.p(1), out.p(0.5)}, nil
}
