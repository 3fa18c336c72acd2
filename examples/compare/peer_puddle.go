package main

import (
	"context"
	"database/sql/driver"

	"github.com/jackc/puddle/v2"
)

// openPuddle makes a puddle pool of the stand-in's connections. It is the pool inside pgxpool, which itself cannot be
// put in front of anything but PostgreSQL.
func openPuddle(ctx context.Context, s *standin, want size) (standinClient, error) {
	pool, err := puddle.NewPool(&puddle.Config[driver.ExecerContext]{
		MaxSize: int32(want.conns),
		Constructor: func(ctx context.Context) (driver.ExecerContext, error) {
			conn, err := s.Connect(ctx)
			if err != nil {
				return nil, err
			}
			return conn.(driver.ExecerContext), nil
		},
		Destructor: func(driver.ExecerContext) {},
	})
	if err != nil {
		return standinClient{}, err
	}
	for range want.warm {
		if err := pool.CreateResource(ctx); err != nil {
			pool.Close()
			return standinClient{}, err
		}
	}
	return standinClient{
		close: func() error { pool.Close(); return nil },
		exec: func(ctx context.Context) error {
			resource, err := pool.Acquire(ctx)
			if err != nil {
				return err
			}
			defer resource.Release()
			_, err = resource.Value().ExecContext(ctx, standinQuery, nil)
			return err
		},
	}, nil
}
