package poolotel

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// An exemplar is the last value of a bucket that belonged to a sampled span.
type exemplar struct {
	// busy is held to write or to read the rest. Nobody waits for it: of two spans that come at once, one is as good an
	// example as the other.
	busy atomic.Bool

	value int64
	at    time.Time // zero if there is none
	trace trace.TraceID
	span  trace.SpanID
}

// sampled returns ctx if it has a span that is sampled, else nil.
func sampled(ctx context.Context) context.Context {
	if ctx == nil || !trace.SpanContextFromContext(ctx).IsSampled() {
		return nil
	}
	return ctx
}

// keep makes the span of ctx the example of bucket i.
func (h *sharded) keep(ctx context.Context, i int, value int64) {
	all := h.exemplars.Load()
	if all == nil {
		made := make([]exemplar, len(h.bounds)+1)
		if !h.exemplars.CompareAndSwap(nil, &made) {
			return // the other's is one as well
		}
		all = &made
	}
	x := &(*all)[i]
	if !x.busy.CompareAndSwap(false, true) {
		return
	}
	span := trace.SpanContextFromContext(ctx)
	x.value, x.at, x.trace, x.span = value, time.Now(), span.TraceID(), span.SpanID()
	x.busy.Store(false)
}

// kept calls f for each example that there is.
func (h *sharded) kept(f func(value int64, at time.Time, t trace.TraceID, s trace.SpanID)) {
	all := h.exemplars.Load()
	if all == nil {
		return
	}
	for i := range *all {
		x := &(*all)[i]
		if !x.busy.CompareAndSwap(false, true) {
			continue
		}
		value, at, t, s := x.value, x.at, x.trace, x.span
		x.busy.Store(false)
		if !at.IsZero() {
			f(value, at, t, s)
		}
	}
}
