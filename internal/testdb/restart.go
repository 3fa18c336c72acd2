package testdb

import (
	"context"
	"errors"
	"fmt"
)

// StopMode is how a server shuts down.
type StopMode uint8

const (
	// Fast rolls back what runs, tells the clients (SQLSTATE 57P01) and ends
	// orderly.
	Fast StopMode = iota
	// Immediate breaks off, as a crash does: the next start recovers.
	Immediate
)

// String is the name that pg_ctl gives the mode.
func (m StopMode) String() string {
	switch m {
	case Fast:
		return "fast"
	case Immediate:
		return "immediate"
	default:
		return fmt.Sprintf("StopMode(%d)", uint8(m))
	}
}

var (
	errClosed   = errors.New("testdb: the server has been closed")
	errShared   = errors.New("testdb: other tests use this server; Private gives one that may be stopped")
	errStopped  = errors.New("the server is stopped")
	errExisting = errors.New("testdb: the server of " + envDatabaseURL + " is not ours to stop")
)

// Stop shuts the server down and returns when its process has ended. Stopping
// one that is stopped does nothing. Only a server that Start or Private started
// can be stopped. When the context ends first, the server still shuts down.
func (s *Server) Stop(ctx context.Context, mode StopMode) error {
	return s.exclusively(ctx, func(c *cluster) error { return c.stop(ctx, mode) })
}

// Restart stops the server, if it runs, and starts it again on the same port
// and with the same data. It returns when the server accepts connections. After
// an error it may be stopped; then Restart can be called again.
func (s *Server) Restart(ctx context.Context, mode StopMode) error {
	return s.exclusively(ctx, func(c *cluster) error {
		if err := c.stop(ctx, mode); err != nil {
			return err
		}
		return c.start(ctx)
	})
}

func (s *Server) exclusively(ctx context.Context, f func(*cluster) error) error {
	if s.cluster == nil {
		return errExisting
	}
	if s.shared {
		return errShared
	}
	select {
	case s.turn <- struct{}{}:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { <-s.turn }()
	if s.isClosed() {
		return errClosed
	}
	if err := f(s.cluster); err != nil {
		return fmt.Errorf("testdb: %w", err)
	}
	return nil
}

func (s *Server) isClosed() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closed
}

// stopped reports whether no server process of ours runs.
func (s *Server) stopped() bool {
	if s.cluster == nil {
		return false
	}
	s.turn <- struct{}{}
	defer func() { <-s.turn }()
	return s.isClosed() || s.cluster.postgres == nil
}

func (c *cluster) stop(ctx context.Context, mode StopMode) error {
	if c.postgres == nil {
		return nil
	}
	if err := c.postgres.stop(ctx, c, mode); err != nil {
		return fmt.Errorf("stop postgres: %w", err)
	}
	c.postgres = nil
	return nil
}
