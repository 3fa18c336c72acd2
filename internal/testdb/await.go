package testdb

import (
	"context"
	"errors"
	"time"
)

// awaitLimit bounds each wait for what a server does by itself, as a recovery or
// a promotion: milliseconds without fsync, and much more on a busy machine.
const awaitLimit = 30 * time.Second

var errAwaited = errors.New("it did not happen within " + awaitLimit.String())

// await calls done until it says so, fails, or the time is over.
func await(ctx context.Context, done func(context.Context) (bool, error)) error {
	ctx, cancel := context.WithTimeoutCause(ctx, awaitLimit, errAwaited)
	defer cancel()
	tick := time.NewTicker(pollInterval)
	defer tick.Stop()
	for {
		ok, err := done(ctx)
		if ctx.Err() != nil && !ok {
			return context.Cause(ctx) // err would only say that it was broken off
		}
		if ok || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
