package main

import (
	"context"
	"errors"
	"time"

	"github.com/poolsql/poolsql/examples/internal/timing"
)

// priorityGroup is D: one caller who matters among many who do not.
func priorityGroup(l *lab) group {
	peers := []serverPeer{
		{plainSQL, openSQL(openPlain).onServer},
		{pgxPool, openPgxpool},
		{poolSQL, openPoolsql(0).onServer},
		{reserveSQL, openPoolsql(1).onServer},
	}
	plan := crowdPlan{
		crowd:    200,
		unloaded: l.scale(2000, 5),
		duration: time.Duration(l.scale(6000, 100)) * time.Millisecond,
		atLeast:  l.scale(20, 2),
	}
	var arms []arm
	for _, peer := range peers {
		arms = append(arms, func(ctx context.Context) ([]float64, error) {
			dsn, err := l.database(ctx)
			if err != nil {
				return nil, err
			}
			return measurePriority(ctx, peer, dsn, plan)
		})
	}
	return group{
		title: "D. One high-priority caller doing `select 1` while 200 of low priority do `select pg_sleep(0.01)`, " +
			"8 connections",
		columns: serverNames(peers),
		ratios:  []ratio{{poolSQL, plainSQL}, {poolSQL, pgxPool}, {reserveSQL, plainSQL}},
		experiments: []experiment{{
			name: "D/priority",
			measures: []measure{
				{name: "high p50 (ms)", digits: 2},
				{name: "high p99 (ms)", digits: 2},
				{name: "high max (ms)", digits: 2},
				{name: "high samples per round"},
				{name: "alone p50 (ms)", digits: 3},
				{name: "alone p99 (ms)", digits: 3},
				{name: "low queries/s"},
			},
			arms: arms,
		}},
	}
}

func measurePriority(ctx context.Context, peer serverPeer, dsn string, plan crowdPlan) (values []float64, err error) {
	client, err := peer.open(ctx, dsn, size{conns: openConns, warm: openConns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	alone := load{callers: 1, perCaller: plan.unloaded, timed: true}
	alone.rehearsal().run(important(ctx), client.selectOne)
	unloaded := alone.run(important(ctx), client.selectOne)
	if unloaded.err != nil {
		return nil, unloaded.err
	}
	loaded, err := plan.run(ctx, client)
	if err != nil {
		return nil, err
	}
	high := loaded.high
	return []float64{
		milliseconds(timing.Percentile(high, 0.5)), milliseconds(timing.Percentile(high, 0.99)), milliseconds(timing.Percentile(high, 1)),
		float64(len(high)),
		unloaded.p(0.5), unloaded.p(0.99),
		float64(loaded.low) / loaded.wall.Seconds(),
	}, nil
}
