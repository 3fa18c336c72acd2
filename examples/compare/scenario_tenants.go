package main

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/poolsql/poolsql"
)

// tenantsGroup is J: one tenant with many calls beside one with few.
func tenantsGroup(l *lab) group {
	peers := []standinPeer{
		{plainSQL, openSQL(openPlain).onStandin},
		{puddlePool, openPuddle},
		{poolSQL, openPoolsql(0).onStandin},
	}
	duration := time.Duration(l.scale(5000, 200)) * time.Millisecond
	return group{
		title: "J. A mouse with 150 calls a second beside an elephant with 200 callers who never stop, 8 connections, 5 ms of " +
			"work each",
		columns: standinNames(peers),
		experiments: []experiment{{
			name: "J/tenants",
			measures: []measure{
				{name: "mouse alone, p99 (ms)", digits: 1},
				{name: "mouse p50 (ms)", digits: 1},
				{name: "mouse p99 (ms)", digits: 1, target: "1.2 × alone + 5"},
				{name: "elephant calls/s"},
			},
			arms: armsOf(peers, func(ctx context.Context, peer standinPeer) ([]float64, error) {
				return measureTenants(ctx, peer, duration)
			}),
		}},
	}
}

func tenantOf(name string) func(context.Context) context.Context {
	return func(ctx context.Context) context.Context {
		return poolsql.WithTenant(poolsql.WithLabel(ctx, name), name)
	}
}

func measureTenants(ctx context.Context, peer standinPeer, duration time.Duration) (_ []float64, err error) {
	s := &standin{work: 5 * time.Millisecond, spread: callSpread}
	client, err := peer.open(ctx, s, size{conns: openConns, warm: openConns})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, client.close()) }()

	mouse := openLoop{duration: duration, streams: []stream{{perSecond: 150, mark: tenantOf("mouse")}}}
	alone := useful(mouse.run(ctx, client.exec)...)
	crowd := startCrowd(tenantOf("elephant")(ctx), 200, client.exec)
	beside := useful(mouse.run(ctx, client.exec)...)
	calls := crowd.stop()
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	return []float64{
		percentileOf(alone, 0.99), percentileOf(beside, 0.5), percentileOf(beside, 0.99), float64(calls) / duration.Seconds(),
	}, nil
}

// A standing crowd is callers who do one operation after the other until they are sent home.
type standingCrowd struct {
	leave chan struct{}
	done  sync.WaitGroup

	mu    sync.Mutex
	calls int
}

func startCrowd(ctx context.Context, callers int, op operation) *standingCrowd {
	c := &standingCrowd{leave: make(chan struct{})}
	for range callers {
		c.done.Go(func() {
			n := 0
			for {
				select {
				case <-c.leave:
					c.mu.Lock()
					c.calls += n
					c.mu.Unlock()
					return
				default:
				}
				if op(ctx) == nil {
					n++
					continue
				}
				time.Sleep(time.Millisecond) // whoever refuses at once is not to be asked as often as the processor can
			}
		})
	}
	return c
}

// stop sends the crowd home and returns how many of its calls were answered.
func (c *standingCrowd) stop() int {
	close(c.leave)
	c.done.Wait()
	return c.calls
}
