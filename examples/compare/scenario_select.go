package main

import (
	"context"
	"errors"
)

// selectGroup is C: the smallest query on a real server.
func selectGroup(l *lab) group {
	peers := []serverPeer{
		{plainSQL, openSQL(openPlain).onServer},
		{otelSQL, openSQL(openOtelsql).onServer},
		{pgxPool, openPgxpool},
		{poolSQL, openPoolsql(0).onServer},
	}
	selectOne := func(name, label string, callers, total int) experiment {
		work := load{callers: callers, perCaller: max(l.scale(total/callers, 20/callers), 1), timed: true}
		return experiment{
			name:  name,
			label: label,
			measures: []measure{
				{name: "µs/op", digits: 1},
				{name: "allocs/op", digits: 1},
				{name: "p50 (ms)", digits: 2},
				{name: "p99 (ms)", digits: 2},
			},
			arms: selectArms(l, peers, work),
		}
	}
	return group{
		title:   "C. `select 1` on PostgreSQL, 8 connections",
		columns: serverNames(peers),
		ratios:  []ratio{{poolSQL, plainSQL}, {poolSQL, pgxPool}},
		experiments: []experiment{
			selectOne("C/1", "1 goroutine", 1, 30_000),
			selectOne("C/64", "64", 64, 76_800),
			selectOne("C/1000", "1,000", 1000, 80_000),
		},
	}
}

func selectArms(l *lab, peers []serverPeer, work load) []arm {
	var arms []arm
	for _, peer := range peers {
		arms = append(arms, func(ctx context.Context) ([]float64, error) {
			dsn, err := l.database(ctx)
			if err != nil {
				return nil, err
			}
			return measureSelect(ctx, peer, dsn, work)
		})
	}
	return arms
}

func measureSelect(ctx context.Context, peer serverPeer, dsn string, work load) (values []float64, err error) {
	client, err := peer.open(ctx, dsn, size{conns: openConns, warm: openConns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	work.rehearsal().run(ctx, client.selectOne)
	out := work.run(ctx, client.selectOne)
	if out.err != nil {
		return nil, out.err
	}
	return []float64{out.nanosPerOp() / 1000, out.allocsPerOp(), out.p(0.5), out.p(0.99)}, nil
}

func serverNames(peers []serverPeer) []string {
	var names []string
	for _, peer := range peers {
		names = append(names, peer.name)
	}
	return names
}
