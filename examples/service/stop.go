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
//  1. Readiness says no, while everything is served as before, but that answers ask for their connections to be closed. Whoever
//     sends requests needs a moment to hear of it and to choose another instance: a request that comes when nobody listens any more
//     fails, whatever a program does.
//  2. No connection is taken any more, and the requests under way come to their end. Those that do not are cut off.
//  3. The pool drains. Nothing should be left; what is, a job in the background say, gets its time, and is then canceled and named.
//
// The other way round, with the pool drained first, the requests under way would be refused.
//
// When ctx ends, each step that waits goes on to the next at once. The error says what was cut off, and has been told: a service
// that was stopped has nobody else to tell.
func (s *service) stop(ctx context.Context, grace time.Duration, stdout io.Writer) error {
	began := time.Now()
	s.stopping.Store(true)
	fmt.Fprintf(stdout, "stopping: not ready any more, serving on for %s; a second signal cuts it short\n", grace)
	every(ctx, grace)

	before := s.pool.Stats()
	requests, cancel := context.WithTimeout(ctx, requestsWithin)
	defer cancel()
	err := s.server.Shutdown(requests)
	if err == nil {
		fmt.Fprintf(stdout, "stopping: the last request is answered; %d connections were in use\n", before.InUseConns)
	} else {
		err = errors.Join(fmt.Errorf("requests were cut off: %w", err), s.server.Close())
	}

	drain, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	if err = errors.Join(err, s.pool.Drain(drain)); err != nil {
		fmt.Fprintf(stdout, "stopping: %v\n", err)
	}
	fmt.Fprintf(stdout, "stopped after %.1fs\n", time.Since(began).Seconds())
	return err
}
