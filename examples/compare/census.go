package main

import (
	"context"
	"fmt"
	"net"
	"slices"
	"sync/atomic"

	"github.com/jackc/pgx/v5"
)

// census counts what a pool dials and opens, and asks the server which of its processes serve that pool. Safe for
// concurrent use.
type census struct {
	application string       // the name under which the server knows the pool's connections
	dialed      atomic.Int64 // whatever for: requests to cancel are connections of their own
	opened      atomic.Int64 // connections that came to serve
}

var censuses atomic.Int64

// newCensus makes one whose name no other pool of this program has.
func newCensus() *census {
	return &census{application: fmt.Sprintf("poolsql-compare-%d", censuses.Add(1))}
}

// watch has what config dials counted. nil watches nothing.
func (c *census) watch(config *pgx.ConnConfig) {
	if c == nil {
		return
	}
	config.RuntimeParams["application_name"] = c.application
	dial := config.DialFunc
	config.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c.dialed.Add(1)
		return dial(ctx, network, address)
	}
}

// add is every peer's hook for new connections. nil counts nothing.
func (c *census) add(context.Context, *pgx.Conn) error {
	if c != nil {
		c.opened.Add(1)
	}
	return nil
}

// processes returns the pids of the server's processes behind the pool.
func (c *census) processes(ctx context.Context, dsn string) ([]int32, error) {
	conn, err := pgx.Connect(ctx, dsn)
	if err != nil {
		return nil, err
	}
	defer conn.Close(ctx)
	rows, err := conn.Query(ctx, "select pid from pg_stat_activity where application_name = $1", c.application)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}

// both counts what is in either list.
func both(a, b []int32) (n int) {
	for _, pid := range a {
		if slices.Contains(b, pid) {
			n++
		}
	}
	return n
}
