package main

import (
	"context"
	"database/sql/driver"

	"github.com/bohde/codel"
	"github.com/failsafe-go/failsafe-go/adaptivelimiter"
	fspriority "github.com/failsafe-go/failsafe-go/priority"

	"github.com/poolsql/poolsql"
)

// openFailsafe makes a priority limiter of failsafe-go, with as many permits as there are connections.
func openFailsafe(ctx context.Context, s *standin, want size) (standinClient, error) {
	conns, err := bareConns(ctx, s, want)
	if err != nil {
		return standinClient{}, err
	}
	n := uint(want.conns)
	prioritizer := adaptivelimiter.NewPrioritizer()
	recalibrate, stop := context.WithCancel(ctx)
	prioritizer.ScheduleCalibrations(recalibrate, calibration)
	limiter := adaptivelimiter.NewBuilder[any]().WithLimits(n, n, n).BuildPrioritized(prioritizer)
	return standinClient{
		close: func() error { stop(); return nil },
		exec: func(ctx context.Context) error {
			level := fspriority.Medium
			switch classOf(ctx) {
			case poolsql.High:
				level = fspriority.VeryHigh
			case poolsql.Low:
				level = fspriority.VeryLow
			}
			permit, err := limiter.AcquirePermitWithPriority(ctx, level)
			if err != nil {
				return err
			}
			defer permit.Record()
			return conns.exec(ctx)
		},
	}, nil
}

// openCodel makes a priority lock of bohde/codel, with the target that its documentation has.
func openCodel(ctx context.Context, s *standin, want size) (standinClient, error) {
	conns, err := bareConns(ctx, s, want)
	if err != nil {
		return standinClient{}, err
	}
	lock := codel.NewPriority(codel.Options{MaxPending: 100, MaxOutstanding: want.conns, TargetLatency: codelTarget})
	return standinClient{
		close: func() error { return nil },
		exec: func(ctx context.Context) error {
			if err := lock.Acquire(ctx, int(classOf(ctx))+1); err != nil {
				return err
			}
			defer lock.Release()
			return conns.exec(ctx)
		},
	}, nil
}

// bare are connections for limiters that are no pools: whoever is admitted finds one.
type bare chan driver.ExecerContext

func bareConns(ctx context.Context, s *standin, want size) (bare, error) {
	conns := make(bare, want.conns)
	for range want.conns {
		conn, err := s.Connect(ctx)
		if err != nil {
			return nil, err
		}
		conns <- conn.(driver.ExecerContext)
	}
	return conns, nil
}

func (c bare) exec(ctx context.Context) error {
	conn := <-c
	defer func() { c <- conn }()
	_, err := conn.ExecContext(ctx, standinQuery, nil)
	return err
}
