package main

import (
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

func TestAllCallersOfALoadAreThereAtOnce(t *testing.T) {
	testdb.NoLeaks(t)
	const callers = 100
	// Nobody gets past the meeting before everybody has come: callers run one after the other would hang here.
	var meeting sync.WaitGroup
	meeting.Add(callers)
	out := load{callers: callers, perCaller: 1, timed: true}.run(t.Context(), func(context.Context) error {
		meeting.Done()
		meeting.Wait()
		return nil
	})
	if out.ops != callers || len(out.latencies) != callers || out.err != nil {
		t.Errorf("%d operations, %d latencies, error %v", out.ops, len(out.latencies), out.err)
	}
	if !slices.IsSorted(out.latencies) {
		t.Error("the latencies are not sorted")
	}
}

func TestFailuresAreCountedAndDoNotEndTheLoad(t *testing.T) {
	testdb.NoLeaks(t)
	third := errors.New("every third fails")
	var n atomic.Int64
	out := load{callers: 3, perCaller: 10}.run(t.Context(), func(context.Context) error {
		if n.Add(1)%3 == 0 {
			return third
		}
		return nil
	})
	if n.Load() != 30 || out.failed != 10 || !errors.Is(out.err, third) {
		t.Errorf("%d operations, %d failed, error %v", n.Load(), out.failed, out.err)
	}
}

func TestLoadEndsWithItsContext(t *testing.T) {
	testdb.NoLeaks(t)
	ctx, cancel := context.WithCancel(t.Context())
	var n atomic.Int64
	out := load{callers: 2, perCaller: 1_000_000}.run(ctx, func(ctx context.Context) error {
		if n.Add(1) == 100 {
			cancel()
		}
		return ctx.Err()
	})
	if !errors.Is(out.err, context.Canceled) || n.Load() > 200 {
		t.Errorf("%d operations, error %v", n.Load(), out.err)
	}
}

func TestCrowdThatCannotQueryFailsTheMeasurement(t *testing.T) {
	testdb.NoLeaks(t)
	refused := errors.New("refused")
	client := serverClient{
		selectOne: func(context.Context) error { return nil },
		sleep:     func(context.Context) error { return refused },
	}
	plan := crowdPlan{crowd: 5, atLeast: 2}
	if _, err := plan.run(t.Context(), client); !errors.Is(err, refused) {
		t.Errorf("error = %v", err)
	}
}
