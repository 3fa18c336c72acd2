package poolotel_test

import (
	"context"
	"database/sql"
	"testing"

	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql/connector"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// Whatever is measured, an operation allocates what it does with plain database/sql and nothing more; a sampled span makes
// no difference after the first.
func TestMeasuringAllocatesNothing(t *testing.T) {
	allocs := func(db *sql.DB, ctx context.Context) float64 {
		return testing.AllocsPerRun(500, func() { nothing(t, ctx, db) })
	}
	ctx := priority.WithTenant(priority.WithLabel(t.Context(), "checkout"), "acme")
	plain := sql.OpenDB(noop{})
	defer plain.Close()
	want := allocs(plain, ctx)
	for name, way := range map[string]poolotel.Option{
		"producer": poolotel.WithProducer(poolotel.NewProducer()),
		"provider": poolotel.WithMeterProvider(provider(sdkmetric.NewManualReader())),
	} {
		pool, db := onNoop(t, connector.Config{})
		measured(t, pool, way, poolotel.WithTemplateNames())
		if got := allocs(db, ctx); got > want {
			t.Errorf("%s: %v allocations an operation, plain database/sql has %v", name, got, want)
		}
		if name == "provider" {
			continue // the SDK's own exemplars are its own
		}
		if got := allocs(db, trace.ContextWithSpanContext(ctx, sampledSpan)); got > want {
			t.Errorf("%s, in a sampled span: %v allocations an operation, plain database/sql has %v", name, got, want)
		}
	}
}
