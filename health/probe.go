package health

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// probeAgain is how soon the database is asked again that did not answer, or that others say does not.
const probeAgain = 2 * time.Second

// Database is what is known of whether the database answers.
type Database struct {
	// State is "up", "down", "busy" or "unknown". It is busy when a probe found no connection free, and nothing has shown
	// that the database does not answer.
	State string `json:"state"`
	// By says what showed it: "work", if operations of callers succeeded, or "probe".
	By string `json:"by,omitempty"`
	// At is when it was last shown.
	At time.Time `json:"at,omitzero"`
	// Failures is how many probes in a row have failed, Failure is what is known of why, in words of ours: what a server said
	// is not repeated, but for its SQLSTATE.
	Failures int    `json:"failures"`
	Failure  string `json:"failure,omitempty"`
	// ProbeMs is how long the last probe took that succeeded.
	ProbeMs float64 `json:"probeMs,omitempty"`
}

// A probe is what is known of the database, and when it is to be asked. It is guarded by Monitor.mu.
type probe struct {
	known     Database
	asked     time.Time // when it was last asked
	proved    time.Time // when work last succeeded
	suspected bool      // something speaks against it, and nothing for it since
	met       bool      // the database has answered once, or connections to it were found in use
	gone      bool      // the pool had no connection and could not open one, and nothing has shown since that it can
	erred     uint64    // how many operations failed between the last two samples
	own       ownCounts
}

// ownCounts are what the probes themselves add to the pool's counters. A pool is not judged by what its judge does.
type ownCounts struct {
	lent    uint64 // that were lent a connection
	failed  uint64 // of these, those that failed
	refused uint64 // that were turned away in a way that speaks against the pool
	timeout uint64 // of these, those for which time ran out
}

// probeLabel names probes among those who hold connections.
const probeLabel = "health probe"

// The states of a database.
const (
	up      = "up"
	down    = "down"
	busy    = "busy"
	unknown = "unknown"
)

// note takes in what the work of callers shows between two samples, and reports whether the database was found to be back.
//
// Whoever has given a connection back without an error has had an answer. Errors and connections that come back are not counted
// in the same instant, so where there are errors, as many of those that came back may belong to them or to others before and
// after as there are connections.
func (p *probe) note(before, now *sample) (back bool) {
	released, errs := grown(before.released, now.released), grown(before.errors, now.errors)
	doubtful := errs + p.erred
	if doubtful > 0 {
		doubtful += uint64(now.total)
	}
	p.erred = errs
	p.gone = p.gone || now.failing && now.inUse+now.idle == 0
	switch {
	case released > doubtful:
		p.proved = now.at
		p.suspected = false
		return p.up("work", now.at)
	case now.connectErrors > before.connectErrors, now.failed > before.failed, now.ranOut > before.ranOut:
		p.suspected = true
	}
	return false
}

// up takes in that the database answers, and reports whether it was down before: whether probes failed, or the pool was left
// without a connection.
func (p *probe) up(by string, at time.Time) (back bool) {
	back = p.known.Failures > 1 || p.gone
	p.gone, p.met = false, true
	p.known = Database{State: up, By: by, At: at, ProbeMs: p.known.ProbeMs}
	return back
}

// due reports whether the database is to be asked now. regular says that an interval is over: then it is, unless work has
// proved meanwhile that it answers.
func (p *probe) due(now time.Time, regular bool, interval time.Duration) bool {
	switch {
	case p.known.Failures > 0 || p.suspected:
		return p.asked.IsZero() || now.Sub(p.asked) >= probeAgain
	case !regular:
		return false
	default:
		return p.proved.IsZero() || now.Sub(p.proved) > interval
	}
}

// askDatabase makes a probe: a round trip, of class High, so that it has the reserve of that class and does not stand behind
// the load. It is a caller like any other, and never has a connection above the maximum.
func (m *Monitor) askDatabase() {
	ctx, cancel := context.WithTimeout(m.ctx, m.cfg.ProbeTimeout)
	defer cancel()
	ctx = priority.NewContext(ctx, priority.Options{Class: priority.High, Label: probeLabel})
	began := time.Now()
	err := m.pool.Ping(ctx)
	if m.ctx.Err() != nil {
		return // it was Close that ended it
	}
	now := time.Now()
	m.mu.Lock()
	back, failure := m.probe.answered(err, now, now.Sub(began), m.console.full())
	if back {
		m.samples.restart()
	}
	m.mu.Unlock()
	if failure != nil {
		m.pool.Tell(lifecycle.Event{Kind: lifecycle.KindHealthError, Duration: now.Sub(began), Err: failure})
	}
}

// answered takes in how a probe ended. It reports whether the database was found to be back, and returns what is to be told if it
// was found to be away. queued says that PgBouncer may have had the probe in its queue: then no answer in time says nothing of
// the database.
func (p *probe) answered(err error, at time.Time, took time.Duration, queued bool) (back bool, failure error) {
	p.asked = at
	p.suspected = false
	p.own.add(err)
	if err == nil {
		back = p.up("probe", at)
		p.known.ProbeMs = millis(took)
		return back, nil
	}
	switch says, why := describe(err); {
	case says == down && !(timedOut(err) && queued):
		p.known.State, p.known.By, p.known.At, p.known.Failure = down, "probe", at, why
		p.known.Failures++
		return false, &ProbeError{p.known.Failures, why}
	case says != unknown && p.known.Failures == 0:
		p.known.State, p.known.By, p.known.At = busy, "probe", at
		p.met = p.met || says == busy
	}
	return false, nil
}

// add counts a probe that ended with err.
func (c *ownCounts) add(err error) {
	var refused *lifecycle.AcquireError
	switch {
	case err == nil:
		c.lent++
	case !errors.As(err, &refused):
		c.lent++
		c.failed++
	case counts(refused.Refused.Reason):
		c.refused++
		if refused.Timeout() {
			c.timeout++
		}
	}
}

// A ProbeError is in the event KindHealthError: a probe has found that the database does not answer.
type ProbeError struct {
	// Failures is how many probes in a row have.
	Failures int
	// Why is what is known, in words that hold nothing that a server said but its SQLSTATE.
	Why string
}

// Error tells what is known.
func (e *ProbeError) Error() string {
	return fmt.Sprintf("health: the database does not answer (%s): %s", times(e.Failures, "probe"), e.Why)
}

// describe returns what a failed probe says of the database (down, busy or unknown), and why in words without data.
//
// Who was turned away by the pool has not asked the database. That speaks of the load if there are connections, which others
// have then, and can be opened. If there is none, nobody is in the way, and it is the opening that takes too long.
func describe(err error) (says, why string) {
	var refused *lifecycle.AcquireError
	if !errors.As(err, &refused) {
		return down, cause(err)
	}
	switch reason := refused.Refused.Reason; {
	case reason == priority.Unavailable, refused.LastFailure != nil && (refused.Open == 0 || !hasNoRoom(refused.LastFailure)):
		return down, cause(err)
	case reason == priority.Closed, reason == priority.Cleared, reason == priority.Canceled, refused.Suspended:
		return unknown, "nobody is lent a connection"
	case refused.Open == 0:
		return down, "no connection could be opened in time"
	default:
		return busy, "no connection was free"
	}
}

// hasNoRoom reports whether err is a server's answer that it has as many connections as it may: one that serves those it has.
func hasNoRoom(err error) bool {
	var state interface{ SQLState() string }
	return errors.As(err, &state) && state.SQLState() == "53300"
}

// cause names what lies at the ground of a failure.
func cause(err error) string {
	var state interface{ SQLState() string }
	var dns *net.DNSError
	switch {
	case errors.As(err, &state) && state.SQLState() != "":
		return "SQLSTATE " + state.SQLState()
	case errors.Is(err, syscall.ECONNREFUSED):
		return "connection refused"
	case errors.Is(err, syscall.ECONNRESET), errors.Is(err, syscall.EPIPE):
		return "connection reset"
	case errors.Is(err, syscall.ENOENT):
		return "no such socket"
	case errors.As(err, &dns):
		return "host name not found"
	case timedOut(err):
		return "no answer in time"
	default:
		return "connection lost, or none could be opened"
	}
}

func timedOut(err error) bool {
	var network net.Error
	return errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) && network.Timeout()
}
