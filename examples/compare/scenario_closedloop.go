package main

import (
	"context"
	"errors"
	"time"
)

// closedLoopGroup is E: how evenly the turns are shared when everybody must wait.
func closedLoopGroup(l *lab) group {
	work := load{callers: 64, perCaller: l.scale(150, 2), timed: true}
	return group{
		title:   "E. Closed loop: 64 callers, 8 connections, 5 ms of work each",
		columns: standinNames(queues()),
		ratios:  queueRatios,
		experiments: []experiment{{
			name: "E/closed-loop",
			measures: []measure{
				{name: "p50 (ms)", digits: 1},
				{name: "p99 (ms)", digits: 1},
				{name: "p99.9 (ms)", digits: 1},
				{name: "max (ms)", digits: 1},
				{name: "errors, all rounds", total: true},
			},
			arms: queueArms(func(ctx context.Context, peer standinPeer) ([]float64, error) {
				return measureClosedLoop(ctx, peer, work)
			}),
		}},
	}
}

func measureClosedLoop(ctx context.Context, peer standinPeer, work load) (values []float64, err error) {
	s := &standin{work: 5 * time.Millisecond}
	client, err := peer.open(ctx, s, size{conns: openConns, warm: openConns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	work.rehearsal().run(ctx, client.exec)
	out := work.run(ctx, client.exec)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return []float64{out.p(0.5), out.p(0.99), out.p(0.999), out.p(1), float64(out.failed)}, nil
}
