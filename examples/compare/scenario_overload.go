package main

import (
	"context"
	"errors"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/priority"
)

const (
	calibration = 100 * time.Millisecond // how often failsafe-go's prioritizer reckons
	codelTarget = 5 * time.Millisecond
)

func classOf(ctx context.Context) priority.Class {
	o, _ := priority.FromContext(ctx)
	return o.Class
}

// guarded are the peers that are compared under overload.
func guarded() []standinPeer {
	return []standinPeer{
		{plainSQL, openSQL(openPlain).onStandin},
		{puddlePool, openPuddle},
		{codelLock, openCodel},
		{failsafeLimiter, openFailsafe},
		{poolSQL, openPoolsql(0).onStandin},
		{shedSQL, openPoolsqlWith(poolsql.Config{Shedding: priority.ShedOn}).onStandin},
		{shedReserveSQL, openPoolsqlWith(poolsql.Config{Shedding: priority.ShedOn, HighReserve: 1}).onStandin},
	}
}

// overloadGroup is I: more comes than can be served.
func overloadGroup(l *lab) group {
	peers := guarded()
	duration := time.Duration(l.scale(6000, 200)) * time.Millisecond
	const rate, deadline = 2400, 250 * time.Millisecond
	open := openLoop{duration: duration, streams: []stream{{perSecond: rate, deadline: deadline}}}
	classes := openLoop{duration: duration, streams: []stream{
		{perSecond: rate / 10, deadline: deadline, mark: important},
		{perSecond: rate * 9 / 10, deadline: deadline, mark: unimportant},
	}}
	return group{
		title: "I. Open loop: 2,400 callers a second with 250 ms each, 8 connections, 5 ms of work each, which is some 1,500 " +
			"a second",
		columns: standinNames(peers),
		experiments: []experiment{{
			name: "I/open", label: "one class",
			measures: []measure{
				{name: "useful answers/s", target: "1,390"},
				{name: "p50 (ms)", digits: 1},
				{name: "p99 (ms)", digits: 1, target: "40"},
			},
			arms: armsOf(peers, func(ctx context.Context, peer standinPeer) ([]float64, error) {
				return measureOpen(ctx, peer, open, func(out [][]arrival, seconds float64) []float64 {
					took := useful(out...)
					return []float64{float64(len(took)) / seconds, percentileOf(took, 0.5), percentileOf(took, 0.99)}
				})
			}),
		}, {
			name: "I/classes", label: "10 % high, 90 % low",
			measures: []measure{
				{name: "high answered (%)", digits: 1, target: "100"},
				{name: "high p99 (ms)", digits: 1, target: "8"},
				{name: "useful answers/s", target: "1,390"},
				{name: "low p99 (ms)", digits: 1},
			},
			arms: armsOf(peers, func(ctx context.Context, peer standinPeer) ([]float64, error) {
				return measureOpen(ctx, peer, classes, func(out [][]arrival, seconds float64) []float64 {
					high, low := useful(out[0]), useful(out[1])
					return []float64{
						100 * float64(len(high)) / float64(max(1, len(out[0]))), percentileOf(high, 0.99),
						float64(len(high)+len(low)) / seconds, percentileOf(low, 0.99),
					}
				})
			}),
		}},
	}
}

func armsOf(peers []standinPeer, run func(context.Context, standinPeer) ([]float64, error)) []arm {
	var arms []arm
	for _, peer := range peers {
		arms = append(arms, func(ctx context.Context) ([]float64, error) { return run(ctx, peer) })
	}
	return arms
}

// measureOpen lets an open loop run on the peer, after a quarter of a second of a light load that every peer can learn from.
func measureOpen(
	ctx context.Context, peer standinPeer, loop openLoop, values func([][]arrival, float64) []float64,
) (_ []float64, err error) {
	s := &standin{work: 5 * time.Millisecond}
	client, err := peer.open(ctx, s, size{conns: openConns, warm: openConns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	light := load{callers: 2, perCaller: 25}
	light.run(ctx, client.exec)
	out := loop.run(ctx, client.exec)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return values(out, loop.duration.Seconds()), nil
}
