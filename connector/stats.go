package connector

import (
	"time"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// Stats are a connector's numbers at one instant. Counters count from the start.
//
// db.Stats() counts sessions: its OpenConnections and InUse include those that wait, and it never waits itself. These
// count physical connections.
type Stats struct {
	// Name is the pool's name.
	Name string
	// TotalConns is IdleConns, InUseConns, ConnectingConns and ClosingConns together; it never exceeds MaxConns.
	TotalConns, IdleConns, InUseConns, ConnectingConns, ClosingConns int
	MinConns, MaxConns                                               int
	// Limit is how many connections may be lent at once: MaxConns, or less where Config.AdaptiveLimit has it so. LimitReason says why
	// it is what it is, LimitChanges how often it was changed for each reason; without AdaptiveLimit they are empty.
	Limit        int
	LimitReason  lifecycle.LimitReason
	LimitChanges map[lifecycle.LimitReason]uint64
	// Waiting is how many callers wait for a connection.
	Waiting int
	// Suspended says that nobody is lent a connection at present: somebody called Suspend or Quiesce.
	Suspended bool

	// AcquireCount and ReleaseCount count bindings begun and ended; WaitCount, those that did not begin at once.
	AcquireCount, ReleaseCount, WaitCount uint64
	// RefusedCount counts callers turned away, TimeoutCount those of them for whom time ran out.
	RefusedCount, TimeoutCount uint64
	// LeakCount counts lendings that lasted, or have lasted, for longer than Config.LeakThreshold.
	LeakCount uint64
	// QueryCount counts operations, those under way included; ErrorCount those that failed.
	QueryCount, ErrorCount uint64
	// NewConnsCount counts connections opened, ConnectErrorCount attempts that failed, and ClosedConns those closed, by
	// reason.
	NewConnsCount, ConnectErrorCount uint64
	ClosedConns                      map[lifecycle.EndReason]uint64

	// WaitTime, UseTime, QueryTime and ConnectTime are sums: of the waits of those who had to wait and were served, of
	// the time that connections were held, of the time of that in which operations ran, of the time that connecting
	// took. The first operation of a *sql.Conn outside a transaction counts until the next one, or its Close.
	WaitTime, UseTime, QueryTime, ConnectTime time.Duration
	// AvgAcquireTime is WaitTime over AcquireCount, AvgQueryTime is QueryTime over QueryCount.
	AvgAcquireTime, AvgQueryTime time.Duration

	// StatementHits and StatementMisses count look-ups of prepared statements on the connections, StatementEvictions those
	// that had to go for others.
	StatementHits, StatementMisses, StatementEvictions uint64
	// StatementInvalidations counts those that were dropped because the server did not have them any more, or refused to run
	// them: after DDL, DISCARD ALL or DEALLOCATE. PreparedStatements is how many the connections have at present.
	StatementInvalidations uint64
	PreparedStatements     int

	// CoalescedCount counts calls that were answered by an execution which another call had begun; ExecutionCount those
	// executions that were begun for calls that share, which QueryCount has too; UncoalescedCount calls that asked to share
	// and ran by themselves, CoalesceRefusedCount those that failed instead, at a cap. CoalesceWaiting is how many wait for an execution at present: Waiting has these executions, if
	// they wait for a connection, and not the calls.
	CoalescedCount, ExecutionCount, UncoalescedCount, CoalesceRefusedCount uint64
	CoalesceWaiting                                                        int

	// AffinityLooks counts bindings of callers with an affinity key, AffinityHits those that got the connection that served the key
	// last.
	AffinityLooks, AffinityHits uint64

	// SlowConns is how many connections calls with slow labels hold, SlowShareConns how many are theirs; what they hold beyond that
	// they have borrowed. Both are 0 without Config.SlowThreshold.
	SlowConns, SlowShareConns int
	// TenantHeldBack is how many of those who wait do so because their tenant holds Config.TenantMaxConns.
	TenantHeldBack int

	// FallbackCount counts reads that a route was to serve and the connector's own connections did, by why: Routes has the rest.
	FallbackCount [NumFallbacks]uint64
	// PgBouncer is what its console said last, nil if nobody has told: see [Connector.NotePgBouncer].
	PgBouncer *PgBouncerStats

	// ConnectFailure is why connections cannot be opened at present, nil when they can.
	ConnectFailure error
	// Classes are the numbers of each class, High first.
	Classes [priority.NumClasses]priority.ClassStats
}

// Stats returns the numbers of the instant. It costs time in proportion to the number of connections.
func (c *Connector) Stats() Stats {
	if c.Err() != nil {
		return Stats{}
	}
	p := c.pool.Stats()
	ops := c.operations()
	shared := c.current.Load().opts.Coalescer.Stats()
	s := Stats{
		Name:       c.current.Load().cfg.Name,
		TotalConns: p.Total, IdleConns: p.Idle, InUseConns: p.InUse, ConnectingConns: p.Creating, ClosingConns: p.Closing,
		MinConns: p.Min, MaxConns: p.Max, Waiting: p.Waiting, Suspended: p.Suspended,
		Limit: p.Limit, LimitReason: p.LimitReason, LimitChanges: p.LimitChanges,
		AcquireCount: p.Acquired, ReleaseCount: p.Released, WaitCount: p.Waits,
		RefusedCount: p.Refused, TimeoutCount: p.Timeouts, LeakCount: p.Leaks,
		QueryCount: uint64(max(0, int64(p.Acquired)+ops.Extra)), ErrorCount: ops.Errors,
		NewConnsCount: p.Created, ConnectErrorCount: p.CreateFailed, ClosedConns: p.Destroyed,
		WaitTime: p.WaitTime, UseTime: p.UseTime, QueryTime: max(0, p.UseTime-ops.Thought), ConnectTime: p.CreateTime,
		StatementHits: ops.StatementHits, StatementMisses: ops.StatementMisses, StatementEvictions: ops.StatementEvictions,
		CoalescedCount: shared.Coalesced, ExecutionCount: shared.Executions, UncoalescedCount: shared.Alone,
		StatementInvalidations: ops.StatementInvalidations, PreparedStatements: ops.Prepared,
		CoalesceWaiting: shared.Waiting, CoalesceRefusedCount: shared.Refused,
		SlowConns: p.SlowHeld, SlowShareConns: p.SlowShare, TenantHeldBack: p.HeldBack, PgBouncer: c.console.Load(),
		AffinityLooks: p.AffinityLooks, AffinityHits: p.AffinityHits,
		ConnectFailure: p.Failure, Classes: p.Classes,
	}
	if c.routes != nil {
		for i := range s.FallbackCount {
			s.FallbackCount[i] = c.routes.fallbacks[i].Load()
		}
	}
	if s.ConnectFailure != nil {
		s.ConnectFailure = redact(s.ConnectFailure)
	}
	if s.AcquireCount > 0 {
		s.AvgAcquireTime = s.WaitTime / time.Duration(s.AcquireCount)
	}
	if s.QueryCount > 0 {
		s.AvgQueryTime = s.QueryTime / time.Duration(s.QueryCount)
	}
	return s
}

// Costs returns for how long connections are held, as far as that was learned or, with Config.CostFromPlan, guessed: of all calls,
// and of those of each label, and with Config.CostByStatement each statement, in no order. Statements are without their
// literals. It is empty unless some rule wants to know: Config.Shedding, SlowThreshold, a cap, or tenants that have to share.
func (c *Connector) Costs() []priority.Cost {
	if c.Err() != nil {
		return nil
	}
	costs := c.pool.Costs()
	for i := range costs {
		costs[i].Statement = sqltext.Strip(costs[i].Statement)
	}
	return costs
}

// StatementHitRate returns which part of the look-ups of prepared statements found one, from 0 to 1; 1 if there were none.
func (s *Stats) StatementHitRate() float64 { return hitRate(s.StatementHits, s.StatementMisses) }

// StatementHitRate returns which part of the look-ups of prepared statements found one, from 0 to 1; 1 if there were none.
func (i *ConnInfo) StatementHitRate() float64 { return hitRate(i.StatementHits, i.StatementMisses) }

func hitRate(hits, misses uint64) float64 {
	if hits+misses == 0 {
		return 1
	}
	return float64(hits) / float64(hits+misses)
}

// operations returns the sum of all connections' numbers, those that have ended included. A connection is added to the
// totals before it leaves the pool's list, and marked, so that none is missed and none counts twice.
func (c *Connector) operations() pooldriver.ConnStats {
	resources := c.pool.Resources()
	c.mu.Lock()
	defer c.mu.Unlock()
	sum := c.ended
	for _, r := range resources {
		if r.Value != nil && !r.Value.Counted {
			s := r.Value.Stats(false, 0, time.Time{})
			add(&sum, &s)
			sum.Prepared += s.Prepared
		}
	}
	return sum
}

// add adds the counters of s to total.
func add(total, s *pooldriver.ConnStats) {
	total.Extra += s.Extra
	total.Thought += s.Thought
	total.Errors += s.Errors
	total.StatementHits += s.StatementHits
	total.StatementMisses += s.StatementMisses
	total.StatementEvictions += s.StatementEvictions
	total.StatementInvalidations += s.StatementInvalidations
}

// ConnInfo is what is known of one physical connection at one instant.
type ConnInfo struct {
	// ID numbers the pool's connections from 1. PID is the process that serves it on the server, 0 if that is not known.
	ID  uint64
	PID uint32
	// State is where in its life it is; Since is when it got there.
	State lifecycle.State
	Since time.Time
	// End is why it ends, if that is settled.
	End lifecycle.EndReason
	// Created is when it was opened; LastUsed, when a holder last got it or gave it back.
	Created, LastUsed time.Time
	// Uses counts its holders; Queries and Errors, its operations and those that failed.
	Uses, Queries, Errors uint64
	// Class, Label, Tenant and User are those of the holder; HolderSince is when it got the connection. They are zero if there
	// is none.
	Class               priority.Class
	Label, Tenant, User string
	HolderSince         time.Time
	// Affinity is the last affinity key that it served.
	Affinity string
	// Doing is what the holder does with it, as far as can be seen.
	Doing pooldriver.Doing
	// CurrentQuery is the text of the statement that runs, LastQuery of the last one that the holder ran, its literals
	// replaced by question marks. Running is for how long the current one has run.
	CurrentQuery, LastQuery string
	Running                 time.Duration
	// StatementHits and StatementMisses count look-ups of prepared statements, StatementEvictions those that had to go for
	// others; Prepared is how many there are.
	StatementHits, StatementMisses, StatementEvictions uint64
	Prepared                                           int
}

// Connections returns what is known of each connection, in the order of their ids.
func (c *Connector) Connections() []ConnInfo {
	if c.Err() != nil {
		return nil
	}
	resources := c.pool.Resources()
	infos := make([]ConnInfo, len(resources))
	for i, r := range resources {
		info := ConnInfo{
			ID: r.ID, State: r.State, Since: r.Since, End: r.End, Created: r.Created, LastUsed: r.Since, Uses: r.Uses,
			Class: r.Class, Label: r.Label, Tenant: r.Tenant, User: r.User, Affinity: r.Affinity, LastQuery: sqltext.Strip(r.Detail),
		}
		if r.State == lifecycle.InUse || r.State == lifecycle.Draining {
			info.HolderSince = r.Since
		}
		if r.Value != nil {
			s := r.Value.Stats(r.State == lifecycle.InUse || r.State == lifecycle.Draining, r.Epoch, r.Since)
			info.PID, info.Errors, info.Running, info.Doing = s.PID, s.Errors, s.Running, s.Doing
			info.Queries = uint64(max(0, int64(r.Uses)+s.Extra))
			info.StatementHits, info.StatementMisses, info.Prepared = s.StatementHits, s.StatementMisses, s.Prepared
			info.StatementEvictions = s.StatementEvictions
			if s.Running > 0 {
				info.CurrentQuery = info.LastQuery
			}
		}
		infos[i] = info
	}
	return infos
}
