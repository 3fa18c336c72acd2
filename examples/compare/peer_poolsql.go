package main

import (
	"context"
	"errors"

	"github.com/poolsql/poolsql"
)

// openPoolsql makes a poolsql pool that keeps highReserve of its connections for high priority.
func openPoolsql(highReserve int) openSQL {
	return openPoolsqlWith(poolsql.Config{HighReserve: highReserve})
}

// openPoolsqlWith makes a poolsql pool with these settings.
func openPoolsqlWith(config poolsql.Config) openSQL {
	return func(ctx context.Context, b backend, want size) (sqlPool, error) {
		config := config
		config.MaxConns = want.conns
		if b.standin != nil {
			config.Connector = b.standin
		} else {
			config.DSN = b.dsn
		}
		db, err := poolsql.Open(config)
		if err != nil {
			return sqlPool{}, err
		}
		pool, err := poolsql.FromDB(db)
		if err == nil {
			err = pool.Warmup(ctx, want.warm)
		}
		if err != nil {
			return sqlPool{}, errors.Join(err, db.Close())
		}
		return sqlPool{db: db, close: db.Close}, nil
	}
}

// important and unimportant mark what a caller does. Every peer gets these contexts; only poolsql reads the mark.
func important(ctx context.Context) context.Context   { return poolsql.WithPriority(ctx, poolsql.High) }
func unimportant(ctx context.Context) context.Context { return poolsql.WithPriority(ctx, poolsql.Low) }
