package health

import (
	"slices"
	"strings"

	"github.com/poolsql/poolsql/connector"
)

// tickHealth is the judgement. Why no connection can be opened comes first of its reasons: it explains the others.
func (m *Monitor) tickHealth(s *connector.Stats) tickHealth {
	m.mu.Lock()
	j := m.judged
	_, notReady := m.readyLocked()
	m.mu.Unlock()
	h := tickHealth{Status: j.standing.status.String(), NotReady: notReady, Reasons: []string{}, Warnings: []string{}}
	if j.standing.status != Unknown {
		h.Score, h.Since = &j.score, j.standing.since.UnixMilli()
	}
	if s.ConnectFailure != nil {
		h.Reasons = append(h.Reasons, shorten("connections cannot be opened: "+s.ConnectFailure.Error()))
	}
	for _, r := range j.reasons {
		h.Reasons = append(h.Reasons, r.Text)
	}
	for _, w := range j.warnings {
		if !saidOtherwise(w, j.reasons, s) {
			h.Warnings = append(h.Warnings, w)
		}
	}
	return h
}

// warningFactors are the beginnings of warnings, and the factors of the score whose reasons say the same.
var warningFactors = map[string]string{
	"High connection utilization": "utilization", "High waiting queue": "wait", "Slow connection acquisition": "wait",
	"Callers turned away": "refused", "Connections held past": "leaks",
}

// saidOtherwise reports whether somebody who reads the reasons knows what the warning says.
func saidOtherwise(warning string, reasons []Reason, s *connector.Stats) bool {
	if strings.HasPrefix(warning, "Connections cannot be opened") {
		return s.ConnectFailure != nil
	}
	if strings.HasPrefix(warning, "Overloaded since") { // the page has a line of its own for that
		return true
	}
	for beginning, factor := range warningFactors {
		if strings.HasPrefix(warning, beginning) {
			return slices.ContainsFunc(reasons, func(r Reason) bool { return r.Factor == factor })
		}
	}
	return false
}
