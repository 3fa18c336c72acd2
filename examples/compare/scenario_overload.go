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

const (
	overloadRate     = 2400 // callers a second
	overloadDeadline = 250 * time.Millisecond
)

// overloadGroup is I: more comes than can be served.
func overloadGroup(l *lab) group {
	peers := guarded()
	return group{
		title: "I. Open loop: 2,400 callers a second with 250 ms each, 8 connections, 5 ms of work each, more or less by up to " +
			"a tenth",
		columns: standinNames(peers),
		experiments: overloadExperiments("I", overloadTargets{"1,390", "40", "100", "8"}, armsOn(l, func(ctx context.Context, i int) (operation, func() error, error) {
			s := &standin{work: 5 * time.Millisecond, spread: callSpread}
			client, err := peers[i].open(ctx, s, size{conns: openConns, warm: openConns})
			return client.exec, client.close, err
		}, len(peers))),
	}
}

// overloadTargets are of the useful answers a second, of the p99 of all, of how many of high are answered, and of their p99.
type overloadTargets struct{ useful, p99, answered, highP99 string }

// overloadExperiments are those of I and of M, which has a server.
func overloadExperiments(letter string, targets overloadTargets, arms func(loop openLoop, values openValues) []arm) []experiment {
	open := openLoop{streams: []stream{{perSecond: overloadRate, deadline: overloadDeadline}}}
	classes := openLoop{streams: []stream{
		{perSecond: overloadRate / 10, deadline: overloadDeadline, mark: important},
		{perSecond: overloadRate * 9 / 10, deadline: overloadDeadline, mark: unimportant},
	}}
	return []experiment{{
		name: letter + "/open", label: "one class",
		measures: []measure{
			{name: "calls/s of 8 callers alone"},
			{name: "useful answers/s", target: targets.useful},
			{name: "p50 (ms)", digits: 1},
			{name: "p99 (ms)", digits: 1, target: targets.p99},
		},
		arms: arms(open, func(before unloaded, out [][]arrival, seconds float64) []float64 {
			took := useful(out...)
			return []float64{before.capacity, float64(len(took)) / seconds, percentileOf(took, 0.5), percentileOf(took, 0.99)}
		}),
	}, {
		name: letter + "/classes", label: "10 % high, 90 % low",
		measures: []measure{
			{name: "high answered (%)", digits: 1, target: targets.answered},
			{name: "high alone, p99 (ms)", digits: 1},
			{name: "high p50 (ms)", digits: 1},
			{name: "high p99 (ms)", digits: 1, target: targets.highP99},
			{name: "useful answers/s", target: targets.useful},
			{name: "low p99 (ms)", digits: 1},
		},
		arms: arms(classes, func(before unloaded, out [][]arrival, seconds float64) []float64 {
			high, low := useful(out[0]), useful(out[1])
			return []float64{
				100 * float64(len(high)) / float64(max(1, len(out[0]))), percentileOf(before.high, 0.99),
				percentileOf(high, 0.5), percentileOf(high, 0.99), float64(len(high)+len(low)) / seconds, percentileOf(low, 0.99),
			}
		}),
	}}
}

// unloaded is what a peer does when no more comes than it can serve.
type unloaded struct {
	capacity float64         // calls a second of as many callers as there are connections
	high     []time.Duration // how long calls took that came as those of high do, and no others
}

type openValues func(before unloaded, out [][]arrival, seconds float64) []float64

// armsOn makes the arms of n peers, which open opens.
func armsOn(l *lab, open func(context.Context, int) (operation, func() error, error), n int) func(openLoop, openValues) []arm {
	return func(loop openLoop, values openValues) []arm {
		loop.duration = time.Duration(l.scale(6000, 200)) * time.Millisecond
		var arms []arm
		for i := range n {
			arms = append(arms, func(ctx context.Context) (_ []float64, err error) {
				op, closePeer, err := open(ctx, i)
				if err != nil {
					return nil, err
				}
				defer func() { err = errors.Join(err, closePeer()) }()
				before := measureUnloaded(ctx, op, loop.duration/4)
				out := loop.run(ctx, op)
				if err := ctx.Err(); err != nil {
					return nil, err
				}
				return values(before, out, loop.duration.Seconds()), nil
			})
		}
		return arms
	}
}

// measureUnloaded is a light load that every peer can learn from, too.
func measureUnloaded(ctx context.Context, op operation, duration time.Duration) unloaded {
	full := load{callers: openConns, perCaller: int(duration / (10 * time.Millisecond))}
	capacity := full.run(important(ctx), op).opsPerSecond()
	light := openLoop{duration: duration, streams: []stream{{
		perSecond: overloadRate / 10, deadline: overloadDeadline, mark: important,
	}}}
	return unloaded{capacity: capacity, high: useful(light.run(ctx, op)...)}
}

func armsOf(peers []standinPeer, run func(context.Context, standinPeer) ([]float64, error)) []arm {
	var arms []arm
	for _, peer := range peers {
		arms = append(arms, func(ctx context.Context) ([]float64, error) { return run(ctx, peer) })
	}
	return arms
}
