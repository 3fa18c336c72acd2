package health

import (
	"errors"
	"strings"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// A judgement is what was made of the samples. It does not change once made, nor do its lists.
type judgement struct {
	standing standing
	score    int
	reasons  []Reason
	warnings []string
	window   Window
	database Database
}

// judge takes s in, judges, and reports whether the status is another than was told last.
func (m *Monitor) judge(s *sample) (turned bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	before, now := m.samples.add(s)
	if before != nil {
		m.listening.note(&m.ears.waits, before, now)
		if m.probe.note(before, now) {
			m.samples.restart()
		}
	}
	m.judgeLocked()
	if before != nil {
		m.history.add(m.judged.score, before, now)
	}
	return m.judged.standing.status != m.told
}

// judgeAgain judges what was looked at last, when something else has changed, and reports the same.
func (m *Monitor) judgeAgain() (turned bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.judgeLocked()
	return m.judged.standing.status != m.told
}

func (m *Monitor) judgeLocked() {
	last := m.samples.last()
	f := facts{
		window: between(m.samples.base(), last), maxConns: last.max, waitTarget: m.cfg.WaitTarget,
		probes: m.probe.known.Failures,
	}
	if m.console != nil && m.console.Error == "" {
		f.pgbouncerWait, f.pgbouncerWaiting = m.console.maxWait, m.console.ClientsWaiting
	}
	j := judgement{window: f.window, database: m.probe.known}
	j.score, j.reasons = score(&f)
	j.standing = m.judged.standing.next(j.score, time.Now(), m.cfg.Dwell)
	j.warnings = m.warnings(&j.window, last, &j.database, m.console)
	m.judged = j
}

// tell tells the judgement to those who observe the pool.
func (m *Monitor) tell() {
	m.mu.Lock()
	j := m.judged
	m.told = j.standing.status
	m.mu.Unlock()
	e := lifecycle.Event{Kind: lifecycle.KindHealthCheck, Count: j.score, Code: j.standing.status.String()}
	m.pool.Tell(e)
	if len(j.warnings) > 0 {
		e.Kind, e.Err = lifecycle.KindHealthWarning, errors.New("health: "+strings.Join(j.warnings, "; "))
		m.pool.Tell(e)
	}
}

// readyLocked reports whether this process should be sent work, or why not. m.mu must be held.
func (m *Monitor) readyLocked() (ready bool, why string) {
	last := m.samples.last()
	switch {
	case last == nil || m.started && !m.cfg.NoProbe && m.probe.known.State == unknown && last.shut == open && !last.suspended:
		return false, "not judged yet"
	case m.ears.closed.Load(), last.shut == closed:
		return false, "closed"
	case m.ears.draining.Load(), last.shut == draining:
		return false, "draining"
	case last.suspended:
		return false, "suspended"
	case m.judged.standing.status != Unhealthy && m.started && !m.cfg.NoProbe && !m.probe.met:
		return false, "the database has not answered yet" // and did not at the first probe, which is not unhealthy by itself
	case m.judged.standing.status != Unhealthy:
		return true, ""
	case len(m.judged.reasons) > 0:
		return false, "unhealthy: " + m.judged.reasons[0].Text
	default: // it is better, and has not been so for long enough
		return false, "unhealthy until it has been better for a while"
	}
}
