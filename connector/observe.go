package connector

import (
	"context"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// Observe has o told what happens from now on, beside [Config].Observer, until stop is called. An event that is under way
// when stop returns may still be told. What it is told holds no data, as everything that observers are told here. Of a connector
// with routes, and of a pool of one of them, it is told what happens to all these pools: [lifecycle.Event].Pool says to which.
func (c *Connector) Observe(o lifecycle.Observer) (stop func()) {
	if c.Err() != nil {
		return func() {} // there will be nothing to tell
	}
	return c.observers.Add(o)
}

// ObserveOwn is Observe for who wants to hear of this pool alone, and not of its routes: who holds what is told against its Stats,
// say.
func (c *Connector) ObserveOwn(o lifecycle.Observer) (stop func()) {
	if c.Err() == nil && o != nil && (c.routes != nil || c.isRoute) {
		o = ofOnePool{o, c.current.Load().cfg.Name}
	}
	return c.Observe(o)
}

// An ofOnePool is an observer that does not hear of other pools.
type ofOnePool struct {
	lifecycle.Observer
	pool string
}

// Wants implements lifecycle.Selective.
func (o ofOnePool) Wants(k lifecycle.Kind) bool {
	s, ok := o.Observer.(lifecycle.Selective)
	return !ok || s.Wants(k)
}

// Observe implements lifecycle.Observer.
func (o ofOnePool) Observe(e lifecycle.Event) {
	if e.Pool == o.pool {
		o.Observer.Observe(e)
	}
}

// Tell tells those who observe the pool of something that was found out about it elsewhere: by a package that judges its
// health, say. The event's Pool is set to the pool's name.
func (c *Connector) Tell(e lifecycle.Event) {
	if cfg := c.current.Load(); cfg != nil {
		e.Pool = cfg.cfg.Name
		c.observers.Observe(e)
	}
}

// Ping makes one round trip on a connection of the pool, of class High unless ctx says Low: so a reserve for that
// class is there for it too. It waits like every caller: if it fails with a [*lifecycle.AcquireError], no connection could
// be had, and the database was not asked.
func (c *Connector) Ping(ctx context.Context) error {
	if err := c.Err(); err != nil {
		return err
	}
	o, _ := priority.FromContext(ctx)
	if o.Class == priority.Normal {
		o.Class = priority.High
	}
	if o.Label == "" {
		o.Label = "ping"
	}
	ctx = priority.NewContext(ctx, o)
	s := pooldriver.NewSession(ctx, c.source())
	defer s.Close()
	return s.Ping(ctx)
}
