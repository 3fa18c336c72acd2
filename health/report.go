package health

import (
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
)

// A Report is the health of a pool at one instant, as the handlers write it in JSON. It holds no argument, no literal of a
// statement, no DSN, and nothing that a server said.
type Report struct {
	// Pool is the pool's name.
	Pool string `json:"pool"`
	// Status is the status in force, Since is when it began, Healthy whether it is Healthy.
	Status  Status    `json:"status"`
	Since   time.Time `json:"since"`
	Healthy bool      `json:"healthy"`
	// Score is from 0 to 100, Reasons are what it lacks of 100, the heaviest first.
	Score   int      `json:"score"`
	Reasons []Reason `json:"reasons"`
	// Warnings are what should be looked at, in words. They do not change the status.
	Warnings []string `json:"warnings"`
	// Ready says whether this process should be sent work; NotReady is why not.
	Ready    bool   `json:"ready"`
	NotReady string `json:"notReady,omitempty"`

	// TotalConnections are open, being opened and being closed; AvailableConnections are idle.
	TotalConnections     int `json:"totalConnections"`
	AvailableConnections int `json:"availableConnections"`
	// UtilizationPercent is how much of the maximum was in use, over the time of the window.
	UtilizationPercent float64 `json:"utilizationPercent"`
	// AvgResponseTimeMs is how long an operation took, and ErrorRate which percentage of them failed, in the window.
	AvgResponseTimeMs float64 `json:"avgResponseTimeMs"`
	ErrorRate         float64 `json:"errorRate"`

	// Window are the numbers of the window.
	Window Window `json:"window"`
	// Database is what is known of whether the database answers.
	Database Database `json:"database"`
	// Stats are the numbers of the instant.
	Stats Stats `json:"stats"`
	// PgBouncer is what its console said last, nil if there is none.
	PgBouncer *PgBouncer `json:"pgbouncer,omitempty"`
	Timestamp time.Time  `json:"timestamp"`
}

// A Reason is why the score is not 100.
type Reason struct {
	// Factor is the name of what was found wanting, as the table of the package's documentation has it.
	Factor string `json:"factor"`
	// Deducted is how much of the score it takes.
	Deducted float64 `json:"deducted"`
	// Text says it in words, such as "60 callers turned away, 10.0 %: -12".
	Text string `json:"text"`
}

// Stats are a pool's numbers of the instant. Counters count from the start of the pool.
type Stats struct {
	Pool        PoolStats    `json:"pool"`
	Queue       QueueStats   `json:"queue"`
	Connections []Connection `json:"connections"`
	// Classes are those of callers, high first. Routes are there if there are any; the other numbers are of the pool itself.
	Classes  []ClassStats `json:"classes"`
	Routes   []RouteStats `json:"routes,omitempty"`
	Features FeatureStats `json:"features"`
}

// PoolStats are those of [connector.Stats]. Averages are over all the time of the pool; those of the window are in [Window].
type PoolStats struct {
	TotalConnections   int `json:"totalConnections"`
	IdleConnections    int `json:"idleConnections"`
	ActiveConnections  int `json:"activeConnections"`
	OpeningConnections int `json:"openingConnections"`
	ClosingConnections int `json:"closingConnections"`
	MinConnections     int `json:"minConnections"`
	MaxConnections     int `json:"maxConnections"`
	WaitingRequests    int `json:"waitingRequests"`

	AcquiredCount     uint64 `json:"acquiredCount"`
	ReleasedCount     uint64 `json:"releasedCount"`
	RefusedCount      uint64 `json:"refusedCount"`
	TimeoutCount      uint64 `json:"timeoutCount"`
	QueryCount        uint64 `json:"queryCount"`
	ErrorCount        uint64 `json:"errorCount"`
	ConnectCount      uint64 `json:"connectCount"`
	ConnectErrorCount uint64 `json:"connectErrorCount"`
	LeakCount         uint64 `json:"leakCount"`

	AvgAcquireTimeMs float64 `json:"avgAcquireTimeMs"`
	AvgQueryTimeMs   float64 `json:"avgQueryTimeMs"`
	Suspended        bool    `json:"suspended"`
}

// QueueStats are how many callers of each class wait, and how many connections are in use.
type QueueStats struct {
	High       int `json:"high"`
	Normal     int `json:"normal"`
	Low        int `json:"low"`
	Processing int `json:"processing"`
	// OldestWaitMs is for how long the caller has waited who came first.
	OldestWaitMs float64 `json:"oldestWaitMs"`
}

// A Connection is one of the pool's.
type Connection struct {
	ID  uint64 `json:"id"`
	PID uint32 `json:"pid,omitempty"`
	// State is creating, idle, active, draining or closing.
	State string `json:"state"`
	// CreatedAt is absent while it is being created.
	CreatedAt  time.Time `json:"createdAt,omitzero"`
	LastUsedAt time.Time `json:"lastUsedAt"`
	UseCount   uint64    `json:"useCount"`
	QueryCount uint64    `json:"queryCount"`
	ErrorCount uint64    `json:"errorCount"`
	// Label, Tenant, User and Class are those of who holds it, HeldMs is for how long, Doing what is done with it. They are absent if
	// nobody does.
	Label  string  `json:"label,omitempty"`
	Tenant string  `json:"tenant,omitempty"`
	User   string  `json:"user,omitempty"`
	Class  string  `json:"class,omitempty"`
	HeldMs float64 `json:"heldMs,omitempty"`
	Doing  string  `json:"doing,omitempty"`
	// CurrentQuery is what runs, LastQuery what its holder ran last. They are there with Config.ShowQueries only, their
	// literals replaced by question marks.
	CurrentQuery string  `json:"currentQuery,omitempty"`
	LastQuery    string  `json:"lastQuery,omitempty"`
	RunningMs    float64 `json:"runningMs,omitempty"`
}

// Report returns the health of the instant. What is older than a second is read anew, but the database and PgBouncer's
// console are not asked for it: it does no I/O. It costs time in proportion to the number of connections. Without a Start,
// windows are as fine as it is called often.
func (m *Monitor) Report() Report {
	m.refresh()
	stats, conns, waiters := m.pool.Stats(), m.pool.Connections(), m.pool.Waiters(2)
	now := time.Now()
	m.mu.Lock()
	j, console := m.judged, m.console
	ready, why := m.readyLocked()
	m.mu.Unlock()
	r := Report{
		Pool: stats.Name, Status: j.standing.status, Since: j.standing.since, Healthy: j.standing.status == Healthy,
		Score: j.score, Reasons: j.reasons, Warnings: j.warnings, Ready: ready, NotReady: why,
		TotalConnections: stats.TotalConns, AvailableConnections: stats.IdleConns,
		UtilizationPercent: j.window.UtilizationPercent, AvgResponseTimeMs: j.window.AvgQueryMs,
		ErrorRate: j.window.ErrorRatePercent, Window: j.window, Database: j.database, PgBouncer: console,
		Stats: Stats{
			Pool: poolStats(&stats), Queue: queueStats(&stats, waiters), Connections: m.connections(conns, now),
			Classes: classStats(&stats), Routes: routeStats(m.pool.Routes()), Features: featureStats(&stats),
		},
		Timestamp: now,
	}
	return r
}

func poolStats(s *connector.Stats) PoolStats {
	return PoolStats{
		TotalConnections: s.TotalConns, IdleConnections: s.IdleConns, ActiveConnections: s.InUseConns,
		OpeningConnections: s.ConnectingConns, ClosingConnections: s.ClosingConns,
		MinConnections: s.MinConns, MaxConnections: s.MaxConns, WaitingRequests: s.Waiting,
		AcquiredCount: s.AcquireCount, ReleasedCount: s.ReleaseCount, RefusedCount: s.RefusedCount, TimeoutCount: s.TimeoutCount,
		QueryCount: s.QueryCount, ErrorCount: s.ErrorCount, ConnectCount: s.NewConnsCount, ConnectErrorCount: s.ConnectErrorCount,
		LeakCount: s.LeakCount, AvgAcquireTimeMs: millis(s.AvgAcquireTime), AvgQueryTimeMs: millis(s.AvgQueryTime),
		Suspended: s.Suspended,
	}
}

func queueStats(s *connector.Stats, first []connector.WaiterInfo) QueueStats {
	return QueueStats{
		High: s.Classes[0].Waiting, Normal: s.Classes[1].Waiting, Low: s.Classes[2].Waiting, Processing: s.InUseConns,
		OldestWaitMs: millis(oldest(first)),
	}
}

// connections returns what a report says of each.
func (m *Monitor) connections(conns []connector.ConnInfo, now time.Time) []Connection {
	list := make([]Connection, len(conns))
	for i := range conns {
		c := &conns[i]
		to := Connection{
			ID: c.ID, PID: c.PID, State: stateName(c.State), CreatedAt: c.Created, LastUsedAt: c.LastUsed,
			UseCount: c.Uses, QueryCount: c.Queries, ErrorCount: c.Errors,
		}
		if !c.HolderSince.IsZero() {
			to.Label, to.Tenant, to.User, to.Class = c.Label, c.Tenant, c.User, c.Class.String()
			to.HeldMs, to.Doing, to.RunningMs = millis(max(0, now.Sub(c.HolderSince))), c.Doing.String(), millis(c.Running)
			if m.cfg.ShowQueries {
				to.CurrentQuery, to.LastQuery = c.CurrentQuery, c.LastQuery
			}
		}
		list[i] = to
	}
	return list
}

// stateName is what the connection's state is called in reports.
func stateName(s lifecycle.State) string {
	if s == lifecycle.InUse {
		return "active"
	}
	return s.String()
}
