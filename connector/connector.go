package connector

import (
	"context"
	"database/sql/driver"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A Connector makes sessions for database/sql and keeps the physical connections that they share. Safe for concurrent
// use. One may serve several *sql.DB; to close one of these closes it for all.
type Connector struct {
	current atomic.Pointer[edition] // nil if err is set
	err     error                   // what is wrong with the configuration

	observers *lifecycle.Observers
	pool      *connPool
	checkins  pooldriver.Checkins
	watch     watch
	bouncer   bouncer
	console   atomic.Pointer[PgBouncerStats] // what was noted last; what it points to does not change
	warming   atomic.Int32                   // Warmups under way
	plans     planner
	routes    *routes // nil where there are none
	isRoute   bool    // it is the pool of a route of another connector, whose observers it has
	replica   bool    // it is a route to a replica
	dbs       dbs
	suspected func() // of a route's pool: called when its connections are suspect; nil otherwise

	// mu guards the totals of the connections that have ended, and each connection's mark that it is in them. It is held
	// to add, and never together with another lock.
	mu    sync.Mutex
	ended pooldriver.ConnStats
}

type connPool = lifecycle.Pool[*pooldriver.Conn]

// NewConnector returns a connector for cfg, which it copies. It does no I/O and starts no goroutine. If the configuration
// is bad, the first use of the connector says so, as [Config.Validate] does.
func NewConnector(cfg Config) *Connector {
	resolved, err := cfg.resolve()
	if err != nil {
		return &Connector{err: err}
	}
	observers := lifecycle.NewObservers(redactEvent)
	observers.Add(resolved.Observer)
	c := newConnector(resolved, observers)
	if c.err == nil {
		c.routes, c.err = newRoutes(c, resolved)
	}
	return c
}

// newConnector returns a connector for a configuration that is resolved, without its routes.
func newConnector(resolved *Config, observers *lifecycle.Observers) *Connector {
	c := &Connector{observers: observers}
	c.bouncer.init(resolved, c.observers)
	first := newEdition(resolved, nil, &c.bouncer)
	first.opts.Strained = c.strained
	c.current.Store(first)
	c.watch.connector = c
	c.plans.connector = c
	pool := lifecycle.Config[*pooldriver.Conn]{
		Name:   resolved.Name,
		Create: c.open,
		Destroy: func(ctx context.Context, conn *pooldriver.Conn) error {
			defer c.sum(conn)
			return conn.Close(ctx)
		},
		Validate: func(ctx context.Context, conn *pooldriver.Conn, idle time.Duration, suspect bool) error {
			return conn.Validate(ctx, idle, suspect)
		},
		Interrupt: resolved.interrupt(),
		Observer:  c.observers,
	}
	pool.Set(resolved.poolSettings())
	c.pool, c.err = lifecycle.NewPool(pool)
	return c
}

// open opens one connection.
func (c *Connector) open(ctx context.Context) (*pooldriver.Conn, error) {
	began := mono.Now()
	if err := c.bouncer.ask(ctx); err != nil {
		return nil, err
	}
	e := c.current.Load()
	conn, err := pooldriver.Open(ctx, e.dial, &e.opts)
	if err == nil && c.warming.Load() > 0 { // it counts as open when it has been used once
		if err = conn.Prove(ctx); err != nil {
			_ = conn.Close(ctx)
		}
	}
	if err != nil {
		took := mono.Since(began)
		if limit := e.cfg.connectLimit(ctx, took, err); limit > 0 {
			err = pooldriver.ConnectTimeout(limit, took, err)
		}
		if pooldriver.GoesDown(err) {
			c.pool.Suspect()
		}
		if strain, ok := pooldriver.StrainOf(err); ok {
			c.strained(strain)
		}
		return nil, err
	}
	c.bouncer.opened(conn)
	if conn.Limited() {
		c.watch.start()
	}
	return conn, nil
}

// strained tells the limit, if it follows the load, that too much is asked of the server.
func (c *Connector) strained(s lifecycle.Strain) {
	if c.current.Load().cfg.AdaptiveLimit {
		c.pool.Strain(s)
	}
}

// sum adds the numbers of a connection that has ended to the totals.
func (c *Connector) sum(conn *pooldriver.Conn) {
	s := conn.Stats(false, 0, time.Time{})
	c.mu.Lock()
	defer c.mu.Unlock()
	add(&c.ended, &s)
	conn.Counted = true
}

// Connect implements driver.Connector. It returns a session, at once: connections are dialed when a session needs one.
func (c *Connector) Connect(ctx context.Context) (driver.Conn, error) {
	if err := c.Err(); err != nil {
		return nil, err
	}
	return pooldriver.NewSession(ctx, c.source()), nil
}

// source returns the connector as sessions see it.
func (c *Connector) source() pooldriver.Source {
	if c.routes != nil {
		return routed{source{c}}
	}
	return source{c}
}

// Driver implements driver.Connector. FromDB finds the connector by it.
func (c *Connector) Driver() driver.Driver { return Driver{c} }

// Config returns a copy of the configuration in force, the parameters of its DSN and the defaults set. It has a ConnConfig
// even if it was made with a DSN. It is the zero value if the configuration is bad. It is what [Connector.Reconfigure]
// takes, and NewConnector.
func (c *Connector) Config() Config {
	e := c.current.Load()
	if e == nil {
		return Config{}
	}
	cfg := *e.cfg
	cfg.Prewarm = slices.Clone(cfg.Prewarm)
	cfg.TenantWeights = maps.Clone(cfg.TenantWeights)
	cfg.PrewarmStatements = slices.Clone(cfg.PrewarmStatements)
	cfg.PgBouncerParams = slices.Clone(cfg.PgBouncerParams)
	cfg.Routes = slices.Clone(cfg.Routes)
	cfg.SessionSettings = slices.Clone(cfg.SessionSettings)
	if cfg.ConnConfig != nil {
		cfg.ConnConfig = cfg.ConnConfig.Copy()
	}
	cfg.restoreNone()
	return cfg
}

// Err returns what is wrong with the configuration, nil if nothing is.
func (c *Connector) Err() error {
	if c.err == nil && c.pool == nil {
		return errNotMade
	}
	return c.err
}

// errNotMade is what a zero Connector answers.
var errNotMade = errors.New("poolsql: a Connector must be made by NewConnector")

// Do lends a pgx connection to f, with the same claim as a statement under ctx has: its class, tenant, label and the rest,
// but for the timeout of statements, which f sends itself. It is the way to what database/sql cannot say: batches, CopyFrom, LISTEN. The connection must not be used
// after f has returned. A transaction that f leaves open is rolled back; a connection that f leaves busy is closed. f is
// not run again when it fails.
//
// It fails with a [*lifecycle.AcquireError] if no connection could be had, and f has not run then.
func (c *Connector) Do(ctx context.Context, f func(*pgx.Conn) error) error {
	if err := c.Err(); err != nil {
		return err
	}
	s := pooldriver.NewSession(ctx, c.source())
	defer s.Close()
	return s.Do(ctx, f)
}

// Warmup returns when n connections are open, those in use included, or with the first failure to open one. Each that it
// opens has run [Config].Prewarm and made a round trip, so that the first caller finds it as the last one will.
func (c *Connector) Warmup(ctx context.Context, n int) error {
	if err := c.Err(); err != nil {
		return err
	}
	c.warming.Add(1)
	defer c.warming.Add(-1)
	if c.routes != nil {
		return c.routes.warmup(ctx, n)
	}
	return c.pool.Warmup(ctx, n)
}

// Reset retires every connection: idle ones at once, those in use when they come back. Callers do not notice.
func (c *Connector) Reset() {
	if c.Err() == nil {
		c.eachPool((*connPool).Reset)
	}
}

// Evict retires the connection with this id, at once if it is idle, else when it comes back, and reports whether there
// is such a one. Its id is that of [Connector.Connections].
func (c *Connector) Evict(id uint64) bool { return c.Err() == nil && c.pool.Evict(id) }

// Clear turns away everybody who waits for a connection, with an error that tells reason, and returns how many they were.
func (c *Connector) Clear(reason string) int {
	if c.Err() != nil {
		return 0
	}
	n := 0
	c.eachPool(func(p *connPool) { n += p.Clear(reason) })
	return n
}

// Suspend has everybody wait who asks for a connection, until [Connector.Resume], as HikariCP's suspend does and
// PgBouncer's PAUSE. Who has one goes on. Nobody is turned away but whose acquire timeout or context ends, whose error then
// says why, or who finds the queue full. Idle connections stay open and no new ones are opened. With [Connector.Quiesce] in its place, and
// [Connector.Reset] after it, no connection is left: for a database that moves, say.
func (c *Connector) Suspend() {
	if c.Err() == nil {
		c.eachPool((*connPool).Suspend)
	}
}

// Resume ends what Suspend or Quiesce began: those who wait are served in their order.
func (c *Connector) Resume() {
	if c.Err() == nil {
		c.eachPool((*connPool).Resume)
	}
}

// Quiesce is Suspend, and returns when no connection is in use. When ctx ends first it returns a [*lifecycle.QuiesceError]
// that names who still holds what. In either case everybody waits until [Connector.Resume].
func (c *Connector) Quiesce(ctx context.Context) error {
	if err := c.Err(); err != nil {
		return err
	}
	return c.eachAtOnce(func(p *connPool) error { return p.Quiesce(ctx) })
}

// Drain shuts the pool to new work, turns away those who wait, lets those who have a connection finish, and returns when
// the last connection is closed. When ctx ends first, what they run is canceled and their connections are closed; they
// are told that it was the pool. Drain then returns a [*lifecycle.DrainError] that names who they were. Connections of
// [Config.Connector] cannot be interrupted: they are closed when they come back.
func (c *Connector) Drain(ctx context.Context) error {
	if err := c.Err(); err != nil {
		return err
	}
	if c.routes != nil {
		c.routes.close()
	}
	return c.eachAtOnce(func(p *connPool) error { return p.Drain(ctx) })
}

// Close shuts the pool and returns at once: new work is refused, idle connections are closed, and those in use are when
// they come back. (*sql.DB).Close calls it.
func (c *Connector) Close() error {
	if c.Err() == nil {
		c.eachPool((*connPool).Close)
		if c.routes != nil {
			c.routes.close()
		}
	}
	return nil
}

// Done returns a channel that is closed when, after Close or Drain, the last connection is closed.
func (c *Connector) Done() <-chan struct{} {
	if c.Err() != nil {
		done := make(chan struct{})
		close(done)
		return done
	}
	if c.routes != nil {
		return c.routes.done
	}
	return c.pool.Done()
}

// source is a connector as sessions see it.
type source struct{ c *Connector }

func (s source) Acquire(ctx context.Context, req *lifecycle.Request) (lifecycle.Handle[*pooldriver.Conn], error) {
	s.c.identify(req)
	return s.c.pool.AcquireFor(ctx, req)
}

func (s source) Replace(ctx context.Context, h *lifecycle.Handle[*pooldriver.Conn], req *lifecycle.Request, cause error) error {
	return s.c.pool.Replace(ctx, h, req, lifecycle.EndBroken, cause)
}

func (s source) Options() *pooldriver.Options { return &s.c.current.Load().opts }

func (s source) Holds(owner *priority.Owner) bool { return s.c.pool.Holds(owner) > 0 }

func (s source) Suspect() {
	s.c.pool.Suspect()
	if s.c.suspected != nil {
		s.c.suspected()
	}
}

func (s source) Retire(generation uint64) { s.c.pool.RetireOlder(generation) }

func (s source) Checkins() *pooldriver.Checkins { return &s.c.checkins }
