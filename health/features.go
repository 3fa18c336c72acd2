package health

import (
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// A ClassStats is what became of the callers of one class. Counters count from the start of the pool.
type ClassStats struct {
	Class string `json:"class"`
	// Waiting is how many wait, Granted how many got a connection, and Refused how many were turned away, those who gave up, or
	// were sent away by an operator, left out. Shed and TooLate are those of them whom shedding turned away.
	Waiting int    `json:"waiting"`
	Granted uint64 `json:"grantedCount"`
	Refused uint64 `json:"refusedCount"`
	Shed    uint64 `json:"shedCount"`
	TooLate uint64 `json:"tooLateCount"`
	// WouldRefuse is how many shedding would have turned away, were it no dry run.
	WouldRefuse uint64 `json:"wouldRefuseCount"`
	// OverloadedSince is since when more come than can be served, absent if they do not, or without Config.Shedding.
	OverloadedSince time.Time `json:"overloadedSince,omitzero"`
}

// A RouteStats is what is known of one route.
type RouteStats struct {
	Name string `json:"name"`
	// Serves says whether it would be chosen for a read; Why says why not. ByName says that it is chosen by name alone.
	Serves bool   `json:"serves"`
	Why    string `json:"why,omitempty"`
	ByName bool   `json:"byName,omitempty"`
	// LagMs is how far it is behind the primary, absent if that is not known.
	LagMs *float64 `json:"lagMs,omitempty"`
	// EjectedUntil is until when it is left alone, absent if it is not.
	EjectedUntil  time.Time `json:"ejectedUntil,omitzero"`
	EjectionCount uint64    `json:"ejectionCount"`
	// ServedCount counts callers that it was chosen for. The rest is of its own pool.
	ServedCount       uint64 `json:"servedCount"`
	TotalConnections  int    `json:"totalConnections"`
	ActiveConnections int    `json:"activeConnections"`
	MaxConnections    int    `json:"maxConnections"`
	WaitingRequests   int    `json:"waitingRequests"`
}

// FeatureStats are the numbers of what a configuration or a call switches on. Counters count from the start of the pool.
type FeatureStats struct {
	// Of calls that asked to share: Executed executions were begun for them, Shared of them got another's result, Alone ran by
	// themselves after all, RefusedSharing failed at a cap. Sharing of them wait at present.
	Executed       uint64 `json:"executedCount"`
	Shared         uint64 `json:"sharedCount"`
	Alone          uint64 `json:"aloneCount"`
	RefusedSharing uint64 `json:"refusedSharingCount"`
	Sharing        int    `json:"sharing"`
	// Of prepared statements.
	StatementHits          uint64 `json:"statementHitCount"`
	StatementMisses        uint64 `json:"statementMissCount"`
	StatementEvictions     uint64 `json:"statementEvictionCount"`
	StatementInvalidations uint64 `json:"statementInvalidationCount"`
	PreparedStatements     int    `json:"preparedStatements"`
	// Of callers with an affinity key, and of those that got the connection which served it last.
	AffinityLooks uint64 `json:"affinityLookCount"`
	AffinityHits  uint64 `json:"affinityHitCount"`
	// SlowConnections are held by calls with slow labels, of which SlowShare are theirs and the rest is borrowed.
	SlowConnections int `json:"slowConnections"`
	SlowShare       int `json:"slowShare"`
	// HeldBack is how many wait because their tenant holds as many connections as it may.
	HeldBack int `json:"heldBack"`
	// Fallbacks counts reads for routes that the primary served.
	Fallbacks uint64 `json:"fallbackCount"`
}

func classStats(s *connector.Stats) []ClassStats {
	list := make([]ClassStats, len(s.Classes))
	for i := range s.Classes {
		c := &s.Classes[i]
		to := ClassStats{
			Class: c.Class.String(), Waiting: c.Waiting, Granted: c.Granted, OverloadedSince: c.OverloadedSince,
			Shed: c.Refused[priority.Shed], TooLate: c.Refused[priority.TooLate],
		}
		for reason, n := range c.Refused {
			if counts(reason) || reason == priority.TenantFull {
				to.Refused += n
			}
		}
		for _, n := range c.WouldRefuse {
			to.WouldRefuse += n
		}
		list[i] = to
	}
	return list
}

func featureStats(s *connector.Stats) FeatureStats {
	f := FeatureStats{
		Executed: s.ExecutionCount, Shared: s.CoalescedCount, Alone: s.UncoalescedCount, RefusedSharing: s.CoalesceRefusedCount,
		Sharing: s.CoalesceWaiting, StatementHits: s.StatementHits, StatementMisses: s.StatementMisses,
		StatementEvictions: s.StatementEvictions, StatementInvalidations: s.StatementInvalidations, PreparedStatements: s.PreparedStatements,
		AffinityLooks: s.AffinityLooks, AffinityHits: s.AffinityHits, SlowConnections: s.SlowConns, SlowShare: s.SlowShareConns,
		HeldBack: s.TenantHeldBack,
	}
	for _, n := range s.FallbackCount {
		f.Fallbacks += n
	}
	return f
}

// routeStats returns what a report says of each route. Why it was ejected is not in it: that may be what a server said.
func routeStats(routes []connector.RouteStatus) []RouteStats {
	var list []RouteStats
	for i := range routes {
		r := &routes[i]
		stats := r.Pool.Stats()
		to := RouteStats{
			Name: r.Name, Serves: r.Serves, Why: r.Why, ByName: r.ByName, LagMs: lagOf(r), EjectedUntil: r.EjectedUntil,
			EjectionCount: r.Ejections, ServedCount: r.Served, TotalConnections: stats.TotalConns,
			ActiveConnections: stats.InUseConns, MaxConnections: stats.MaxConns, WaitingRequests: stats.Waiting,
		}
		if !r.EjectedUntil.IsZero() && !r.Serves {
			to.Why = "ejected"
		}
		list = append(list, to)
	}
	return list
}

// lagOf returns how far a route is behind in milliseconds, nil if that is not known.
func lagOf(r *connector.RouteStatus) *float64 {
	if r.FreshAt.IsZero() && !r.SameServer {
		return nil
	}
	ms := inMillis(r.Lag)
	return &ms
}

// An overload is what a sample knows of one class that is overloaded.
type overload struct {
	class string
	since time.Time
}

// trouble notes which classes are overloaded, and which routes do not serve though they could be asked.
func (s *sample) trouble(stats *connector.Stats, cfg *connector.Config, routes []connector.RouteStatus) {
	for i := range stats.Classes {
		if c := &stats.Classes[i]; c.Overloaded {
			s.overloads = append(s.overloads, overload{c.Class.String(), c.OverloadedSince})
		}
	}
	s.dryRun = cfg.Shedding == priority.ShedDryRun
	for i := range routes {
		r := &routes[i]
		switch {
		case r.Serves:
		case !r.EjectedUntil.IsZero():
			s.routesOut = append(s.routesOut, r.Name+" is ejected")
		case cfg.MaxReplicaLag > 0 && r.Lag > cfg.MaxReplicaLag:
			s.routesOut = append(s.routesOut, r.Name+" is behind by "+length(millis(r.Lag)))
		}
	}
}
