package main

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/examples/internal/timing"
)

// downPlan says how many callers want a server that is down, and for how long they come back.
type downPlan struct {
	callers  int
	duration time.Duration
	acquire  time.Duration // how long each waits for a connection
	retries  int           // poolsql's, which wait for the server
}

// downPause is what a caller waits after a failure: a gentle retry of its own.
const downPause = 100 * time.Millisecond

// refusals are how callers failed. Safe for concurrent use.
type refusals struct {
	// mu guards what follows.
	mu       sync.Mutex
	took     []time.Duration
	named    int  // that said why the server could not be reached
	answered bool // there was one who did not fail
}

func downExperiment(l *lab, name, label string, targets [2]string, retries int) experiment {
	plan := downPlan{
		callers:  l.scale(1000, 100),
		duration: time.Duration(l.scale(5000, 300)) * time.Millisecond,
		acquire:  time.Second,
		retries:  retries,
	}
	arms := faultArms(l.database, func(ctx context.Context, peer faultPeer, dsn string) ([]float64, error) {
		return measureDown(ctx, peer, dsn, plan)
	})
	return experiment{
		name:  name,
		label: label,
		measures: []measure{
			{name: "attempts to connect per second", digits: 1, target: "≤ 5"},
			{name: "callers fail after, p50 (ms)", digits: 2, target: targets[0]},
			{name: "callers fail after, max (ms)", digits: 1, target: targets[1]},
			{name: "failures that name the cause (%)", digits: 1, target: "100"},
		},
		arms: without(arms, cancelSQL), // nothing is canceled
	}
}

func measureDown(ctx context.Context, peer faultPeer, dsn string, plan downPlan) (values []float64, err error) {
	p, client, err := openBehindProxy(ctx, peer, faultSetup{dsn: dsn, conns: openConns, acquire: plan.acquire})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()
	defer p.close()

	p.cut()
	for range openConns {
		_ = client.selectOne(ctx) // may hit a connection that was there before: those are not what is measured
	}
	before, began := p.attempts.Load(), time.Now()
	r := new(refusals)
	asking := poolsql.WithRetries(ctx, plan.retries) // which the peers do not read
	var members sync.WaitGroup
	for range plan.callers {
		members.Go(func() {
			for time.Since(began) < plan.duration && ctx.Err() == nil {
				r.ask(asking, client)
				timing.Pause(ctx, downPause)
			}
		})
	}
	members.Wait()
	attempts, lasted := p.attempts.Load()-before, time.Since(began)
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if r.answered {
		return nil, errors.New("a server that is down has answered")
	}
	slices.Sort(r.took)
	return []float64{
		float64(attempts) / lasted.Seconds(),
		milliseconds(timing.Percentile(r.took, 0.5)), milliseconds(timing.Percentile(r.took, 1)),
		100 * float64(r.named) / float64(len(r.took)),
	}, nil
}

// ask is one call of one caller.
func (r *refusals) ask(ctx context.Context, client faultClient) {
	began := time.Now()
	err := client.selectOne(ctx)
	took := time.Since(began)
	named := err != nil && strings.Contains(err.Error(), errServerDown.Error())

	r.mu.Lock()
	defer r.mu.Unlock()
	r.took = append(r.took, took)
	r.answered = r.answered || err == nil
	if named {
		r.named++
	}
}
