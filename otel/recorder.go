package poolotel

import (
	"context"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A sink takes the values of one series of a histogram: nanoseconds or rows.
type sink interface {
	record(ctx context.Context, resource uint64, value int64)
}

// A backend is where histograms are kept: by us, or by instruments of a MeterProvider.
type backend interface {
	// series returns the sink of one series. One that is sparse is given out when there is a value in it.
	series(id metricID, attrs attribute.Set, sparse bool) sink
	// context returns what record is to be given of an event's context, which may be nil.
	context(ctx context.Context) context.Context
}

// The outcomes of a wait.
const (
	admitted = iota
	refused
	timedOut
	numOutcomes
)

var outcomeNames = [numOutcomes]string{"admitted", "refused", "timeout"}

// A recorder observes a pool and keeps what its Stats do not have. It allocates nothing but for what it sees for the first
// time. Safe for concurrent use.
type recorder struct {
	backend backend
	attrs   attributes

	wait, use, create sink
	queue             [priority.NumClasses][numOutcomes]sink
	labels            *limiter[labelSeries]
	tenants           *limiter[tenantTime]
	templateWait      sink // nil without the template's names

	retries, nested, cancels, cancelsFailed atomic.Uint64
	score                                   atomic.Int64 // -1 until it is judged
}

// tenantTime is how long a tenant held connections: the sum of a histogram without buckets.
type tenantTime struct {
	attrs   attribute.Set
	used    *sharded
	refused atomic.Uint64
}

func newRecorder(b backend, attrs attributes, c *config) *recorder {
	r := &recorder{backend: b, attrs: attrs}
	r.score.Store(-1)
	r.wait = b.series(idConnWaitTime, attrs.of(), false)
	r.use = b.series(idConnUseTime, attrs.of(), false)
	r.create = b.series(idConnCreateTime, attrs.of(), false)
	for i, class := range priority.Classes() {
		for outcome, name := range outcomeNames {
			set := attrs.of(text(keyClass, class.String()), text(keyOutcome, name))
			r.queue[i][outcome] = b.series(idQueueWait, set, false)
		}
	}
	if c.template {
		r.templateWait = b.series(idTemplateAcquireDuration, attrs.of(), false)
	}
	room := new(atomic.Int64)
	room.Store(int64(c.errors))
	r.labels = newLimiter(c.labels, func(label string) *labelSeries {
		return newLabelSeries(b, &r.attrs, label, room, c.template)
	})
	r.tenants = newLimiter(c.tenants, func(tenant string) *tenantTime {
		set := attrs.of()
		if tenant != "" {
			set = attrs.of(text(keyTenant, tenant))
		}
		return &tenantTime{attrs: set, used: newSharded(nil)}
	})
	return r
}

// Wants implements lifecycle.Selective: the rest is in the pool's Stats.
func (r *recorder) Wants(k lifecycle.Kind) bool {
	switch k {
	case lifecycle.KindAcquire, lifecycle.KindRelease, lifecycle.KindRefuse, lifecycle.KindTimeout, lifecycle.KindCreate,
		lifecycle.KindOperation, lifecycle.KindError, lifecycle.KindHealthCheck, lifecycle.KindNested, lifecycle.KindRetry,
		lifecycle.KindCancel:
		return true
	default:
		return false
	}
}

// Observe implements lifecycle.Observer.
func (r *recorder) Observe(e lifecycle.Event) {
	switch e.Kind {
	case lifecycle.KindAcquire:
		ctx := context.Context(nil)
		if e.Wait > 0 { // one that did not wait is an example of nothing
			ctx = e.Context
		}
		ctx = r.backend.context(ctx)
		r.wait.record(ctx, e.Resource, int64(e.Wait))
		r.queue[rank(e.Class)][admitted].record(ctx, e.Resource, int64(e.Wait))
		if r.templateWait != nil {
			r.templateWait.record(ctx, e.Resource, int64(e.Wait))
		}
	case lifecycle.KindRelease:
		r.use.record(r.backend.context(e.Context), e.Resource, int64(e.Duration))
		r.tenants.of(e.Tenant).used.count(e.Resource, int64(e.Duration))
	case lifecycle.KindOperation:
		r.labels.of(e.Label).ended(r.backend.context(e.Context), e.Resource, e.Duration, e.Count)
	case lifecycle.KindError:
		r.labels.of(e.Label).failed(r.backend.context(e.Context), e.Resource, e.Duration, e.Code)
	case lifecycle.KindRefuse:
		r.turnedAway(&e, refused)
	case lifecycle.KindTimeout:
		r.turnedAway(&e, timedOut)
	case lifecycle.KindCreate:
		r.create.record(r.backend.context(e.Context), e.Resource, int64(e.Duration))
	default:
		r.rare(&e)
	}
}

// turnedAway records the wait of a caller that got nothing. It has no resource; which shard takes it matters to nobody.
func (r *recorder) turnedAway(e *lifecycle.Event, outcome int) {
	r.queue[rank(e.Class)][outcome].record(r.backend.context(e.Context), 0, int64(e.Wait))
	if throttles(e.Refusal) {
		r.tenants.of(e.Tenant).refused.Add(1)
	}
}

func (r *recorder) rare(e *lifecycle.Event) {
	switch e.Kind {
	case lifecycle.KindRetry:
		r.retries.Add(1)
	case lifecycle.KindNested:
		r.nested.Add(1)
	case lifecycle.KindCancel:
		if e.Code != "" {
			r.cancelsFailed.Add(1)
			return
		}
		r.cancels.Add(1)
	case lifecycle.KindHealthCheck:
		r.score.Store(int64(min(100, max(0, e.Count))))
	}
}

// rank is a class's place in an array, High first. A value that is no class is the one nearest to it.
func rank(c priority.Class) int {
	switch {
	case c >= priority.High:
		return 0
	case c <= priority.Low:
		return 2
	default:
		return 1
	}
}
