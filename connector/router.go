package connector

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// routes are a connector's routes, and what is known of them.
type routes struct {
	connector *Connector
	all       []*route
	prober    prober
	fallbacks [NumFallbacks]atomic.Uint64
	writes    textSet       // texts that the classifier took for reads, and a server refused
	done      chan struct{} // closed when, after the end, nothing of them is left
	end       sync.Once
}

// A route is one of them in use.
type route struct {
	name   string
	byName bool
	asked  bool // the prober can ask it: it is pgx's
	pool   *Connector

	served atomic.Uint64 // how many bindings it was chosen for
	cost   atomic.Uint64 // how long a lending takes of late, in ns, as a float64
	outs   atomic.Uint64 // how often it was ejected
	health atomic.Pointer[routeHealth]
	mu     sync.Mutex // for who changes health

	released uint64        // as of the last round, for the prober
	used     time.Duration // the same
	behind   bool          // it was told of that it is too far behind; of the prober
}

// routeHealth is what is known of a route at one time. It does not change.
type routeHealth struct {
	known   bool      // the prober has had an answer
	same    bool      // it is the primary's own server
	fresh   mono.Time // it has all that was committed on the primary before that; 0 if that is not known
	lag     time.Duration
	ejected mono.Time // it is not chosen before that; 0 if it may be
	backoff time.Duration
	back    mono.Time // when it came back last
	err     error     // why it was ejected, or what is wrong with it
}

// newRoutes makes the routes of a resolved configuration, nil if there are none.
func newRoutes(c *Connector, cfg *Config) (*routes, error) {
	if len(cfg.Routes) == 0 {
		return nil, nil
	}
	rs := &routes{connector: c, done: make(chan struct{})}
	rs.prober.init(rs)
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		own, err := r.resolve(cfg)
		if err != nil { // checked before
			return nil, err
		}
		rt := &route{name: r.Name, byName: r.ByName, asked: own.ConnConfig != nil, pool: newConnector(own, c.observers)}
		rt.pool.isRoute = true
		rt.pool.replica = !r.ByName && r.hasSource()
		rt.pool.suspected = rs.prober.kick
		if rt.pool.err != nil {
			return nil, rt.pool.err
		}
		if e := rt.pool.current.Load(); rt.pool.replica {
			e.opts.Replica = true
		}
		rt.health.Store(&routeHealth{})
		rs.all = append(rs.all, rt)
	}
	return rs, nil
}

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
	var last error
	var tried uint64 // a bit for each, of the first 64
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
		case errors.Is(err, pooldriver.ErrElsewhere), errors.Is(err, priority.ErrQueueFull):
		default: // its time ran out, or somebody turned it away on purpose
			return h, nil, false, err
		}
		tried |= rs.bit(rt)
	}
	if errors.Is(last, priority.ErrQueueFull) { // load that a primary need not see as well
		return h, nil, false, last
	}
	if cfg.ReplicasOnly && req.Wrote() == 0 {
		return h, nil, false, &NoRouteError{Pool: cfg.Name, Why: rs.faults(cfg), Err: last}
	}
	rs.fellBack(cfg, req.Wrote() != 0, last != nil)
	h, err = r.Acquire(ctx, req)
	return h, r.source, false, err
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
	if o != nil && o.Route != "" || call.Kind == pooldriver.OpPing {
		return false // it was asked for by name, or it does not matter
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

func (rs *routes) named(name string) *route {
	for _, rt := range rs.all {
		if rt.name == name {
			return rt
		}
	}
	return nil
}

func (rs *routes) names() []string {
	names := []string{fmt.Sprintf("%q", PrimaryRoute)}
	for _, rt := range rs.all {
		names = append(names, fmt.Sprintf("%q", rt.name))
	}
	return names
}

// bit returns the route's bit in a set of those that were tried. Beyond 64 routes there are none, and one may be tried
// until it is ejected.
func (rs *routes) bit(rt *route) uint64 {
	for i := range rs.all {
		if rs.all[i] == rt {
			return 1 << i
		}
	}
	return 0
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

// fault says why the route may not serve such a read, "" if it may.
func (h *routeHealth) fault(rt *route, cfg *Config, wrote, now mono.Time) string {
	limit := cfg.MaxReplicaLag
	switch {
	case h.ejected != 0 && (rt.asked || now < h.ejected):
		return "ejected: " + h.err.Error()
	case !rt.asked: // nothing is known of such a one but the time
		if wrote != 0 && now.Sub(wrote) <= limit {
			return "may not have what was written just now"
		}
		return ""
	case h.same:
		return ""
	case !h.known:
		return "has not answered yet"
	case wrote != 0 && h.fresh < wrote:
		return "is not known to have what was written"
	case limit == 0:
		return ""
	case h.fresh == 0:
		return "how far it is behind is not known"
	case h.lag > limit:
		return fmt.Sprintf("is behind by %s", h.lag.Round(time.Millisecond))
	}
	return ""
}

// faults returns a sentence for each route for reads.
func (rs *routes) faults(cfg *Config) []string {
	var why []string
	for _, rt := range rs.all {
		if rt.byName {
			continue
		}
		fault := rt.health.Load().fault(rt, cfg, 0, mono.Now())
		if fault == "" {
			fault = "could not serve just now"
		}
		why = append(why, rt.name+" "+fault)
	}
	return why
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

const (
	// ejectFirst and ejectLast are for how long a route is left alone that failed: it doubles from one to the other. What
	// has served for ejectLast since begins anew.
	ejectFirst = time.Second
	ejectLast  = 30 * time.Second
)

// eject has nobody choose the route for some time, nor wait for it.
func (rt *route) eject(why error) {
	now := mono.Now()
	out := rt.change(func(h *routeHealth) {
		if h.ejected != 0 && now < h.ejected {
			return // many find out at once
		}
		if h.back != 0 && now.Sub(h.back) > ejectLast {
			h.backoff = 0
		}
		h.backoff = min(max(2*h.backoff, ejectFirst), ejectLast)
		h.ejected = now.Add(h.backoff - rand.N(h.backoff/4))
		h.err = redact(why)
	})
	if out {
		rt.outs.Add(1)
		rt.pool.Tell(lifecycle.Event{Kind: lifecycle.KindRouteOut, Err: why})
	}
	if rt.asked && !rt.byName {
		rt.pool.pool.ClearFor(pooldriver.ErrElsewhere)
	}
}

// admit notes what the prober has learned of a route that answers, and tells if that changes whether it is chosen.
func (rt *route) admit(limit time.Duration, learn func(*routeHealth)) {
	was := rt.health.Load()
	rt.change(func(h *routeHealth) {
		learn(h)
		h.known = true
		if h.ejected != 0 {
			h.back = mono.Now()
		}
		h.ejected, h.err = 0, nil
	})
	back := was.ejected != 0
	lag := rt.health.Load().lag
	late := limit > 0 && lag > limit
	switch {
	case late && (back || !rt.behind):
		rt.pool.Tell(lifecycle.Event{Kind: lifecycle.KindRouteBehind, Duration: lag})
	case !late && (back || rt.behind):
		rt.pool.Tell(lifecycle.Event{Kind: lifecycle.KindRouteBack})
	}
	rt.behind = late
}

// change replaces what is known of the route by a changed copy, and reports whether that ejected it.
func (rt *route) change(how func(*routeHealth)) (ejected bool) {
	rt.mu.Lock()
	defer rt.mu.Unlock()
	before := rt.health.Load()
	h := *before
	how(&h)
	rt.health.Store(&h)
	return before.ejected == 0 && h.ejected != 0
}

// A textSet is a bounded set of texts. When it is full it begins anew. Safe for concurrent use.
type textSet struct {
	some  atomic.Bool
	mu    sync.RWMutex
	texts map[string]struct{}
}

const maxTexts = 1024

func (t *textSet) has(text string) bool {
	if !t.some.Load() {
		return false
	}
	t.mu.RLock()
	defer t.mu.RUnlock()
	_, ok := t.texts[text]
	return ok
}

func (t *textSet) add(text string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.texts == nil || len(t.texts) >= maxTexts {
		t.texts = make(map[string]struct{})
	}
	t.texts[strings.Clone(text)] = struct{}{}
	t.some.Store(true)
}
