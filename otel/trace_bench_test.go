package poolotel_test

import (
	"context"
	"database/sql"
	"testing"

	"github.com/XSAM/otelsql"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	nooptrace "go.opentelemetry.io/otel/trace/noop"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	poolotel "github.com/poolsql/poolsql/otel"
)

// A traceCase is what a tracer costs by: its callers' context, and who decides what is recorded.
type traceCase struct {
	ctx      context.Context
	provider trace.TracerProvider
	opts     []poolotel.TraceOption
}

func traceCases() map[string]traceCase {
	parent := func(flags trace.TraceFlags) context.Context {
		return trace.ContextWithSpanContext(context.Background(), trace.NewSpanContext(trace.SpanContextConfig{
			TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}, TraceFlags: flags,
		}))
	}
	sdk := sdktrace.NewTracerProvider()
	return map[string]traceCase{
		"sampled":         {parent(trace.FlagsSampled), sdk, nil},
		"not sampled":     {parent(0), sdk, nil},
		"in no trace":     {context.Background(), sdk, []poolotel.TraceOption{poolotel.WithinTraces()}},
		"no-op provider":  {parent(trace.FlagsSampled), nooptrace.NewTracerProvider(), nil},
		"never, no trace": {context.Background(), sdktrace.NewTracerProvider(sdktrace.WithSampler(sdktrace.NeverSample())), nil},
	}
}

var traceStart = pooldriver.OperationStart{Kind: pooldriver.OpQuery, Pool: "orders", SQL: "select 1", Label: "checkout"}

func BenchmarkTracer(b *testing.B) {
	for name, c := range traceCases() {
		b.Run(name, func(b *testing.B) {
			tracer := poolotel.NewTracer(append(c.opts, poolotel.WithTracerProvider(c.provider))...)
			b.ReportAllocs()
			for b.Loop() {
				ctx := tracer.StartOperation(c.ctx, traceStart)
				tracer.EndOperation(ctx, pooldriver.OperationEnd{Kind: pooldriver.OpQuery, Conn: 1, PID: 2, Tries: 1, Rows: 1})
			}
		})
	}
}

// BenchmarkTracedOperation is a whole operation on a driver that does nothing, with our spans and with otelsql's.
func BenchmarkTracedOperation(b *testing.B) {
	run := func(b *testing.B, ctx context.Context, db *sql.DB) {
		b.ReportAllocs()
		for b.Loop() {
			nothing(b, ctx, db)
		}
	}
	b.Run("plain", func(b *testing.B) {
		_, db := onNoop(b, connector.Config{})
		run(b, context.Background(), db)
	})
	for name, c := range traceCases() {
		b.Run(name, func(b *testing.B) {
			_, db := onNoop(b, connector.Config{
				Tracer: poolotel.NewTracer(append(c.opts, poolotel.WithTracerProvider(c.provider))...),
			})
			run(b, c.ctx, db)
		})
		b.Run(name+" with otelsql", func(b *testing.B) {
			pool, _ := onNoop(b, connector.Config{})
			db := otelsql.OpenDB(pool, append(poolotel.OtelsqlOptions(), otelsql.WithTracerProvider(c.provider))...)
			defer db.Close()
			run(b, c.ctx, db)
		})
	}
}

// What nobody looks at costs what the SDK needs to pass it on, and nothing of ours.
func TestASpanThatIsNotSampledAllocatesLittle(t *testing.T) {
	cases := traceCases()
	for name, most := range map[string]float64{"not sampled": 4, "in no trace": 0} {
		c := cases[name]
		tracer := poolotel.NewTracer(append(c.opts, poolotel.WithTracerProvider(c.provider))...)
		n := testing.AllocsPerRun(100, func() {
			tracer.EndOperation(tracer.StartOperation(c.ctx, traceStart), pooldriver.OperationEnd{Rows: 1})
		})
		if n > most {
			t.Errorf("%s: %v allocations, want at most %v", name, n, most)
		}
	}
}
