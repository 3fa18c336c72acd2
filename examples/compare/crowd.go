package main

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// crowdPlan says how one caller is measured among many.
type crowdPlan struct {
	crowd    int           // callers of low priority
	unloaded int           // queries of the high-priority caller before the crowd comes
	duration time.Duration // how long it queries among the crowd
	atLeast  int           // queries it makes among the crowd, however long they take
}

// crowded is what happened while the crowd was there.
type crowded struct {
	high []time.Duration // latencies of the high-priority caller, sorted
	low  int64           // queries of the crowd in the same time
	wall time.Duration
}

// run starts the crowd, waits until its queue stands, measures, and sends the crowd home. The callers of the crowd end
// after their query and are never canceled, because that would cost connections which the measurement is not about.
func (p crowdPlan) run(ctx context.Context, client serverClient) (crowded, error) {
	c := crowd{standing: make(chan struct{})}
	for range p.crowd {
		c.members.Go(func() { c.loop(unimportant(ctx), client.sleep, int64(p.crowd)) })
	}
	select {
	case <-c.standing:
	case <-ctx.Done():
	}
	result, err := p.measure(important(ctx), client.selectOne, &c.done)
	c.leave.Store(true)
	c.members.Wait()
	if err == nil {
		err = c.failure()
	}
	return result, err
}

func (p crowdPlan) measure(ctx context.Context, op operation, crowdDone *atomic.Int64) (crowded, error) {
	var result crowded
	before := crowdDone.Load()
	begin := time.Now()
	for time.Since(begin) < p.duration || len(result.high) < p.atLeast {
		sent := time.Now()
		if err := op(ctx); err != nil {
			return crowded{}, err
		}
		result.high = append(result.high, time.Since(sent))
	}
	result.wall = time.Since(begin)
	result.low = crowdDone.Load() - before
	slices.Sort(result.high)
	return result, nil
}

// crowd is the callers of low priority.
type crowd struct {
	members  sync.WaitGroup
	leave    atomic.Bool
	done     atomic.Int64  // queries answered
	standing chan struct{} // closed once there were as many answers as there are callers, or a failure
	stand    sync.Once     // closes standing

	// mu guards err.
	mu  sync.Mutex
	err error // the first failure
}

func (c *crowd) loop(ctx context.Context, op operation, callers int64) {
	for !c.leave.Load() {
		if err := op(ctx); err != nil {
			c.fail(err)
			return
		}
		if c.done.Add(1) == callers {
			c.stand.Do(func() { close(c.standing) })
		}
	}
}

func (c *crowd) fail(err error) {
	c.mu.Lock()
	if c.err == nil {
		c.err = err
	}
	c.mu.Unlock()

	c.stand.Do(func() { close(c.standing) })
}

func (c *crowd) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()

	return c.err
}
