package main

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

// census counts the connections that a pool opens, and knows the server's processes behind them. Safe for concurrent use.
type census struct {
	// mu guards what follows.
	mu     sync.Mutex
	opened int
	pids   map[uint32]struct{}
}

// add is every peer's hook for new connections.
func (c *census) add(_ context.Context, conn *pgx.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pids == nil {
		c.pids = make(map[uint32]struct{})
	}
	c.opened++
	c.pids[conn.PgConn().PID()] = struct{}{}
	return nil
}

// count returns how many were opened, and how many processes served them.
func (c *census) count() (opened, processes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.opened, len(c.pids)
}
