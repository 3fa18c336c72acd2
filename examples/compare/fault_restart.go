package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/timing"
	"github.com/poolsql/poolsql/internal/testdb"
)

// restartPlan says how a server is restarted under its callers.
type restartPlan struct {
	callers int
	conns   int
	before  time.Duration // how long the usual rate is measured
	bound   time.Duration // how long after the restart that rate is waited for
}

const (
	restartWork    = 5 * time.Millisecond // what each statement takes in the server
	restartLongest = time.Minute          // for the restart itself
	restartBin     = 10 * time.Millisecond
	restartWindow  = 25 // bins: what a rate is taken over
	restartShare   = 0.8

	// restartPause is what a caller waits after a failure, lest it count the speed of refusals.
	restartPause = 50 * time.Millisecond
	// restartRetries are those that poolsql is allowed.
	restartRetries = 5
)

// answers counts them by when they came. Safe for concurrent use.
type answers struct {
	began  time.Time
	bins   []atomic.Int64
	failed atomic.Int64
	leave  atomic.Bool
}

func restartExperiment(l *lab, conns int) experiment {
	plan := restartPlan{
		callers: 64, conns: conns,
		before: time.Duration(l.scale(2000, 300)) * time.Millisecond, bound: time.Duration(l.scale(20, 5)) * time.Second,
	}
	arms := faultArms(l.stoppableDatabase, func(ctx context.Context, peer faultPeer, dsn string) ([]float64, error) {
		return measureRestart(ctx, peer, l.stoppable, dsn, plan)
	})
	return experiment{
		name:  fmt.Sprintf("H/restart/%d", conns),
		label: fmt.Sprintf("restart, %d connections", conns),
		measures: []measure{
			{name: "failed statements", total: true, target: "0"},
			{name: "back to 80 % of the rate after (s)", digits: 2, bound: plan.bound.Seconds(), target: "≤ 1"},
		},
		arms: without(arms, cancelSQL), // nothing is canceled
	}
}

func measureRestart(
	ctx context.Context, peer faultPeer, server *testdb.Server, dsn string, plan restartPlan,
) (values []float64, err error) {
	client, err := peer.open(ctx, faultSetup{dsn: dsn, conns: plan.conns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	a := &answers{began: time.Now(), bins: make([]atomic.Int64, (plan.before+restartLongest+plan.bound)/restartBin)}
	retrying := poolsql.WithRetries(ctx, restartRetries) // which the peers do not read
	var members sync.WaitGroup
	for range plan.callers {
		members.Go(func() { a.loop(retrying, client) })
	}
	defer members.Wait()
	defer a.leave.Store(true)

	timing.Pause(ctx, plan.before)
	usual := a.rate(0, a.bin(time.Now()))
	if err := server.Restart(ctx, testdb.Fast); err != nil {
		return nil, err
	}
	back := a.awaitRate(ctx, restartShare*usual, plan.bound)
	return []float64{float64(a.failed.Load()), back.Seconds()}, ctx.Err()
}

// loop is one caller.
func (a *answers) loop(ctx context.Context, client faultClient) {
	for !a.leave.Load() && ctx.Err() == nil {
		if client.exec(ctx, pauseQuery, restartWork.Seconds()) != nil {
			a.failed.Add(1)
			timing.Pause(ctx, restartPause)
			continue
		}
		if i := a.bin(time.Now()); i < len(a.bins) {
			a.bins[i].Add(1)
		}
	}
}

// awaitRate returns how long from now it takes until a window begins in which the answers come at that rate, or bound.
func (a *answers) awaitRate(ctx context.Context, rate float64, bound time.Duration) time.Duration {
	now := a.bin(time.Now())
	last := min(now+int(bound/restartBin), len(a.bins)) - restartWindow
	for i := now; i < last && ctx.Err() == nil; i++ {
		timing.Pause(ctx, time.Until(a.began.Add(time.Duration(i+restartWindow)*restartBin)))
		if a.rate(i, i+restartWindow) >= rate {
			return time.Duration(i-now) * restartBin
		}
	}
	return bound
}

// bin returns the one that at falls into.
func (a *answers) bin(at time.Time) int { return int(at.Sub(a.began) / restartBin) }

// rate is the mean number of answers a bin.
func (a *answers) rate(from, to int) float64 {
	var n int64
	for i := from; i < to; i++ {
		n += a.bins[i].Load()
	}
	return float64(n) / float64(max(to-from, 1))
}
