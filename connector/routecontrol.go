package connector

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// A RouteStatus is what is known of one route at one instant.
type RouteStatus struct {
	// Name is the route's.
	Name string
	// Pool is its pool, with its own Stats, Connections, Reset and so on. What is done to the connector as a whole (Close, Drain,
	// Suspend, Resume, Quiesce, Reset, Clear, Warmup, Reconfigure) is done to it as well.
	Pool *Connector
	// ByName says that it serves only what asks for it by name.
	ByName bool
	// Served counts the bindings that it was chosen for, Ejections how often it was ejected.
	Served, Ejections uint64
	// Known says that its server was asked since reads come, and so that Serves means something.
	Known bool
	// Serves reports whether it would be chosen now for a read; Why says why not, if it would not.
	Serves bool
	Why    string
	// Lag is how far it was behind the primary when both were asked last, in steps of Config.ReplicaCheckInterval; FreshAt is a
	// time such that it has all that was committed on the primary before. FreshAt is zero if that is not known.
	Lag     time.Duration
	FreshAt time.Time
	// SameServer says that it leads to the primary's own server, and so is never behind.
	SameServer bool
	// EjectedUntil is until when it is left alone, zero if it is not. A replica is asked then, and chosen again when it answers.
	EjectedUntil time.Time
}

// Routes returns what is known of each route, in the order of Config.Routes. The numbers of the connector itself are those of
// its own connections, and not of the routes'.
func (c *Connector) Routes() []RouteStatus {
	if c.Err() != nil || c.routes == nil {
		return nil
	}
	cfg := c.current.Load().cfg
	list := make([]RouteStatus, len(c.routes.all))
	for i, rt := range c.routes.all {
		h := rt.health.Load()
		s := RouteStatus{Name: rt.name, Pool: rt.pool, ByName: rt.byName, Served: rt.served.Load(), Ejections: rt.outs.Load(), Lag: h.lag, SameServer: h.same}
		s.Known = h.known || h.ejected != 0 || !rt.asked
		if !rt.byName {
			s.Why = h.fault(rt, cfg, 0, mono.Now())
		}
		s.Serves = s.Why == ""
		if h.fresh != 0 {
			s.FreshAt = h.fresh.Wall()
		}
		if h.ejected != 0 {
			s.EjectedUntil = h.ejected.Wall()
		}
		list[i] = s
	}
	return list
}

// eachPool calls f for the connector's pool and for those of its routes.
func (c *Connector) eachPool(f func(*connPool)) {
	f(c.pool)
	if c.routes != nil {
		for _, rt := range c.routes.all {
			f(rt.pool.pool)
		}
	}
}

// eachAtOnce calls f for each of them at once, and returns what went wrong.
func (c *Connector) eachAtOnce(f func(*connPool) error) error {
	if c.routes == nil {
		return f(c.pool)
	}
	errs := make([]error, 1+len(c.routes.all))
	var wg sync.WaitGroup
	for i, rt := range c.routes.all {
		wg.Go(func() { errs[1+i] = f(rt.pool.pool) })
	}
	errs[0] = f(c.pool)
	wg.Wait()
	return errors.Join(errs...)
}

// close ends the prober, when the pools are being closed, and sees to it that done is closed after the last of them.
func (rs *routes) close() {
	rs.end.Do(func() {
		rs.prober.close()
		go func() {
			defer close(rs.done)
			rs.prober.wait()
			rs.connector.eachPool(func(p *connPool) { <-p.Done() })
		}()
	})
}

// warmup opens n connections in the connector's pool, and in each route's as many of them as that may have. A route that
// cannot be reached is ejected, and no failure unless only replicas may serve reads, or those who name it: they have no other.
func (rs *routes) warmup(ctx context.Context, n int) error {
	rs.prober.use(ctx)
	strict := rs.connector.current.Load().cfg.ReplicasOnly
	errs := make([]error, len(rs.all))
	var wg sync.WaitGroup
	for i, rt := range rs.all {
		wg.Go(func() {
			err := rt.pool.Warmup(ctx, min(n, rt.pool.current.Load().cfg.MaxConns))
			if err == nil || ctx.Err() != nil {
				errs[i] = ctx.Err()
				return
			}
			if !rt.byName {
				rt.eject(err)
			}
			if strict || rt.byName {
				errs[i] = fmt.Errorf("route %q: %w", rt.name, err)
			}
		})
	}
	err := rs.connector.pool.Warmup(ctx, n)
	wg.Wait()
	return errors.Join(append(errs, err)...)
}

// reconfigureRoutes has the routes follow what the connector has now, but for what they have of their own. It was checked.
func (c *Connector) reconfigureRoutes() error {
	if c.routes == nil {
		return nil
	}
	cfg := c.current.Load().cfg
	var errs []error
	for i, rt := range c.routes.all {
		next, err := cfg.Routes[i].resolve(cfg)
		if err == nil {
			err = rt.pool.reconfigure(func(to *Config) []error {
				next.restoreNone()
				for j := range fields {
					if f := &fields[j]; f.change != never {
						f.copy(to, next)
					}
				}
				return nil
			})
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}
