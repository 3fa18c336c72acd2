package poolotel

import (
	"context"
	"errors"
	"strings"
	"time"

	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/internal/sqltext"
	"github.com/poolsql/poolsql/lifecycle"
)

// The attributes of spans, beside those of metrics.
const (
	keyOperation   = "poolsql.operation"
	keyLabel       = "poolsql.label"
	keyWait        = "poolsql.wait_time"
	keyTries       = "poolsql.tries"
	keyConnection  = "poolsql.connection.id"
	keyProcess     = "poolsql.connection.pid"
	keyCommand     = "db.operation.name"
	keyText        = "db.query.text"
	keyReturned    = "db.response.returned_rows"
	eventConnected = "poolsql.connection.acquired"
)

// NewTracer returns a tracer for [github.com/poolsql/poolsql/connector.Config]: each operation is a CLIENT span, as
// OpenTelemetry's conventions for databases have it, under the span of its caller.
//
// A span begins before its operation waits for a connection. Where it had to, poolsql.wait_time says for how long, in
// seconds, and the event poolsql.connection.acquired stands at the moment when it got one. The span of a query ends when its
// rows are closed. It is named after the call's label, and else after what was done and the database; never after the SQL.
//
// A span that failed has error.type: the SQLSTATE, a short class of failure such as "timeout" or, for a caller who got no
// connection, the reason of the refusal. The texts of errors are not told, as they may quote data.
//
// It is safe for concurrent use and may serve several pools of one server.
func NewTracer(opts ...TraceOption) pooldriver.Tracer {
	var cfg traceConfig
	for _, o := range opts {
		if o != nil {
			cfg = o.applyTrace(cfg)
		}
	}
	if cfg.provider == nil {
		cfg.provider = otel.GetTracerProvider()
	}
	if cfg.server == nil {
		cfg.server = []attribute.KeyValue{attribute.String(keySystem, "postgresql")}
	}
	t := &tracer{
		tracer: cfg.provider.Tracer(ScopeName),
		base:   append(cfg.server[:len(cfg.server):len(cfg.server)], cfg.attributes...),
		text:   cfg.text, inTraces: cfg.inTraces, without: cfg.without,
	}
	for _, a := range cfg.server {
		if a.Key == keyNamespace {
			t.database = a.Value.AsString()
		}
	}
	for k := range t.names {
		t.names[k] = t.nameOf(pooldriver.OperationKind(k))
	}
	return t
}

type tracer struct {
	tracer   trace.Tracer
	base     []attribute.KeyValue
	database string
	names    [pooldriver.OpShared + 1]string // of spans without a label
	text     bool
	inTraces bool
	without  [pooldriver.OpShared + 1]bool
}

// spanContext is the context of an operation that has a span which is recorded. It is a type of its own so that the end
// of an operation never takes its caller's span for its own.
type spanContext struct {
	context.Context
	span trace.Span
}

// clientSpan is all that a span needs which will not be recorded, as far as can be told. A call that waits for an execution
// that it shares asks the server for nothing itself, and whoever counts client spans must not count it twice.
var (
	clientSpan   = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindClient)}
	internalSpan = []trace.SpanStartOption{trace.WithSpanKind(trace.SpanKindInternal)}
)

// StartOperation implements pooldriver.Tracer.
func (t *tracer) StartOperation(ctx context.Context, op pooldriver.OperationStart) context.Context {
	parent := trace.SpanContextFromContext(ctx)
	if int(op.Kind) >= len(t.without) || t.without[op.Kind] || t.inTraces && !parent.IsValid() {
		return unspanned(ctx)
	}
	// Samplers may look at the attributes. But for one that takes what its parent's did not, nobody will: then to make
	// them is in vain.
	unlikely := parent.IsValid() && !parent.IsSampled()
	kind := clientSpan
	if op.Kind == pooldriver.OpShared {
		kind = internalSpan
	}
	var spanned context.Context
	var span trace.Span
	if unlikely {
		spanned, span = t.tracer.Start(ctx, t.name(&op), kind...)
	} else {
		spanned, span = t.tracer.Start(ctx, t.name(&op), kind[0], trace.WithAttributes(t.attributes(&op)...))
	}
	if !span.IsRecording() {
		return unspanned(spanned)
	}
	if unlikely {
		span.SetAttributes(t.attributes(&op)...)
	}
	return &spanContext{spanned, span}
}

// unspanned returns a context for an operation that has no span of its own to end.
func unspanned(ctx context.Context) context.Context {
	if of, ok := ctx.(*spanContext); ok { // another operation's
		return of.Context
	}
	return ctx
}

// labeled reports whether the label of a call says what an operation of that kind does. It says nothing of a BEGIN. A call that
// waits for an execution that it shares does nothing itself: that execution has a span of its own, and the label is on that one.
func labeled(k pooldriver.OperationKind) bool {
	return k == pooldriver.OpQuery || k == pooldriver.OpExec || k == pooldriver.OpDo
}

func (t *tracer) name(op *pooldriver.OperationStart) string {
	if op.Label != "" && labeled(op.Kind) {
		return show(op.Label)
	}
	return t.names[op.Kind]
}

// nameOf returns the name of an operation without a label: what is done, and on which database.
func (t *tracer) nameOf(k pooldriver.OperationKind) string {
	name := command(k)
	if name == "" {
		name = k.String()
	}
	if t.database != "" {
		name += " " + t.database
	}
	return name
}

// command returns the command that an operation is, "" where that would have to be read from SQL.
func command(k pooldriver.OperationKind) string {
	switch k {
	case pooldriver.OpBegin, pooldriver.OpCommit, pooldriver.OpRollback, pooldriver.OpPrepare:
		return strings.ToUpper(k.String())
	default:
		return ""
	}
}

// attributes returns what is known at the begin.
func (t *tracer) attributes(op *pooldriver.OperationStart) []attribute.KeyValue {
	kvs := make([]attribute.KeyValue, 0, len(t.base)+7)
	kvs = append(kvs, t.base...)
	kvs = append(kvs,
		attribute.String(keyPool, show(op.Pool)),
		attribute.String(keyOperation, op.Kind.String()),
		attribute.String(keyClass, op.Class.String()))
	if name := command(op.Kind); name != "" {
		kvs = append(kvs, attribute.String(keyCommand, name))
	}
	if op.Label != "" {
		key := attribute.Key(keyLabel)
		if labeled(op.Kind) {
			key = keySummary
		}
		kvs = append(kvs, key.String(show(op.Label)))
	}
	if op.Tenant != "" {
		kvs = append(kvs, attribute.String(keyTenant, show(op.Tenant)))
	}
	if op.User != "" {
		kvs = append(kvs, attribute.String(keyUser, show(op.User)))
	}
	if t.text && op.SQL != "" {
		kvs = append(kvs, attribute.String(keyText, sqltext.Strip(op.SQL)))
	}
	return kvs
}

// EndOperation implements pooldriver.Tracer.
func (t *tracer) EndOperation(ctx context.Context, op pooldriver.OperationEnd) {
	of, ok := ctx.(*spanContext)
	if !ok {
		return
	}
	span := of.span
	kvs := make([]attribute.KeyValue, 0, 7)
	kvs = append(kvs, attribute.Float64(keyWait, op.Wait.Seconds()))
	if op.Conn != 0 {
		kvs = append(kvs, attribute.Int64(keyConnection, int64(op.Conn)), attribute.Int(keyTries, op.Tries))
		if op.Wait > 0 {
			had := time.Now().Add(op.Wait - op.Duration)
			span.AddEvent(eventConnected, trace.WithTimestamp(had))
		}
	}
	if op.PID != 0 {
		kvs = append(kvs, attribute.Int64(keyProcess, int64(op.PID)))
	}
	if op.Rows >= 0 {
		kvs = append(kvs, attribute.Int64(keyReturned, op.Rows))
	}
	if op.Err != nil {
		kvs = append(kvs, attribute.String(keyErrorType, errorType(&op)))
		if state := sqlState(op.Err); state != "" {
			kvs = append(kvs, attribute.String(keyStatus, state))
		}
		span.SetStatus(codes.Error, "")
	}
	span.SetAttributes(kvs...)
	span.End()
}

// errorType says what kind of failure it was.
func errorType(op *pooldriver.OperationEnd) string {
	var refused *lifecycle.AcquireError
	if errors.As(op.Err, &refused) {
		return refused.Refused.Reason.String()
	}
	if op.Code == "" || op.Code == "other" { // the driver's word for what it has none for
		return errorOther
	}
	return op.Code
}

// sqlState returns the SQLSTATE that a server gave for err, "" if none did.
func sqlState(err error) string {
	var said interface{ SQLState() string }
	if errors.As(err, &said) {
		return said.SQLState()
	}
	return ""
}
