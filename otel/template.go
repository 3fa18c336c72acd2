package poolotel

import "github.com/poolsql/poolsql/connector"

// templated gives out the template's series, two histograms apart, which the recorder has. Where the template's code and
// its own description of a series differ, the description counts.
func (s *source) templated(e emitter, stats *connector.Stats) {
	e.integer(idTemplateTotal, s.plain, int64(stats.TotalConns))
	e.integer(idTemplateIdle, s.plain, int64(stats.IdleConns))
	e.integer(idTemplateActive, s.plain, int64(stats.InUseConns))
	e.integer(idTemplateWaiting, s.plain, int64(stats.Waiting))
	if stats.MaxConns > 0 {
		e.floating(idTemplateUtilization, s.plain, 100*float64(stats.InUseConns)/float64(stats.MaxConns))
	}
	e.integer(idTemplateAcquire, s.plain, int64(stats.AcquireCount))
	e.integer(idTemplateRelease, s.plain, int64(stats.ReleaseCount))
	e.integer(idTemplateErrors, s.queryError, int64(stats.ErrorCount))
	e.integer(idTemplateErrors, s.connectError, int64(stats.ConnectErrorCount))
	e.integer(idTemplateErrors, s.acquireError, int64(stats.RefusedCount-stats.TimeoutCount))
	e.integer(idTemplateTimeouts, s.plain, int64(stats.TimeoutCount))
}
