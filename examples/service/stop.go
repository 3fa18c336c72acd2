package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// How long the end may take. Kubernetes kills 30 s after SIGTERM, unless terminationGracePeriodSeconds says otherwise: the grace
// and these two have to fit.
const (
	requestsWithin = 10 * time.Second
	drainWithin    = 10 * time.Second
)

// stop ends the service without losing a request. The order matters:
//
//  1. Readiness says no, while everything is served as before. Whoever sends requests needs a moment to hear of it and to choose
//     another instance: a request that comes when nobody listens any more fails, whatever a program does.
//  2. No connection is taken any more, and the requests under way come to their end.
//  3. The pool drains. Nothing should be left; what is, a job in the background say, gets its time, and is then canceled and named.
//
// The other way round, with the pool drained first, the requests under way would be refused.
func (s *service) stop(ctx context.Context, grace time.Duration, stdout io.Writer) error {
	began := time.Now()
	s.stopping.Store(true)
	fmt.Fprintf(stdout, "stopping: not ready any more, serving on for %s\n", grace)
	time.Sleep(grace)

	before := s.pool.Stats()
	requests, cancel := context.WithTimeout(ctx, requestsWithin)
	defer cancel()
	err := s.server.Shutdown(requests)
	fmt.Fprintf(stdout, "stopping: the last request is answered; %d connections were in use\n", before.InUseConns)

	drain, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	err = errors.Join(err, s.pool.Drain(drain))
	fmt.Fprintf(stdout, "stopped after %.1fs\n", time.Since(began).Seconds())
	return err
}
