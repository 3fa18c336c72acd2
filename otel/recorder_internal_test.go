package poolotel

import (
	"context"
	"testing"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// kept returns a recorder whose histograms a store keeps.
func keptBy(opts ...Option) (*recorder, *store) {
	c := newConfig(opts)
	s := newStore(&c)
	return newRecorder(s, attributes{name: "test"}, &c), s
}

// operationEvents are those of one operation that had nothing to wait for.
func operationEvents(ctx context.Context, label, tenant string) []lifecycle.Event {
	return []lifecycle.Event{
		{Kind: lifecycle.KindAcquire, Context: ctx, Class: priority.Normal, Label: label, Tenant: tenant, Resource: 3},
		{
			Kind: lifecycle.KindOperation, Context: ctx, Label: label, Tenant: tenant, Resource: 3, Duration: 123 * time.Microsecond,
			Count: -1,
		},
		{Kind: lifecycle.KindRelease, Label: label, Tenant: tenant, Resource: 3, Duration: 125 * time.Microsecond},
	}
}

// BenchmarkRecord is what an observer costs of the events of one operation.
func BenchmarkRecord(b *testing.B) {
	r, _ := keptBy()
	events := operationEvents(priority.WithLabel(b.Context(), "checkout"), "checkout", "acme")
	for _, e := range events {
		b.Run(e.Kind.String(), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				r.Observe(e)
			}
		})
	}
}
