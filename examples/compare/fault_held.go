package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/poolsql/poolsql/examples/internal/timing"
)

// heldPlan says how the time is measured for which a statement that has timed out keeps its connection from others: by
// callers each of whom has a pool of one connection to himself, so that what he runs next waits for nothing else.
type heldPlan struct {
	callers   int
	perCaller int
	long      time.Duration // what the statements that time out take if nobody cancels them
	busy      int           // callers of another pool who run statements all the while
}

// heldLongest is after how long no more samples are taken: some peers take a second for each, if the machine is busy.
const heldLongest = 12 * time.Second

// held is what the callers saw. Safe for concurrent use.
type held struct {
	usual time.Duration // what the next statement takes when nothing has happened before

	// mu guards what follows.
	mu    sync.Mutex
	late  []time.Duration // from the deadline until the caller returned
	kept  []time.Duration // from there until the next statement was answered, less what it usually takes
	whole []time.Duration // both
}

// heldLimit is the time that each statement has.
const heldLimit = 10 * time.Millisecond

func heldExperiment(l *lab, name, label string, targets [4]string, plan heldPlan) experiment {
	return experiment{
		name:  name,
		label: label,
		measures: []measure{
			{name: "caller returns late by, p99 (ms)", digits: 1, target: targets[0]},
			{name: "connection busy after that, p50 (ms)", digits: 1, target: targets[1]},
			{name: "connection busy after that, p99 (ms)", digits: 1, target: targets[2]},
			{name: "late and busy, p50 (ms)", digits: 1, target: targets[3]},
		},
		arms: faultArms(l.database, func(ctx context.Context, peer faultPeer, dsn string) ([]float64, error) {
			return measureHeld(ctx, peer, dsn, plan)
		}),
	}
}

// pools are those that no caller uses at present; there are as many as callers.
type pools chan faultClient

// lend has f done with a pool that nobody else uses meanwhile.
func (p pools) lend(f func(context.Context, faultClient) error) operation {
	return func(ctx context.Context) error {
		client := <-p
		defer func() { p <- client }()
		return f(ctx, client)
	}
}

// close closes all that are there.
func (p pools) close() error {
	var errs []error
	for range len(p) {
		errs = append(errs, (<-p).close())
	}
	return errors.Join(errs...)
}

func measureHeld(ctx context.Context, peer faultPeer, dsn string, plan heldPlan) (values []float64, err error) {
	own := make(pools, plan.callers)
	for range plan.callers {
		client, err := peer.open(ctx, faultSetup{dsn: dsn, conns: 1})
		if err != nil {
			return nil, errors.Join(err, own.close())
		}
		own <- client
	}
	defer func() { err = errors.Join(err, own.close()) }()
	if plan.busy == 0 {
		return plan.measure(ctx, own)
	}

	others, err := peer.open(ctx, faultSetup{dsn: dsn, conns: plan.busy})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, others.close()) }()
	c := crowd{standing: make(chan struct{})}
	for range plan.busy {
		c.members.Go(func() { c.loop(ctx, others.selectOne, int64(plan.busy)) })
	}
	<-c.standing
	values, err = plan.measure(ctx, own)
	c.leave.Store(true)
	c.members.Wait()
	return values, errors.Join(err, c.failure())
}

func (p heldPlan) measure(ctx context.Context, own pools) ([]float64, error) {
	undisturbed := load{callers: p.callers, perCaller: p.perCaller, timed: true}
	alone := own.lend(func(ctx context.Context, client faultClient) error { return client.selectOne(ctx) })
	undisturbed.rehearsal().run(ctx, alone)
	usually := undisturbed.run(ctx, alone)
	if usually.err != nil {
		return nil, usually.err
	}

	h := &held{usual: timing.Percentile(usually.latencies, 0.5)}
	began := time.Now()
	out := load{callers: p.callers, perCaller: p.perCaller}.run(ctx, own.lend(func(ctx context.Context, client faultClient) error {
		if time.Since(began) > heldLongest {
			return nil
		}
		return h.sample(ctx, client, p.long)
	}))
	if out.err != nil {
		return nil, out.err
	}
	for _, samples := range [][]time.Duration{h.late, h.kept, h.whole} {
		slices.Sort(samples)
	}
	return []float64{
		milliseconds(timing.Percentile(h.late, 0.99)),
		milliseconds(timing.Percentile(h.kept, 0.5)), milliseconds(timing.Percentile(h.kept, 0.99)),
		milliseconds(timing.Percentile(h.whole, 0.5)),
	}, nil
}

// sample lets a statement time out and runs another.
func (h *held) sample(ctx context.Context, client faultClient, long time.Duration) error {
	deadline := time.Now().Add(heldLimit)
	err := pauseFor(ctx, client.exec, long, deadline)
	returned := time.Now()
	if !errors.Is(err, errOutOfTime) {
		return errors.Join(fmt.Errorf("a statement of %v did not time out", long), err)
	}
	if err := client.selectOne(ctx); err != nil {
		return err
	}
	kept := max(0, time.Since(returned)-h.usual)
	late := max(0, returned.Sub(deadline))

	h.mu.Lock()
	defer h.mu.Unlock()
	h.late, h.kept, h.whole = append(h.late, late), append(h.kept, kept), append(h.whole, late+kept)
	return nil
}
