package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// timeoutsPlan says how many statements run out of time on a pool that has a connection for each caller.
type timeoutsPlan struct {
	callers    int
	perCaller  int           // statements that time out
	long       time.Duration // what half of them take if nobody cancels them
	successors int           // statements of the same caller after each of them
}

// timeouts is one run of the plan.
type timeouts struct {
	client faultClient
	plan   timeoutsPlan
	begun  atomic.Int64 // statements that are to time out
	stray  atomic.Int64 // statements, successors for the most part, hit by a cancel that was not theirs
	failed atomic.Int64 // successors that failed in any other way
}

func timeoutsExperiment(l *lab) experiment {
	plan := timeoutsPlan{callers: openConns, perCaller: l.scale(125, 3), long: l.long(), successors: 10}
	return experiment{
		name:  "H/timeouts",
		label: "1,000 timeouts, 8 connections",
		measures: []measure{
			{name: "connections opened, these included", target: "8"},
			{name: "first 8 server processes still there", target: "8"},
			{name: "dials, requests to cancel included"},
			{name: "stray 57014 in 10,000 successors", total: true, target: "0"},
			{name: "other failures of successors", total: true, target: "0"},
		},
		arms: faultArms(l.database, func(ctx context.Context, peer faultPeer, dsn string) ([]float64, error) {
			return measureTimeouts(ctx, peer, dsn, plan)
		}),
	}
}

func measureTimeouts(ctx context.Context, peer faultPeer, dsn string, plan timeoutsPlan) (values []float64, err error) {
	seen := newCensus()
	client, err := peer.open(ctx, faultSetup{dsn: dsn, conns: plan.callers, census: seen})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	before, err := seen.processes(ctx, dsn)
	if err != nil {
		return nil, err
	}
	if len(before) != plan.callers {
		return nil, fmt.Errorf("the server has %d processes for a pool of %d", len(before), plan.callers)
	}
	run := &timeouts{client: client, plan: plan}
	if out := (load{callers: plan.callers, perCaller: plan.perCaller}).run(ctx, run.one); out.err != nil {
		return nil, out.err
	}
	after, err := seen.processes(ctx, dsn)
	if err != nil {
		return nil, err
	}
	return []float64{
		float64(seen.opened.Load()), float64(both(before, after)), float64(seen.dialed.Load()),
		float64(run.stray.Load()), float64(run.failed.Load()),
	}, nil
}

// one lets a statement time out, and looks at what comes after.
func (t *timeouts) one(ctx context.Context) error {
	for {
		err := t.timeOut(ctx)
		if errors.Is(err, errOutOfTime) {
			break
		}
		switch {
		case err == nil: // the answer was faster: once more
		case isCanceled(err):
			t.stray.Add(1)
		default:
			return err
		}
	}
	for i := range t.plan.successors {
		next := t.client.selectOne
		if i == 0 { // takes its time, as a cancel that comes late hits only what runs
			next = func(ctx context.Context) error { return t.client.exec(ctx, pauseQuery, lateCancel.Seconds()) }
		}
		switch err := next(ctx); {
		case err == nil:
		case isCanceled(err):
			t.stray.Add(1)
		default:
			t.failed.Add(1)
		}
	}
	return ctx.Err()
}

// isCanceled reports whether the server says that it was asked to cancel.
func isCanceled(err error) bool {
	var answer *pgconn.PgError
	return errors.As(err, &answer) && answer.Code == "57014"
}

// timeOut runs a statement with less time than it needs. Every second one is in a transaction, and every second of both
// needs just what it has, so that the cancel comes when the answer does: that is when one goes astray.
func (t *timeouts) timeOut(ctx context.Context) error {
	n := t.begun.Add(1)
	has := 5*time.Millisecond + rand.N(10*time.Millisecond)
	needs := has
	if n/2%2 == 0 {
		needs = t.plan.long
	}
	run := func(exec statement) error { return pauseFor(ctx, exec, needs, time.Now().Add(has)) }
	if n%2 == 0 {
		return t.client.inTx(ctx, run)
	}
	return run(t.client.exec)
}

// lateCancel is how long the first successor waits for a cancel that is not its own.
const lateCancel = 3 * time.Millisecond

// pauseQuery takes as long as its argument says, in seconds.
const pauseQuery = "select pg_sleep($1)"

// errOutOfTime is a statement that failed once its time was up. It is not told by what the peers say, which may be no more
// than that the connection is bad.
var errOutOfTime = errors.New("out of time")

// pauseFor runs a statement that takes d and has until deadline.
func pauseFor(ctx context.Context, exec statement, d time.Duration, deadline time.Time) error {
	limited, cancel := context.WithDeadline(ctx, deadline)
	defer cancel()
	err := exec(limited, pauseQuery, d.Seconds())
	if err != nil && !time.Now().Before(deadline) {
		return errors.Join(errOutOfTime, err)
	}
	return err
}
