package connector

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"time"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// routed is a connector with routes as sessions see it.
type routed struct{ source }

var _ pooldriver.Router = routed{}

// Route implements pooldriver.Router.
func (r routed) Route(ctx context.Context, req *lifecycle.Request, call pooldriver.Call) (
	h lifecycle.Handle[*pooldriver.Conn], from pooldriver.Source, away bool, err error,
) {
	rs := r.c.routes
	if name := req.Route; name != "" && name != PrimaryRoute {
		rt := rs.named(name)
		if rt == nil {
			return h, nil, false, &NoRouteError{Pool: r.c.Config().Name, Route: name, Why: rs.names()}
		}
		h, err = rt.lend(ctx, req)
		return h, source{rt.pool}, !rt.byName, err
	}
	cfg := r.c.current.Load().cfg
	if !rs.mayRead(cfg, &req.Options, call) {
		h, err = r.Acquire(ctx, req)
		return h, r.source, false, err
	}
	rs.prober.use(ctx)
	var last, busy error
	var waited time.Duration // with those that had too much to do
	var tried uint64         // a bit for each; see maxRoutes
	for rt := rs.choose(cfg, req.Wrote(), tried); rt != nil; rt = rs.choose(cfg, req.Wrote(), tried) {
		h, err = rt.lend(ctx, req)
		if err == nil {
			return h, source{rt.pool}, true, nil
		}
		switch last = err; {
		case ctx.Err() != nil:
			return h, nil, false, err
		case errors.Is(err, priority.ErrUnavailable):
			rt.eject(err)
		case errors.Is(err, pooldriver.ErrElsewhere):
		case errors.Is(err, priority.ErrQueueFull), errors.Is(err, priority.ErrOverloaded): // another may have less to do
			busy = err
			if waited += waitOf(err); cfg.AcquireTimeout > 0 && waited >= cfg.AcquireTimeout {
				return h, nil, false, err
			}
		default: // its time ran out, or somebody turned it away on purpose
			return h, nil, false, err
		}
		tried |= rs.bit(rt)
	}
	if busy != nil { // load that a primary need not see as well
		return h, nil, false, busy
	}
	if cfg.ReplicasOnly && req.Wrote() == 0 {
		return h, nil, false, &NoRouteError{Pool: cfg.Name, Why: rs.faults(cfg), Err: last}
	}
	rs.fellBack(cfg, req.Wrote() != 0, last != nil)
	h, err = r.Acquire(ctx, req)
	return h, r.source, false, err
}

// waitOf returns how long who got this refusal stood in the queue.
func waitOf(err error) time.Duration {
	var refused *priority.RefusedError
	if errors.As(err, &refused) {
		return refused.Waited
	}
	return 0
}

// Holds implements pooldriver.Source: whoever waits for one of the pools while he holds something of another may be waited for
// himself.
func (r routed) Holds(owner *priority.Owner) bool {
	holds := false
	r.c.eachPool(func(p *connPool) { holds = holds || p.Holds(owner) > 0 })
	return holds
}

// Elsewhere implements pooldriver.Router.
func (r routed) Elsewhere(o *priority.Options, call pooldriver.Call) bool {
	if o != nil && o.Route != "" && o.Route != PrimaryRoute || call.Kind == pooldriver.OpPing {
		return false // another one was asked for by name, or it does not matter
	}
	return !r.c.routes.mayRead(r.c.current.Load().cfg, o, call)
}

// Missed implements pooldriver.Router.
func (r routed) Missed(text string) { r.c.routes.writes.add(text) }

// mayRead reports whether a route for reads may serve the call.
func (rs *routes) mayRead(cfg *Config, o *priority.Options, call pooldriver.Call) bool {
	if o != nil && o.Route != "" { // PrimaryRoute
		return false
	}
	if call.Kind == pooldriver.OpBegin {
		return call.BeginsReadOnly()
	}
	if o != nil && o.ReadOnly {
		return true
	}
	return cfg.ClassifyReads && call.Kind != pooldriver.OpPing && call.Reads() && !rs.writes.has(call.Text)
}

// choose returns the less loaded of two routes, drawn from those that may serve a read which must see what was written by
// then, nil if there is none. Of two drawn at random the better is nearly as good as the best of all, and, unlike the best
// of all, not everybody's choice at once.
func (rs *routes) choose(cfg *Config, wrote mono.Time, tried uint64) *route {
	now := mono.Now()
	var first, second *route
	n := 0
	for i, rt := range rs.all {
		if rt.byName || tried&(1<<i) != 0 || rt.health.Load().fault(rt, cfg, wrote, now) != "" {
			continue
		}
		switch n++; {
		case first == nil:
			first = rt
		case second == nil:
			second = rt
		case rand.IntN(n) < 2: // each pair is as likely as the others
			if rand.IntN(2) == 0 {
				first = rt
			} else {
				second = rt
			}
		}
	}
	if first == nil && wrote != 0 {
		rs.prober.kick() // so that a replica is known to have it soon
	}
	if second == nil || first.load() <= second.load() {
		return first
	}
	return second
}

// bit returns the route's bit in a set of those that were tried.
func (rs *routes) bit(rt *route) uint64 {
	for i := range rs.all {
		if rs.all[i] == rt {
			return 1 << i
		}
	}
	return 0
}

// load returns how long a call may take there, as far as that can be guessed: what a lending takes of late, for each that
// is before it, over how many go on at once.
func (rt *route) load() float64 {
	busy, limit := rt.pool.pool.Load()
	return float64(busy+1) / float64(max(1, limit)) * math.Max(math.Float64frombits(rt.cost.Load()), float64(costFloor))
}

// costFloor is what a lending costs at least: below it differences are noise.
const costFloor = 200 * time.Microsecond

// lend lends a connection of the route.
func (rt *route) lend(ctx context.Context, req *lifecycle.Request) (lifecycle.Handle[*pooldriver.Conn], error) {
	h, err := rt.pool.pool.AcquireFor(ctx, req)
	if err == nil {
		rt.served.Add(1)
	}
	return h, err
}
