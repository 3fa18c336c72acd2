package main

import "context"

// The names of the peers: the columns of the tables.
const (
	plainSQL        = "database/sql"
	otelSQL         = "otelsql"
	pgxPool         = "pgxpool"
	puddlePool      = "puddle"
	poolSQL         = "poolsql"
	reserveSQL      = "poolsql, HighReserve 1"
	shedSQL         = "poolsql, Shedding"
	shedReserveSQL  = "poolsql, Shedding, HighReserve 1"
	slowSQL         = "poolsql, SlowThreshold"
	flightSQL       = "database/sql, singleflight"
	sharedSQL       = "poolsql, WithCoalescing"
	codelLock       = "bohde/codel"
	failsafeLimiter = "failsafe-go"
	cancelSQL       = "database/sql, cancel handler"
)

// openConns is the number of connections of every pool but the one of the spike.
const openConns = 8

// size is how large a pool is wanted.
type size struct {
	conns int // at most
	warm  int // opened and used before open returns
}

// standinPeer is a pool in front of the stand-in driver.
type standinPeer struct {
	name string
	open func(ctx context.Context, s *standin, want size) (standinClient, error)
}

// standinClient executes statements on a warmed pool.
type standinClient struct {
	exec  operation
	close func() error
}

// serverPeer is a pool in front of a PostgreSQL.
type serverPeer struct {
	name string
	open func(ctx context.Context, dsn string, want size) (serverClient, error)
}

// serverClient queries a server through a warmed pool.
type serverClient struct {
	selectOne operation
	sleep     operation                                                 // 10 ms, in the server
	ask       func(ctx context.Context, query string, answer any) error // a query with one value
	close     func() error
}

const (
	selectOneQuery = "select 1"
	sleepQuery     = "select pg_sleep(0.01)"
	standinQuery   = "work"
)
