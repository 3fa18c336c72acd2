package connector

import (
	"fmt"
	"math/rand/v2"
	"time"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/lifecycle"
)

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
