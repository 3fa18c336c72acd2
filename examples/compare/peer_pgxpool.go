package main

import (
	"context"

	"github.com/jackc/pgx/v5/pgxpool"
)

// openPgxpool makes a pgxpool, which is used by its own API: no database/sql in front of it.
func openPgxpool(ctx context.Context, dsn string, want size) (serverClient, error) {
	config, err := pgxpool.ParseConfig(dsn)
	if err != nil {
		return serverClient{}, err
	}
	config.MaxConns = int32(want.conns)
	pool, err := pgxpool.NewWithConfig(ctx, config)
	if err != nil {
		return serverClient{}, err
	}
	if err := warmPgxpool(ctx, pool, want.warm); err != nil {
		pool.Close()
		return serverClient{}, err
	}
	return serverClient{
		close: func() error { pool.Close(); return nil },
		selectOne: func(ctx context.Context) error {
			var one int
			return pool.QueryRow(ctx, selectOneQuery).Scan(&one)
		},
		ask: func(ctx context.Context, query string, answer any) error {
			return pool.QueryRow(ctx, query).Scan(answer)
		},
		sleep: func(ctx context.Context) error {
			_, err := pool.Exec(ctx, sleepQuery)
			return err
		},
	}, nil
}

// warmPgxpool opens n connections by using n at the same time.
func warmPgxpool(ctx context.Context, pool *pgxpool.Pool, n int) error {
	for range n {
		conn, err := pool.Acquire(ctx)
		if err != nil {
			return err
		}
		defer conn.Release() // after the loop: none may be used twice
		var one int
		if err := conn.QueryRow(ctx, selectOneQuery).Scan(&one); err != nil {
			return err
		}
	}
	return nil
}
