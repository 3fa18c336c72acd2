package health

import (
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

// A sample is what the pool had counted at one instant.
type sample struct {
	at time.Time

	acquired, released, waits, timeouts uint64
	refused                             uint64 // those that speak against the pool or the database
	queries, errors, failed, ranOut     uint64
	connects, connectErrors             uint64
	waitTime, useTime, queryTime        time.Duration
	waitCounts                          waitCounts

	max, total, idle, inUse, waiting int
	oldest                           time.Duration // for how long who came first has waited
	longest                          time.Duration // for how long who has held longest has held a connection
	held                             time.Duration // for how long those who hold one have held it, together
	leaked                           int           // connections held for longer than the pool's leak threshold
	suspended                        bool
	shut                             shutness
	failing                          bool // no connection could be opened at the last attempt
	sessionLimit                     int  // what SetMaxOpenConns was called with

	overloads []overload // the classes that are overloaded
	dryRun    bool       // and nobody is turned away for it
	routesOut []string   // in words: those that are not chosen at present

	// busy and capacity are sums over the samples: for how long connections were in use, and for how long there might have
	// been. They are set by samples.add.
	busy, capacity time.Duration
}

// A shutness is how far a pool is on its way to its end.
type shutness uint8

const (
	open shutness = iota
	draining
	closed
)

// look reads a sample.
func (m *Monitor) look() *sample {
	m.mu.Lock()
	own := m.probe.own // before the counters are read, which have these then
	m.mu.Unlock()
	stats, conns, waiters := m.pool.Stats(), m.pool.Connections(), m.pool.Waiters(2)
	s := &sample{at: time.Now()}
	s.count(&stats)
	cfg := m.pool.Config()
	s.trouble(&stats, &cfg, m.pool.Routes())
	s.leaveOut(&own)
	s.sessionLimit = m.pool.SessionLimit()
	held := make(map[uint64]time.Time, s.inUse)
	for i := range conns {
		if since := conns[i].HolderSince; !since.IsZero() {
			held[conns[i].ID] = since
			d := max(0, s.at.Sub(since))
			s.held += d
			s.longest = max(s.longest, d)
		}
	}
	s.oldest = oldest(waiters)
	s.failed, s.ranOut = m.ears.failed.Load(), m.ears.ranOut.Load()
	m.ears.waits.read(&s.waitCounts)
	s.leaked = m.ears.leaks(held)
	s.shut = max(s.shut, m.shutness())
	return s
}

// count fills in what the pool counts.
func (s *sample) count(stats *connector.Stats) {
	s.acquired, s.released, s.waits, s.timeouts = stats.AcquireCount, stats.ReleaseCount, stats.WaitCount, stats.TimeoutCount
	for _, c := range stats.Classes {
		for reason, n := range c.Refused {
			switch {
			case counts(reason):
				s.refused += n
			case reason == priority.Closed: // which says so even if the end began before there was a monitor
				s.shut = draining
			}
		}
	}
	s.queries, s.errors = stats.QueryCount, stats.ErrorCount
	s.connects, s.connectErrors = stats.NewConnsCount, stats.ConnectErrorCount
	s.waitTime, s.useTime, s.queryTime = stats.WaitTime, stats.UseTime, stats.QueryTime
	s.max, s.total, s.idle, s.inUse, s.waiting = stats.MaxConns, stats.TotalConns, stats.IdleConns, stats.InUseConns, stats.Waiting
	s.suspended, s.failing = stats.Suspended, stats.ConnectFailure != nil
}

// leaveOut takes off what the probes have added.
func (s *sample) leaveOut(own *ownCounts) {
	s.acquired, s.released, s.queries = grown(own.lent, s.acquired), grown(own.lent, s.released), grown(own.lent, s.queries)
	s.errors = grown(own.failed, s.errors)
	s.refused, s.timeouts = grown(own.refused, s.refused), grown(own.timeout, s.timeouts)
}

// oldest returns for how long the first has waited who is no probe. Of probes there is one at most.
func oldest(waiters []connector.WaiterInfo) time.Duration {
	for i := range waiters {
		if waiters[i].Label != probeLabel {
			return waiters[i].Waited
		}
	}
	return 0
}

// grown returns how much more b is than a, and 0 if it is less: what is counted in two places, as probes are, may be seen in
// one of them before it is seen in the other.
func grown(a, b uint64) uint64 {
	if b < a {
		return 0
	}
	return b - a
}

// shutness tells how far the pool is on its way to its end.
func (m *Monitor) shutness() shutness {
	select {
	case <-m.pool.Done():
		return closed
	default:
	}
	switch {
	case m.ears.closed.Load():
		return closed
	case m.ears.draining.Load():
		return draining
	default:
		return open
	}
}
