package health

import (
	"fmt"
	"time"
)

// warnings returns what should be looked at. They are for people: a status does not change by them. never nil.
func (m *Monitor) warnings(w *Window, s *sample, d *Database, console *PgBouncer) []string {
	t := &m.cfg.Thresholds
	list := []string{}
	warn := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if t.Utilization >= 0 && w.UtilizationPercent > t.Utilization {
		warn("High connection utilization: %.1f%% of at most %d", w.UtilizationPercent, s.max)
	}
	if t.Waiting >= 0 && s.waiting > t.Waiting {
		warn("High waiting queue: %d requests", s.waiting)
	}
	if t.Wait >= 0 && w.AvgWaitMs > millis(t.Wait) {
		warn("Slow connection acquisition: %.1fms", w.AvgWaitMs)
	}
	if t.ErrorRate >= 0 && w.ErrorRatePercent > t.ErrorRate {
		warn("High error rate: %.2f%%", w.ErrorRatePercent)
	}
	if d.Failures > 0 {
		warn("Database does not answer: %s", d.Failure)
	}
	if s.failing {
		warn("Connections cannot be opened")
	}
	if w.Refused > 0 {
		warn("Callers turned away: %d in %s", w.Refused, time.Duration(w.Seconds*float64(time.Second)).Round(time.Second))
	}
	for _, o := range s.overloads {
		what := "callers are turned away"
		if s.dryRun {
			what = "in a dry run, so nobody is turned away"
		}
		warn("Overloaded since %s: class %s: %s", o.since.Format(time.TimeOnly), o.class, what)
	}
	for _, r := range s.routesOut {
		warn("Route not chosen: %s", r)
	}
	if w.Leaked > 0 {
		warn("Connections held past the leak threshold: %d", w.Leaked)
	}
	if s.suspended {
		warn("Pool suspended: nobody is lent a connection")
	}
	if s.sessionLimit > 0 {
		warn("SetMaxOpenConns(%d) was called on the *sql.DB: callers queue at random before the pool hears of them; "+
			"Config.MaxConns is for that", s.sessionLimit)
	}
	if console != nil && console.Error != "" {
		warn("PgBouncer's console does not answer: %s", console.Error)
	}
	if console != nil && console.ClientsWaiting > 0 {
		warn("Clients of PgBouncer waiting: %d", console.ClientsWaiting)
	}
	return list
}
