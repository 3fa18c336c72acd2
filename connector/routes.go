package connector

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"
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
