package main

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/poolsql/poolsql/examples/internal/timing"
)

// An openLoop is callers who come when they come, whatever became of those before them: users, and not threads. That is
// the load under which a queue can stand.
type openLoop struct {
	streams  []stream
	duration time.Duration
}

// stream is callers of one kind.
type stream struct {
	perSecond float64
	deadline  time.Duration // for each call; 0 is none
	mark      func(context.Context) context.Context
	from, to  time.Duration // when the first comes and the last; a to of 0 is the end of the run
}

// arrival is what became of one caller.
type arrival struct {
	at, took time.Duration // since the begin of the run; from its coming to its answer or error
	ok       bool          // it had its answer, and in time
}

// run lets them come and waits until the last has gone. It returns what became of each, by stream, in the order in which
// they came. The streams are the same in each run: they are random, but begin with the same number.
func (l openLoop) run(ctx context.Context, op operation) [][]arrival {
	outcomes := make([][]arrival, len(l.streams))
	begin := time.Now()
	var done sync.WaitGroup
	for i, s := range l.streams {
		done.Go(func() { outcomes[i] = s.run(ctx, op, begin, l.duration, rand.New(rand.NewPCG(1, uint64(i)))) })
	}
	done.Wait()
	return outcomes
}

func (s stream) run(ctx context.Context, op operation, begin time.Time, duration time.Duration, rnd *rand.Rand) []arrival {
	if s.mark != nil {
		ctx = s.mark(ctx)
	}
	outcomes := make([]arrival, int(s.perSecond*duration.Seconds()*2)+100) // no caller may wait for one to grow
	var callers sync.WaitGroup
	if s.to > 0 {
		duration = s.to
	}
	n := 0
	for at := s.from; n < len(outcomes); at += time.Duration(rnd.ExpFloat64() / s.perSecond * float64(time.Second)) {
		if at >= duration || ctx.Err() != nil {
			break
		}
		if early := at - time.Since(begin); early > 0 {
			time.Sleep(early)
		}
		out := &outcomes[n]
		n++
		callers.Go(func() { *out = s.call(ctx, op, begin) })
	}
	callers.Wait()
	return outcomes[:n]
}

func (s stream) call(ctx context.Context, op operation, begin time.Time) arrival {
	came := time.Now()
	if s.deadline > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, s.deadline)
		defer cancel()
	}
	err := op(ctx)
	took := time.Since(came)
	return arrival{at: came.Sub(begin), took: took, ok: err == nil && (s.deadline == 0 || took <= s.deadline)}
}

// useful returns how long those took who were answered in time, sorted.
func useful(outcomes ...[]arrival) []time.Duration {
	var took []time.Duration
	for _, stream := range outcomes {
		for _, a := range stream {
			if a.ok {
				took = append(took, a.took)
			}
		}
	}
	slices.Sort(took)
	return took
}

func percentileOf(took []time.Duration, share float64) float64 {
	if len(took) == 0 {
		return 0
	}
	return milliseconds(timing.Percentile(took, share))
}
