package main

import (
	"context"
	"errors"
	"time"

	"github.com/poolsql/poolsql/examples/internal/timing"
)

// holePlan says what is lost in a black hole: a statement of a pool that has one connection. New connections come through
// again when its caller has returned.
type holePlan struct {
	limit time.Duration // what the statement may take
	byCtx bool          // and whether its context says so, or only the statement timeout
	bound time.Duration // how long anything is waited for
}

// holeRetry is the pause between two tries of whoever comes next.
const holeRetry = 10 * time.Millisecond

// errHoleAnswered is a failure of the experiment itself.
var errHoleAnswered = errors.New("a statement in a black hole was answered")

func holeExperiment(l *lab, name, label string, byCtx bool, bound time.Duration) experiment {
	plan := holePlan{
		limit: time.Duration(l.scale(1000, 300)) * time.Millisecond,
		byCtx: byCtx,
		bound: bound,
	}
	return experiment{
		name:  name,
		label: label,
		measures: []measure{
			{name: "caller returns after (s)", digits: 2, bound: plan.bound.Seconds(), target: "≤ 2"},
			{name: "slot usable again after that (s)", digits: 2, bound: plan.bound.Seconds(), target: "≤ 1"},
		},
		arms: faultArms(l.database, func(ctx context.Context, peer faultPeer, dsn string) ([]float64, error) {
			return measureHole(ctx, peer, dsn, plan)
		}),
	}
}

func measureHole(ctx context.Context, peer faultPeer, dsn string, plan holePlan) (values []float64, err error) {
	setup := faultSetup{dsn: dsn, conns: 1}
	if !plan.byCtx {
		setup.limit = plan.limit
	}
	p, client, err := openBehindProxy(ctx, peer, setup)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()
	defer p.close()

	limited, cancel := ctx, func() {}
	if plan.byCtx {
		limited, cancel = context.WithTimeout(ctx, plan.limit)
	}
	defer cancel()
	p.swallow()
	began := time.Now()
	returned := make(chan error, 1)
	go func() { returned <- client.selectOne(limited) }()
	tooLong := time.NewTimer(plan.bound)
	defer tooLong.Stop()
	select {
	case err := <-returned:
		if err == nil {
			return nil, errHoleAnswered
		}
	case <-tooLong.C:
		p.cut()
		<-returned
		return []float64{plan.bound.Seconds(), plan.bound.Seconds()}, ctx.Err()
	}
	took := time.Since(began)
	p.heal()
	return []float64{took.Seconds(), plan.next(ctx, client).Seconds()}, ctx.Err()
}

// next returns how long it takes from now until somebody else gets an answer, or the bound.
func (p holePlan) next(ctx context.Context, client faultClient) time.Duration {
	limited, cancel := context.WithTimeout(ctx, p.bound)
	defer cancel()
	began := time.Now()
	for client.selectOne(limited) != nil {
		timing.Pause(limited, holeRetry)
		if limited.Err() != nil {
			return p.bound
		}
	}
	return time.Since(began)
}
