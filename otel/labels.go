package poolotel

import (
	"context"
	"maps"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
)

// A labelSeries is what is recorded of the operations of one label.
type labelSeries struct {
	ok, rows sink
	template sink // nil without the template's names
	errors   errorSeries
}

func newLabelSeries(b backend, attrs *attributes, label string, room *atomic.Int64, template bool) *labelSeries {
	s := &labelSeries{
		ok:   b.series(idOpDuration, attrs.ofLabel(label), true),
		rows: b.series(idOpRows, attrs.ofLabel(label), true),
	}
	s.errors.room = room
	s.errors.make = func(code string) sink { return b.series(idOpDuration, attrs.ofLabel(label, ofError(code)...), true) }
	s.errors.rest = s.errors.make(errorOther)
	s.errors.byCode.Store(&map[string]sink{})
	if template {
		set := attrs.of()
		if label != "" {
			set = attrs.of(text(templateKeyQueryType, label))
		}
		s.template = b.series(idTemplateQueryDuration, set, true)
	}
	return s
}

// ended records an operation that succeeded, with -1 rows if it was none that returns any.
func (s *labelSeries) ended(ctx context.Context, resource uint64, took time.Duration, rows int) {
	s.ok.record(ctx, resource, int64(took))
	if rows >= 0 {
		s.rows.record(ctx, resource, int64(rows))
	}
	if s.template != nil {
		s.template.record(ctx, resource, int64(took))
	}
}

// failed records an operation that failed.
func (s *labelSeries) failed(ctx context.Context, resource uint64, took time.Duration, code string) {
	s.errors.of(code).record(ctx, resource, int64(took))
	if s.template != nil {
		s.template.record(ctx, resource, int64(took))
	}
}

// errorOther is what OpenTelemetry's conventions have for an error.type that is not told.
const errorOther = "_OTHER"

// An errorSeries has the failures of one label, by their code, as long as there is room for more of them in the pool. It is
// read and changed as a limiter is.
type errorSeries struct {
	room *atomic.Int64 // of all labels together
	make func(code string) sink
	rest sink

	byCode atomic.Pointer[map[string]sink]
	mu     sync.Mutex // held to replace byCode
}

func (s *errorSeries) of(code string) sink {
	if v, ok := (*s.byCode.Load())[code]; ok {
		return v
	}
	if s.room.Load() <= 0 || !speaks(code) {
		return s.rest
	}
	return s.admit(code)
}

func (s *errorSeries) admit(code string) sink {
	s.mu.Lock()
	defer s.mu.Unlock()
	known := *s.byCode.Load()
	if v, ok := known[code]; ok {
		return v
	}
	if s.room.Add(-1) < 0 {
		return s.rest
	}
	v := s.make(code)
	next := maps.Clone(known)
	next[strings.Clone(code)] = v
	s.byCode.Store(&next)
	return v
}

// speaks reports whether code says what failed: it is a SQLSTATE, or one of the driver's words. Whatever else a server may
// send does not become a series.
func speaks(code string) bool {
	if isState(code) {
		return true
	}
	switch code {
	case "timeout", "canceled", "busy", "panic":
		return true
	default:
		return false
	}
}

// isState reports whether code has the form of a SQLSTATE.
func isState(code string) bool {
	if len(code) != 5 {
		return false
	}
	for i := range len(code) {
		if c := code[i]; (c < '0' || c > '9') && (c < 'A' || c > 'Z') {
			return false
		}
	}
	return true
}

// ofError returns the attributes of a failure with this code. The conventions want a status code where the server gave one.
func ofError(code string) []attribute.KeyValue {
	if isState(code) {
		return []attribute.KeyValue{text(keyErrorType, code), text(keyStatus, code)}
	}
	return []attribute.KeyValue{text(keyErrorType, code)}
}
