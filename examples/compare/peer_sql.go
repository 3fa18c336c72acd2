package main

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"

	"github.com/XSAM/otelsql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
)

// backend is what stands behind a *sql.DB: the stand-in driver, or else the server of a DSN.
type backend struct {
	standin *standin
	dsn     string
}

// connector returns the driver that the peers without one of their own are put around.
func (b backend) connector() (driver.Connector, error) {
	if b.standin != nil {
		return b.standin, nil
	}
	config, err := pgx.ParseConfig(b.dsn)
	if err != nil {
		return nil, err
	}
	return stdlib.GetConnector(*config), nil
}

// sqlPool is a *sql.DB and what else must be closed with it.
type sqlPool struct {
	db    *sql.DB
	close func() error
}

// openSQL makes a pool of at most want.conns connections; warming it is the caller's part.
type openSQL func(ctx context.Context, b backend, want size) (sqlPool, error)

func openPlain(_ context.Context, b backend, want size) (sqlPool, error) {
	inner, err := b.connector()
	if err != nil {
		return sqlPool{}, err
	}
	db := sql.OpenDB(inner)
	limit(db, want)
	return sqlPool{db: db, close: db.Close}, nil
}

// openOtelsql measures with the metrics of the SDK, which are recorded but never exported, and without traces.
func openOtelsql(_ context.Context, b backend, want size) (sqlPool, error) {
	inner, err := b.connector()
	if err != nil {
		return sqlPool{}, err
	}
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))
	db := otelsql.OpenDB(inner, otelsql.WithMeterProvider(provider))
	limit(db, want)
	return sqlPool{db: db, close: func() error {
		return errors.Join(db.Close(), provider.Shutdown(context.Background()))
	}}, nil
}

// limit gives database/sql the pool that the others have: so many connections, and none is closed for being idle.
func limit(db *sql.DB, want size) {
	db.SetMaxOpenConns(want.conns)
	db.SetMaxIdleConns(want.conns)
}

// onStandin puts the pool in front of the stand-in driver.
func (open openSQL) onStandin(ctx context.Context, s *standin, want size) (standinClient, error) {
	pool, err := open(ctx, backend{standin: s}, want)
	if err != nil {
		return standinClient{}, err
	}
	exec := func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, standinQuery)
		return err
	}
	if err := warmSQL(ctx, pool.db, want.warm, exec); err != nil {
		return standinClient{}, errors.Join(err, pool.close())
	}
	return standinClient{close: pool.close, exec: func(ctx context.Context) error {
		_, err := pool.db.ExecContext(ctx, standinQuery)
		return err
	}}, nil
}

// onServer puts the pool in front of a server.
func (open openSQL) onServer(ctx context.Context, dsn string, want size) (serverClient, error) {
	pool, err := open(ctx, backend{dsn: dsn}, want)
	if err != nil {
		return serverClient{}, err
	}
	selectOne := func(ctx context.Context, conn *sql.Conn) error {
		var one int
		return conn.QueryRowContext(ctx, selectOneQuery).Scan(&one)
	}
	if err := warmSQL(ctx, pool.db, want.warm, selectOne); err != nil {
		return serverClient{}, errors.Join(err, pool.close())
	}
	return serverClient{
		close: pool.close,
		selectOne: func(ctx context.Context) error {
			var one int
			return pool.db.QueryRowContext(ctx, selectOneQuery).Scan(&one)
		},
		ask: func(ctx context.Context, query string, answer any) error {
			return pool.db.QueryRowContext(ctx, query).Scan(answer)
		},
		sleep: func(ctx context.Context) error {
			_, err := pool.db.ExecContext(ctx, sleepQuery)
			return err
		},
	}, nil
}

// warmSQL opens n connections by using n at the same time. It does so with high priority, because a pool that keeps a
// reserve would never give all of them to anybody else.
func warmSQL(ctx context.Context, db *sql.DB, n int, use func(context.Context, *sql.Conn) error) (err error) {
	ctx = important(ctx)
	var held []*sql.Conn
	defer func() {
		for _, conn := range held {
			err = errors.Join(err, conn.Close())
		}
	}()
	for range n {
		conn, err := db.Conn(ctx)
		if err != nil {
			return err
		}
		held = append(held, conn)
		if err := use(ctx, conn); err != nil {
			return err
		}
	}
	return nil
}
