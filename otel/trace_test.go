package poolotel_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// Spans are a tracer provider and what came of it.
type spans struct {
	*sdktrace.TracerProvider
	ended *tracetest.InMemoryExporter
}

func newSpans(opts ...sdktrace.TracerProviderOption) spans {
	ended := tracetest.NewInMemoryExporter()
	return spans{sdktrace.NewTracerProvider(append(opts, sdktrace.WithSyncer(ended))...), ended}
}

// under runs f in a span, which is not among those that take returns.
func (s spans) under(ctx context.Context, f func(ctx context.Context)) trace.SpanContext {
	ctx, span := s.Tracer("test").Start(ctx, "caller")
	f(ctx)
	return span.SpanContext()
}

// take returns the spans that have ended since the last take, in the order of their ends.
func (s spans) take() tracetest.SpanStubs {
	defer s.ended.Reset()
	return s.ended.GetSpans()
}

// one returns the span that has ended since the last take.
func (s spans) one(t *testing.T) tracetest.SpanStub {
	t.Helper()
	all := s.take()
	if len(all) != 1 {
		t.Fatalf("%d spans, want 1: %v", len(all), names(all))
	}
	return all[0]
}

// A stub is a span that has ended.
type stub = tracetest.SpanStub

func names(all tracetest.SpanStubs) []string {
	var names []string
	for _, s := range all {
		names = append(names, s.Name)
	}
	return names
}

// attributes writes a span's attributes, but for those that differ from run to run.
func attributes(s tracetest.SpanStub) string {
	var texts []string
	for _, a := range s.Attributes {
		switch a.Key {
		case "poolsql.connection.id", "poolsql.connection.pid":
			a.Value = attribute.BoolValue(a.Value.AsInt64() > 0)
		case "poolsql.wait_time":
			a.Value = attribute.BoolValue(a.Value.AsFloat64() > 0)
		}
		texts = append(texts, fmt.Sprintf("%s=%s", a.Key, a.Value.String()))
	}
	slices.Sort(texts)
	return strings.Join(texts, " ")
}

func value(s tracetest.SpanStub, key attribute.Key) attribute.Value {
	for _, a := range s.Attributes {
		if a.Key == key {
			return a.Value
		}
	}
	return attribute.Value{}
}

var errOfServer = &said{"23505", `Key (card)=(1411122223) exists`}

type said struct{ state, text string }

func (s *said) Error() string    { return s.text }
func (s *said) SQLState() string { return s.state }

func TestASpanSaysWhatTheConventionsWant(t *testing.T) {
	server := poolotel.WithServerOf(connector.Config{DSN: "postgres://app:secret@db.example.com:6432/shop"})
	refused := &lifecycle.AcquireError{Pool: "orders", Refused: &priority.RefusedError{Reason: priority.QueueFull}}
	const known = "db.client.connection.pool.name=orders db.namespace=shop "
	const rest = "db.system.name=postgresql "
	const where = " server.address=db.example.com server.port=6432"
	for _, c := range []struct {
		name   string
		opts   []poolotel.TraceOption
		start  pooldriver.OperationStart
		end    pooldriver.OperationEnd
		span   string
		attrs  string
		status codes.Code
	}{
		{
			"a call that shares another's execution, which has a span of its own", nil,
			pooldriver.OperationStart{
				Kind: pooldriver.OpShared, Pool: "orders", SQL: "select 1411122223", Label: "checkout", Tenant: "acme", User: "ann",
			},
			pooldriver.OperationEnd{Rows: 2},
			"shared query shop",
			known + "db.response.returned_rows=2 " + rest + "poolsql.class=normal poolsql.label=checkout " +
				"poolsql.operation=shared query poolsql.tenant=acme poolsql.user=ann poolsql.wait_time=false" + where,
			codes.Unset,
		},
		{
			"a query", nil,
			pooldriver.OperationStart{
				Kind: pooldriver.OpQuery, Pool: "orders", SQL: "select 1411122223", Label: "checkout", Tenant: "acme",
				Class: priority.High,
			},
			pooldriver.OperationEnd{Conn: 3, PID: 71, Tries: 1, Rows: 2},
			"checkout",
			known + "db.query.summary=checkout db.response.returned_rows=2 " + rest +
				"poolsql.class=high poolsql.connection.id=true poolsql.connection.pid=true poolsql.operation=query " +
				"poolsql.tenant=acme poolsql.tries=1 poolsql.wait_time=false" + where,
			codes.Unset,
		},
		{
			"a statement without a label", []poolotel.TraceOption{poolotel.WithQueryText()},
			pooldriver.OperationStart{Kind: pooldriver.OpExec, Pool: "orders", SQL: "insert into a values (1411122223, 'x') -- y"},
			pooldriver.OperationEnd{Conn: 3, Tries: 2, Rows: -1},
			"exec shop",
			known + "db.query.text=insert into a values (?, ?) " + rest +
				"poolsql.class=normal poolsql.connection.id=true poolsql.operation=exec poolsql.tries=2 poolsql.wait_time=false" + where,
			codes.Unset,
		},
		{
			"a commit", nil,
			pooldriver.OperationStart{Kind: pooldriver.OpCommit, Pool: "orders", Label: "checkout"},
			pooldriver.OperationEnd{Conn: 3, PID: 71, Tries: 1, Rows: -1},
			"COMMIT shop",
			known + "db.operation.name=COMMIT " + rest + "poolsql.class=normal poolsql.connection.id=true " +
				"poolsql.connection.pid=true poolsql.label=checkout poolsql.operation=commit poolsql.tries=1 poolsql.wait_time=false" + where,
			codes.Unset,
		},
		{
			"what the server refused", nil,
			pooldriver.OperationStart{Kind: pooldriver.OpExec, Pool: "orders"},
			pooldriver.OperationEnd{Conn: 3, PID: 71, Tries: 1, Rows: -1, Err: fmt.Errorf("poolsql: %w", errOfServer), Code: "23505"},
			"exec shop",
			known + "db.response.status_code=23505 " + rest + "error.type=23505 poolsql.class=normal " +
				"poolsql.connection.id=true poolsql.connection.pid=true poolsql.operation=exec poolsql.tries=1 poolsql.wait_time=false" + where,
			codes.Error,
		},
		{
			"who got no connection", nil,
			pooldriver.OperationStart{Kind: pooldriver.OpPing, Pool: "orders"},
			pooldriver.OperationEnd{Rows: -1, Wait: time.Second, Duration: time.Second, Err: refused, Code: "other"},
			"ping shop",
			known + rest + "error.type=queue full poolsql.class=normal poolsql.operation=ping poolsql.wait_time=true" + where,
			codes.Error,
		},
		{
			"a failure of ours", []poolotel.TraceOption{poolotel.WithSpanAttributes(attribute.String("zone", "eu")), nil},
			pooldriver.OperationStart{Kind: pooldriver.OpDo, Pool: "orders"},
			pooldriver.OperationEnd{Conn: 1, Tries: 1, Rows: -1, Err: errors.New("card 1411122223"), Code: "other"},
			"do shop",
			known + rest + "error.type=_OTHER poolsql.class=normal poolsql.connection.id=true poolsql.operation=do " +
				"poolsql.tries=1 poolsql.wait_time=false" + where + " zone=eu",
			codes.Error,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := newSpans()
			tracer := poolotel.NewTracer(append(c.opts, poolotel.WithTracerProvider(all), server)...)
			parent := all.under(t.Context(), func(ctx context.Context) {
				ctx = tracer.StartOperation(ctx, c.start)
				tracer.EndOperation(ctx, c.end)
			})
			s := all.one(t)
			kind := trace.SpanKindClient
			if c.start.Kind == pooldriver.OpShared { // it asks the server for nothing
				kind = trace.SpanKindInternal
			}
			if s.Name != c.span || s.SpanKind != kind || s.Status.Code != c.status || s.Status.Description != "" {
				t.Errorf("span %q of kind %s with status %v", s.Name, s.SpanKind, s.Status)
			}
			if got := attributes(s); got != c.attrs {
				t.Errorf("attributes\n\t%s\nwant\n\t%s", got, c.attrs)
			}
			if s.Parent.SpanID() != parent.SpanID() || s.InstrumentationScope.Name != poolotel.ScopeName {
				t.Errorf("it is of %s, under %s", s.InstrumentationScope.Name, s.Parent.SpanID())
			}
			if text := fmt.Sprintf("%+v", s); strings.Contains(text, "1411122223") || strings.Contains(text, "secret") {
				t.Errorf("it tells a secret: %s", text)
			}
		})
	}
}

func TestTheServerOfASpan(t *testing.T) {
	of := func(cfg connector.Config) []poolotel.TraceOption {
		return []poolotel.TraceOption{poolotel.WithServerOf(cfg)}
	}
	for _, c := range []struct {
		name string
		opts []poolotel.TraceOption
		want string
	}{
		{"nothing is known", nil, "postgresql"},
		{"a default port", of(connector.Config{DSN: "host=a port=5432 dbname=shop"}), "postgresql shop a"},
		{"several hosts", of(connector.Config{DSN: "host=a,b dbname=shop"}), "postgresql shop"},
		{"a configuration that is bad", of(connector.Config{}), "postgresql"},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := newSpans()
			tracer := poolotel.NewTracer(append(c.opts, poolotel.WithTracerProvider(all))...)
			ctx := tracer.StartOperation(t.Context(), pooldriver.OperationStart{Kind: pooldriver.OpPing})
			tracer.EndOperation(ctx, pooldriver.OperationEnd{Rows: -1})
			s := all.one(t)
			var got []string
			for _, key := range []attribute.Key{"db.system.name", "db.namespace", "server.address", "server.port"} {
				if v := value(s, key); v.Type() != attribute.EMPTY {
					got = append(got, v.String())
				}
			}
			if strings.Join(got, " ") != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
			if name := "ping"; c.name == "nothing is known" && s.Name != name {
				t.Errorf("its name is %q, want %q", s.Name, name)
			}
		})
	}
}

// An operation that has no span must not end its caller's.
func TestWhatHasNoSpanLeavesItsCallersAlone(t *testing.T) {
	for _, c := range []struct {
		name string
		opts []poolotel.TraceOption
		kind pooldriver.OperationKind
		root bool
	}{
		{
			"a kind that is left out",
			[]poolotel.TraceOption{poolotel.WithoutSpansOf(pooldriver.OpBegin, pooldriver.OpCommit, 200)}, pooldriver.OpCommit, false,
		},
		{"a caller without a trace", []poolotel.TraceOption{poolotel.WithinTraces()}, pooldriver.OpQuery, true},
		{"a kind that nobody knows", nil, 99, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := newSpans()
			tracer := poolotel.NewTracer(append(c.opts, poolotel.WithTracerProvider(all))...)
			outer := poolotel.NewTracer(poolotel.WithTracerProvider(all)) // whose context comes back as it is
			try := func(ctx context.Context) {
				tracer.EndOperation(tracer.StartOperation(ctx, pooldriver.OperationStart{Kind: c.kind}), pooldriver.OperationEnd{Rows: -1})
			}
			if c.root {
				try(t.Context())
			} else {
				all.under(t.Context(), try)
				try(outer.StartOperation(t.Context(), pooldriver.OperationStart{Kind: pooldriver.OpDo}))
			}
			if got := all.take(); len(got) != 0 {
				t.Errorf("spans have ended: %v", names(got))
			}
		})
	}
}

func TestWhetherASpanIsMadeIsTheSamplersAffair(t *testing.T) {
	for _, c := range []struct {
		name    string
		sampler sdktrace.Sampler
		want    int
	}{
		{"never", sdktrace.NeverSample(), 0},
		{"as its parent, which is not sampled", sdktrace.ParentBased(sdktrace.AlwaysSample()), 0},
		{"always, whatever its parent", sdktrace.AlwaysSample(), 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			all := newSpans(sdktrace.WithSampler(c.sampler))
			tracer := poolotel.NewTracer(poolotel.WithTracerProvider(all))
			parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: trace.TraceID{1}, SpanID: trace.SpanID{2}})
			ctx := tracer.StartOperation(trace.ContextWithSpanContext(t.Context(), parent), pooldriver.OperationStart{
				Kind: pooldriver.OpQuery, Label: "checkout",
			})
			if got := trace.SpanContextFromContext(ctx); got.TraceID() != parent.TraceID() || got.IsSampled() != (c.want > 0) {
				t.Errorf("it goes on as %v", got)
			}
			tracer.EndOperation(ctx, pooldriver.OperationEnd{Rows: -1})
			ended := all.take()
			if len(ended) != c.want {
				t.Fatalf("%d spans, want %d", len(ended), c.want)
			}
			if c.want > 0 && value(ended[0], "db.query.summary").AsString() != "checkout" {
				t.Errorf("it has %s", attributes(ended[0]))
			}
		})
	}
}

// openTraced opens a database whose spans are recorded.
func openTraced(t *testing.T, cfg connector.Config, opts ...poolotel.TraceOption) (*sql.DB, *connector.Connector, spans) {
	t.Helper()
	all := newSpans()
	cfg.Tracer = poolotel.NewTracer(append(opts, poolotel.WithTracerProvider(all), poolotel.WithServerOf(cfg))...)
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pool, err := connector.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close(); <-pool.Done() })
	return db, pool, all
}
