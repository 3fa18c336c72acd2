package poolotel

import "github.com/poolsql/poolsql/priority"

// SeriesBound returns how many lines with a value a scrape has for one pool at most, whatever its callers do. A histogram
// of n bounds has n+3 lines for each set of attributes: a bucket for each bound and one for the rest, sum and count. With
// L labels, T tenants, E error series and these defaults it is
//
//	operations       12 × (2 × (L+2) + E)    a label's successes, its failures beyond E, and E pairs of label and error;
//	                                         besides the labels there are none and "other"
//	returned rows    16 × (L+2)
//	waits and uses   12 × (3 + 9)            wait, use and create time; waits by class and outcome
//	tenants          2 × (T+2)
//	the rest         107
//
// which is 3,575 for 50 labels, 20 tenants and 100 error series. In practice a label has no failure, and 50 labels are
// about 1,700 lines. Each route is one pool more, and has 4 lines of its own; a pool with routes has 3, one with AdaptiveLimit 12.
func SeriesBound(opts ...Option) int {
	c := newConfig(opts)
	labels := c.labels + 2
	bound := 0
	for id := range numMetrics {
		m := &catalogue[id]
		if m.Template && !c.template {
			continue
		}
		lines := 1
		if m.Kind == Histogram {
			lines = len(boundsOf(id, &c)) + 3
		}
		bound += lines * setsOf(id, labels, &c)
	}
	return bound
}

// setsOf returns how many sets of attributes a metric has at most.
func setsOf(id metricID, labels int, c *config) int {
	switch id {
	case idOpDuration:
		return 2*labels + c.errors
	case idOpRows, idTemplateQueryDuration:
		return labels
	case idTenantUseTime, idTenantRefusals:
		return c.tenants + 2
	case idConnCount, idOperations, idCancels, idStatementLookups, idSlowConns, idStatementRemovals, idAffinityLookups,
		idPgBouncerClients:
		return 2
	case idAcquisitions, idQueueLength, idTemplateErrors, idOverloaded, idPgBouncerServers:
		return 3
	case idWouldRefuse:
		return priority.NumClasses * len(dryReasons)
	case idLimitChanges:
		return 0 // a pool without AdaptiveLimit
	case idRouteAcquisitions, idRouteServing, idRouteLag, idRouteEjections, idRouteFallbacks:
		return 0 // a pool without routes
	case idCoalescingCalls:
		return 4
	case idRefusals:
		return priority.NumClasses * len(refusalReasons)
	case idQueueWait:
		return priority.NumClasses * numOutcomes
	case idConnections:
		return 4
	case idConnsClosed:
		return len(endReasons)
	default:
		return 1
	}
}
