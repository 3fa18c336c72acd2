package main

import (
	"context"
	"database/sql"
	"errors"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/pgconn/ctxwatch"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/poolsql/poolsql"
)

// faultSetup says what kind of pool is wanted on a server that something happens to.
type faultSetup struct {
	dsn     string
	conns   int             // open at most, and opened and used before open returns
	dial    pgconn.DialFunc // nil for the usual one
	acquire time.Duration   // how long callers wait for a connection; 0 is for as long as it takes

	// limit is the statement timeout, which every peer has the server told of. 0 is none.
	limit time.Duration
	// census, if set, counts what is dialed and opened.
	census *census
}

// config is what all peers connect with.
func (s faultSetup) config() (*pgx.ConnConfig, error) {
	config, err := pgx.ParseConfig(s.dsn)
	if err != nil {
		return nil, err
	}
	if s.dial != nil {
		config.DialFunc = s.dial
	}
	s.census.watch(config)
	return config, nil
}

// tellServer sets the statement timeout for peers that have no setting for it.
func (s faultSetup) tellServer(config *pgx.ConnConfig) {
	if s.limit > 0 {
		config.RuntimeParams["statement_timeout"] = strconv.FormatInt(s.limit.Milliseconds(), 10)
	}
}

// patience is the acquire timeout of peers that have none: a deadline for the caller.
func (s faultSetup) patience(ctx context.Context) (context.Context, context.CancelFunc) {
	if s.acquire == 0 {
		return ctx, func() {}
	}
	return context.WithTimeout(ctx, s.acquire)
}

// faultPeer is a pool that something is done to.
type faultPeer struct {
	name string
	open func(context.Context, faultSetup) (faultClient, error)
}

// statement executes one, whose result nobody wants.
type statement func(ctx context.Context, query string, args ...any) error

// faultClient executes statements on a pool.
type faultClient struct {
	exec statement
	// inTx begins a transaction under ctx, calls f with what executes statements in it, and rolls it back. It returns f's
	// error; a roll-back can only fail after that.
	inTx  func(ctx context.Context, f func(statement) error) error
	close func() error
}

func (c faultClient) selectOne(ctx context.Context) error { return c.exec(ctx, selectOneQuery) }

// faultPeers are those whose behavior under faults is compared. pgx's handler for cancel requests is its documented way
// to keep a connection whose statement is canceled.
func faultPeers() []faultPeer {
	return []faultPeer{
		{plainSQL, openFaultSQL(nil)},
		{cancelSQL, openFaultSQL(askToCancel)},
		{pgxPool, openFaultPgxpool},
		{poolSQL, openFaultPoolsql},
	}
}

// askToCancel is pgx's handler without any delay, and with about the patience that poolsql has.
func askToCancel(conn *pgconn.PgConn) ctxwatch.Handler {
	return &pgconn.CancelRequestContextWatcherHandler{Conn: conn, DeadlineDelay: time.Second}
}

func openFaultSQL(handler func(*pgconn.PgConn) ctxwatch.Handler) func(context.Context, faultSetup) (faultClient, error) {
	return func(ctx context.Context, s faultSetup) (faultClient, error) {
		config, err := s.config()
		if err != nil {
			return faultClient{}, err
		}
		s.tellServer(config)
		if handler != nil {
			config.BuildContextWatcherHandler = handler
		}
		db := sql.OpenDB(stdlib.GetConnector(*config, stdlib.OptionAfterConnect(s.census.add)))
		limit(db, size{conns: s.conns})
		return newFaultClient(ctx, db, s)
	}
}

// openFaultPoolsql sets what poolsql has settings for, and nothing else.
func openFaultPoolsql(ctx context.Context, s faultSetup) (faultClient, error) {
	config, err := s.config()
	if err != nil {
		return faultClient{}, err
	}
	db, err := poolsql.Open(poolsql.Config{
		ConnConfig: config, MaxConns: s.conns,
		StatementTimeout: s.limit, AcquireTimeout: s.acquire, AfterConnect: s.census.add,
	})
	if err != nil {
		return faultClient{}, err
	}
	s.acquire = 0 // is the pool's own
	return newFaultClient(ctx, db, s)
}

// newFaultClient warms what it is given, and closes it if that fails.
func newFaultClient(ctx context.Context, db *sql.DB, s faultSetup) (faultClient, error) {
	use := func(ctx context.Context, conn *sql.Conn) error {
		_, err := conn.ExecContext(ctx, selectOneQuery)
		return err
	}
	if err := warmSQL(ctx, db, s.conns, use); err != nil {
		return faultClient{}, errors.Join(err, db.Close())
	}
	return faultClient{
		close: db.Close,
		exec: func(ctx context.Context, query string, args ...any) error {
			ctx, cancel := s.patience(ctx)
			defer cancel()
			_, err := db.ExecContext(ctx, query, args...)
			return err
		},
		inTx: func(ctx context.Context, f func(statement) error) error {
			tx, err := db.BeginTx(ctx, nil)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback() }() // fails where the connection is gone, which is what is counted
			return f(func(ctx context.Context, query string, args ...any) error {
				_, err := tx.ExecContext(ctx, query, args...)
				return err
			})
		},
	}, nil
}

func openFaultPgxpool(ctx context.Context, s faultSetup) (faultClient, error) {
	poolConfig, err := pgxpool.ParseConfig(s.dsn)
	if err != nil {
		return faultClient{}, err
	}
	if poolConfig.ConnConfig, err = s.config(); err != nil {
		return faultClient{}, err
	}
	s.tellServer(poolConfig.ConnConfig)
	poolConfig.MaxConns = int32(s.conns)
	poolConfig.AfterConnect = s.census.add
	pool, err := pgxpool.NewWithConfig(ctx, poolConfig)
	if err != nil {
		return faultClient{}, err
	}
	if err := warmPgxpool(ctx, pool, s.conns); err != nil {
		pool.Close()
		return faultClient{}, err
	}
	return faultClient{
		close: func() error { pool.Close(); return nil },
		exec: func(ctx context.Context, query string, args ...any) error {
			ctx, cancel := s.patience(ctx)
			defer cancel()
			_, err := pool.Exec(ctx, query, args...)
			return err
		},
		inTx: func(ctx context.Context, f func(statement) error) error {
			tx, err := pool.Begin(ctx)
			if err != nil {
				return err
			}
			defer func() { _ = tx.Rollback(ctx) }() // as above
			return f(func(ctx context.Context, query string, args ...any) error {
				_, err := tx.Exec(ctx, query, args...)
				return err
			})
		},
	}, nil
}
