package main

import (
	"context"
	"errors"
	"time"

	"github.com/poolsql/poolsql"
)

// slowGroup is K: statements that take long beside those that do not.
func slowGroup(l *lab) group {
	peers := []standinPeer{
		{plainSQL, openSQL(openPlain).onStandin},
		{puddlePool, openPuddle},
		{poolSQL, openPoolsql(0).onStandin},
		{slowSQL, openPoolsqlWith(poolsql.Config{SlowThreshold: 100 * time.Millisecond}).onStandin},
	}
	duration := time.Duration(l.scale(8000, 300)) * time.Millisecond
	slow := time.Duration(l.scale(2000, 150)) * time.Millisecond
	return group{
		title: "K. 10 callers of statements that take 2 s, who never stop, beside 300 calls a second that take 5 ms, 8 " +
			"connections; after the first of the slow ones are known",
		columns: standinNames(peers),
		experiments: []experiment{{
			name: "K/slow",
			measures: []measure{
				{name: "quick alone, p99 (ms)", digits: 1},
				{name: "quick p50 (ms)", digits: 1},
				{name: "quick p99 (ms)", digits: 1, target: "2 × alone"},
				{name: "slow calls/s", digits: 1},
			},
			arms: armsOf(peers, func(ctx context.Context, peer standinPeer) ([]float64, error) {
				return measureSlow(ctx, peer, duration, slow)
			}),
		}},
	}
}

func measureSlow(ctx context.Context, peer standinPeer, duration, slow time.Duration) (_ []float64, err error) {
	s := &standin{work: 5 * time.Millisecond, spread: callSpread, varied: true}
	client, err := peer.open(ctx, s, size{conns: openConns, warm: openConns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	quick := func(context.Context) context.Context { return poolsql.WithLabel(ctx, "quick") }
	light := openLoop{duration: duration / 2, streams: []stream{{perSecond: 300, mark: quick}}}
	alone := useful(light.run(ctx, client.exec)...)
	crowd := startCrowd(withWork(poolsql.WithLabel(ctx, "slow"), slow), 10, client.exec)
	time.Sleep(slow + slow/2) // the first are back, and so known
	loop := openLoop{duration: duration + slow, streams: []stream{{perSecond: 300, deadline: slow * 5, mark: quick}}}
	out := loop.run(ctx, client.exec)
	calls := crowd.stop()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	for len(out[0]) > 0 && out[0][0].at < slow { // those that had more than their share come back
		out[0] = out[0][1:]
	}
	beside := useful(out...)
	return []float64{
		percentileOf(alone, 0.99), percentileOf(beside, 0.5), percentileOf(beside, 0.99),
		float64(calls) / (duration + slow*5/2).Seconds(),
	}, nil
}
