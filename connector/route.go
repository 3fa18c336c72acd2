package connector

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// The defaults of the fields of [Config] that are about routes.
const (
	DefaultMaxReplicaLag        = 10 * time.Second
	DefaultReplicaCheckInterval = time.Second
)

// PrimaryRoute is the name by which priority.WithRoute asks for the connector's own connections, whatever else it is told.
const PrimaryRoute = "primary"

// A Route is a pool of its own beside the connector's: with its own connections, limits, queue and numbers. By default it
// serves reads: transactions that are begun as read-only, calls under priority.WithReadOnly, and, with
// [Config].ClassifyReads, statements that certainly read. Without a source of its own it leads to the same server as the
// connector, and then merely keeps reads and writes apart.
type Route struct {
	// Name names it for priority.WithRoute, and for people. The name of its pool is the connector's, a slash, and this.
	Name string
	// ByName has it serve only what asks for it by name, writes too.
	ByName bool
	// Config is what is other than with the connector: a field that is zero is the connector's. Not in it can be Name,
	// Observer, Tracer, Comment, SessionSettings, the fields about PgBouncer and coalescing, and those about routes.
	Config Config
}

// ErrNoRoute is matched by a [*NoRouteError].
var ErrNoRoute = errors.New("no route can serve the call")

// A NoRouteError says that a call was turned away because what may serve it cannot, or is not there. Nothing was sent.
type NoRouteError struct {
	// Pool is the connector's name.
	Pool string
	// Route is the one that was asked for by name; empty if any for reads would have done.
	Route string
	// Why has a sentence for each route that might have served it.
	Why []string
	// Err is what the last of them said that was tried; nil if none was.
	Err error
}

// Error says which routes there are and what is wrong with each.
func (e *NoRouteError) Error() string {
	if e.Route != "" {
		return fmt.Sprintf("poolsql: pool %q: no route is named %q: there are %s", e.Pool, e.Route, strings.Join(e.Why, ", "))
	}
	return fmt.Sprintf("poolsql: pool %q: no replica can serve the read, and ReplicasOnly is set: %s", e.Pool, strings.Join(e.Why, "; "))
}

// Unwrap returns ErrNoRoute and Err.
func (e *NoRouteError) Unwrap() []error {
	if e.Err == nil {
		return []error{ErrNoRoute}
	}
	return []error{ErrNoRoute, e.Err}
}

// SafeToRetry reports that nothing was sent, as pgconn has it.
func (e *NoRouteError) SafeToRetry() bool { return true }

// maxRoutes is how many routes there may be: those that a call has tried are bits of a word.
const maxRoutes = 64

// checkRoutes returns what is wrong with the routes of a configuration that is resolved but for them.
func (cfg *Config) checkRoutes() []error {
	var errs []error
	if n := len(cfg.Routes); n > maxRoutes {
		errs = append(errs, fmt.Errorf("Routes has %d: %d at most", n, maxRoutes))
	}
	seen := map[string]bool{PrimaryRoute: true}
	for i := range cfg.Routes {
		r := &cfg.Routes[i]
		bad := func(format string, args ...any) {
			errs = append(errs, fmt.Errorf("Routes[%d] %q: "+format, append([]any{i, r.Name}, args...)...))
		}
		switch {
		case strings.TrimSpace(r.Name) == "":
			bad("has no Name")
		case seen[r.Name]:
			bad("there is another of that name, or it is the connector's own, %q", PrimaryRoute)
		}
		seen[r.Name] = true
		if own := r.notItsOwn(); len(own) > 0 {
			bad("%s cannot be a route's own", strings.Join(own, ", "))
			continue
		}
		if _, err := r.resolve(cfg); err != nil {
			bad("%w", err)
		}
	}
	return errs
}

// connectorsOwn are the fields that a route always has from its connector. Calls share executions before it is known which route
// serves these.
var connectorsOwn = []string{
	"Name", "PgBouncer", "PgBouncerPrepared", "PgBouncerConsole", "PgBouncerParams",
	"ClassifyReads", "ReplicasOnly", "MaxReplicaLag", "ReplicaCheckInterval", "SessionSettings",
	"CoalesceMaxWaiters", "CoalesceMaxBytes", "CoalesceMaxAge", "CoalesceAtCap",
}

// notItsOwn returns the names of fields that are set and have no meaning in a route.
func (r *Route) notItsOwn() []string {
	var names []string
	for i := range fields {
		if f := &fields[i]; slices.Contains(connectorsOwn, f.goName) && !f.isZero(&r.Config) {
			names = append(names, f.goName)
		}
	}
	if r.Config.Observer != nil {
		names = append(names, "Observer")
	}
	if r.Config.Tracer != nil {
		names = append(names, "Tracer")
	}
	if r.Config.Comment != nil {
		names = append(names, "Comment")
	}
	if len(r.Config.Routes) > 0 {
		names = append(names, "Routes")
	}
	return names
}

// hasSource reports whether the route says itself what it leads to.
func (r *Route) hasSource() bool {
	return r.Config.DSN != "" || r.Config.ConnConfig != nil || r.Config.Connector != nil
}

// resolve returns the configuration of the route's pool. parent is resolved.
func (r *Route) resolve(parent *Config) (*Config, error) {
	cfg := *parent
	cfg.restoreNone()
	cfg.Routes, cfg.Observer = nil, nil
	own := r.Config
	if r.hasSource() {
		if err := own.resolveSource(); err != nil { // the parameters of its DSN count as its own
			return nil, err
		}
		if parent.Connector != nil || own.Connector == nil {
			cfg.DSN, cfg.ConnConfig, cfg.Connector = own.DSN, own.ConnConfig, own.Connector
		} else {
			return nil, errors.New("has a Connector where the connector has pgx")
		}
	}
	own.lay(&cfg)
	if parent.MaxConnLifetimeJitter == parent.MaxConnLifetime/10 && own.MaxConnLifetimeJitter == 0 {
		cfg.MaxConnLifetimeJitter = 0 // the default, that of its own lifetime
	}
	cfg.Name = parent.Name + "/" + r.Name
	return cfg.resolve()
}

// lay lays what is set in own over cfg.
func (own *Config) lay(cfg *Config) {
	for i := range fields {
		if f := &fields[i]; !f.isZero(own) && f.goName != "DSN" {
			f.copy(cfg, own)
		}
	}
	if own.MinConns == 0 {
		cfg.MinConns = min(cfg.MinConns, cfg.maxConns())
	}
	if own.HighReserve == 0 {
		cfg.HighReserve = min(cfg.HighReserve, cfg.maxConns()-1)
	}
	if own.BeforeConnect != nil {
		cfg.BeforeConnect = own.BeforeConnect
	}
	if own.AfterConnect != nil {
		cfg.AfterConnect = own.AfterConnect
	}
	if own.ResetSession != nil {
		cfg.ResetSession = own.ResetSession
	}
	if own.ShouldPing != nil {
		cfg.ShouldPing = own.ShouldPing
	}
}

// sameRoutes reports whether two lists of routes are one, as far as that can be compared.
func sameRoutes(a, b []Route) bool {
	return slices.EqualFunc(a, b, func(a, b Route) bool {
		if a.Name != b.Name || a.ByName != b.ByName || !sameSource(a.Config.ConnConfig, b.Config.ConnConfig) ||
			!sameValue(a.Config.Connector, b.Config.Connector) {
			return false
		}
		return !slices.ContainsFunc(fields, func(f field) bool { return !f.equal(&a.Config, &b.Config) })
	})
}

// showRoutes returns the names of the routes.
func showRoutes(routes []Route) string {
	names := make([]string, len(routes))
	for i := range routes {
		names[i] = routes[i].Name
	}
	return strings.Join(names, ", ")
}
