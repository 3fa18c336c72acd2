package poolotel

import (
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// An emitter takes the value that a series has at the time of a collection.
type emitter interface {
	integer(id metricID, attrs attribute.Set, value int64)
	floating(id metricID, attrs attribute.Set, value float64)
}

// refusalReasons are why callers are turned away, endReasons why connections are closed: those that have a name.
var (
	refusalReasons = named[priority.Reason]()
	endReasons     = named[lifecycle.EndReason]()
)

// named returns the values above 0 that String gives a name, and no number in parentheses.
func named[R interface {
	~uint8
	String() string
}]() (all []R) {
	for r := R(1); !strings.HasSuffix(r.String(), ")"); r++ {
		all = append(all, r)
	}
	return all
}

// A source is a pool that is measured.
type source struct {
	pool     *connector.Connector
	recorder *recorder
	template bool

	plain                                  attribute.Set
	idle, used                             attribute.Set
	creating, freeState, usedState, ending attribute.Set
	ok, failed                             attribute.Set
	hit, miss                              attribute.Set
	classes                                [priority.NumClasses]attribute.Set
	refusals                               [priority.NumClasses][]attribute.Set // in the order of refusalReasons
	ends                                   []attribute.Set                      // in that of endReasons
	queryError, connectError, acquireError attribute.Set                        // of the template

	features features

	mu    sync.Mutex
	ended int64 // operations that did not fail, as last told
}

func newSource(pool *connector.Connector, r *recorder, template bool) *source {
	of := func(key, value string) attribute.Set { return r.attrs.of(text(key, value)) }
	s := &source{
		pool: pool, recorder: r, template: template,
		plain: r.attrs.of(), features: newFeatures(pool, &r.attrs),
		idle: of(keyConnState, "idle"), used: of(keyConnState, "used"),
		creating: of(keyState, "creating"), freeState: of(keyState, "idle"),
		usedState: of(keyState, "used"), ending: of(keyState, "closing"),
		ok: of(keyOutcome, "ok"), failed: of(keyOutcome, "error"),
		hit: of(keyResult, "hit"), miss: of(keyResult, "miss"),
		queryError: of(templateKeyType, "query"), connectError: of(templateKeyType, "connect"),
		acquireError: of(templateKeyType, "acquire"),
	}
	for i, class := range priority.Classes() {
		s.classes[i] = of(keyClass, class.String())
		for _, reason := range refusalReasons {
			set := r.attrs.of(text(keyClass, class.String()), text(keyReason, reason.String()))
			s.refusals[i] = append(s.refusals[i], set)
		}
	}
	for _, reason := range endReasons {
		s.ends = append(s.ends, of(keyReason, reason.String()))
	}
	return s
}

// collect gives out everything but the histograms. What the pool's Stats have comes from one snapshot, so that the numbers
// of one collection are in no contradiction with each other. Series that can be named beforehand are there from the start,
// with 0: of a counter that appears with 1, Prometheus cannot say that it has grown.
func (s *source) collect(e emitter) {
	stats := s.pool.Stats()
	s.conventional(e, &stats)
	s.admission(e, &stats)
	s.resources(e, &stats)
	s.work(e, &stats)
	s.switchedOn(e, &stats)
	if s.template {
		s.templated(e, &stats)
	}
}

// conventional gives out what OpenTelemetry's conventions name.
func (s *source) conventional(e emitter, stats *connector.Stats) {
	e.integer(idConnCount, s.idle, int64(stats.IdleConns))
	e.integer(idConnCount, s.used, int64(stats.InUseConns))
	e.integer(idConnMax, s.plain, int64(stats.MaxConns))
	e.integer(idConnIdleMax, s.plain, int64(stats.MaxConns))
	e.integer(idConnIdleMin, s.plain, int64(stats.MinConns))
	e.integer(idConnPending, s.plain, int64(stats.Waiting))
	e.integer(idConnTimeouts, s.plain, int64(stats.TimeoutCount))
}

// admission gives out who was let in, who was not, and who waits.
func (s *source) admission(e emitter, stats *connector.Stats) {
	for i := range stats.Classes {
		class := &stats.Classes[i]
		e.integer(idAcquisitions, s.classes[i], int64(class.Granted))
		e.integer(idQueueLength, s.classes[i], int64(class.Waiting))
		for n, set := range s.refusals[i] {
			e.integer(idRefusals, set, int64(class.Refused[refusalReasons[n]]))
		}
	}
	lendable := stats.Limit
	if stats.Suspended {
		lendable = 0
	}
	e.integer(idLimit, s.plain, int64(lendable))
	e.integer(idReserve, s.plain, int64(s.pool.Config().HighReserve))
	e.integer(idSuspended, s.plain, oneIf(stats.Suspended))
}

// resources gives out what became of the connections.
func (s *source) resources(e emitter, stats *connector.Stats) {
	e.integer(idConnections, s.creating, int64(stats.ConnectingConns))
	e.integer(idConnections, s.freeState, int64(stats.IdleConns))
	e.integer(idConnections, s.usedState, int64(stats.InUseConns))
	e.integer(idConnections, s.ending, int64(stats.ClosingConns))
	e.integer(idConnsCreated, s.plain, int64(stats.NewConnsCount))
	for n, set := range s.ends {
		e.integer(idConnsClosed, set, int64(stats.ClosedConns[endReasons[n]]))
	}
	e.integer(idConnectFailures, s.plain, int64(stats.ConnectErrorCount))
	e.integer(idLeaks, s.plain, int64(stats.LeakCount))
}

// work gives out what was done with them.
func (s *source) work(e emitter, stats *connector.Stats) {
	r := s.recorder
	e.integer(idOperations, s.ok, s.succeeded(stats))
	e.integer(idOperations, s.failed, int64(stats.ErrorCount))
	e.integer(idStatementLookups, s.hit, int64(stats.StatementHits))
	e.integer(idStatementLookups, s.miss, int64(stats.StatementMisses))
	e.integer(idRetries, s.plain, int64(r.retries.Load()))
	e.integer(idNested, s.plain, int64(r.nested.Load()))
	e.integer(idCancels, s.ok, int64(r.cancels.Load()))
	e.integer(idCancels, s.failed, int64(r.cancelsFailed.Load()))
	r.tenants.each(func(t *tenantTime) {
		if _, n, sum := t.used.read(); n > 0 {
			e.floating(idTenantUseTime, t.attrs, sum/float64(time.Second))
		}
	})
	if score := r.score.Load(); score >= 0 {
		e.integer(idHealthScore, s.plain, score)
	}
}

// succeeded returns how many operations did not fail, those under way included. One of these may fail later, or turn out to
// have been none; the number then stays until others have made up for it, since a counter must not shrink.
func (s *source) succeeded(stats *connector.Stats) int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.ended = max(s.ended, int64(stats.QueryCount)-int64(stats.ErrorCount))
	return s.ended
}
