package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"time"
)

// armGrace is what an arm has to clean up after its time.
const armGrace = 20 * time.Second

var (
	errTooLong = errors.New("was to end by itself, and did not within")
	errStuck   = errors.New("heeds not even the end of its context: left behind; where it stands is in the progress")
)

// within runs the arm once and gives it so long. What is measured here are faults, and a peer that waits for ever is one of
// them: it must end as an error that says where, and not as a program that never ends. So an arm that does not return when
// its context has ended is left behind, with a list of the goroutines to find it by.
func (a arm) within(ctx context.Context, limit time.Duration, progress io.Writer) ([]float64, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("%w %v", errTooLong, limit))
	defer cancel()
	type outcome struct {
		values []float64
		err    error
	}
	returned := make(chan outcome, 1)
	go func() {
		values, err := a(ctx)
		returned <- outcome{values, err}
	}()

	var patience <-chan time.Time // for ever, until the context has ended
	ended := ctx.Done()
	for {
		select {
		case got := <-returned:
			if err := context.Cause(ctx); err != nil {
				return nil, errors.Join(err, got.err) // what was cut short is no measurement
			}
			return got.values, got.err
		case <-ended:
			ended, patience = nil, time.After(armGrace)
		case <-patience:
			_ = pprof.Lookup("goroutine").WriteTo(progress, 1)
			return nil, errors.Join(context.Cause(ctx), errStuck)
		}
	}
}
