package poolotel

import (
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
)

// A TraceOption changes the spans of [NewTracer].
type TraceOption interface {
	applyTrace(traceConfig) traceConfig
}

type traceOptionFunc func(traceConfig) traceConfig

func (f traceOptionFunc) applyTrace(c traceConfig) traceConfig { return f(c) }

type traceConfig struct {
	provider   trace.TracerProvider
	server     []attribute.KeyValue
	attributes []attribute.KeyValue
	text       bool
	inTraces   bool
	without    [pooldriver.OpShared + 1]bool
}

// WithTracerProvider has the spans made by a tracer of this provider. Defaults to OpenTelemetry's global one.
func WithTracerProvider(p trace.TracerProvider) TraceOption {
	return traceOptionFunc(func(c traceConfig) traceConfig { c.provider = p; return c })
}

// WithServerOf has the spans tell the database, the server's address and its port as this configuration has them: the one
// that the tracer is for. Where it names several hosts there is no address, since any of them may serve. Nothing else of it
// is told, a configuration that is bad tells nothing, and a later Reconfigure changes nothing.
func WithServerOf(cfg connector.Config) TraceOption {
	return traceOptionFunc(func(c traceConfig) traceConfig {
		if pool := connector.NewConnector(cfg); pool.Err() == nil {
			settings := pool.Config()
			c.server = serverOf(&settings)
		}
		return c
	})
}

// WithSpanAttributes adds attributes to every span.
func WithSpanAttributes(attrs ...attribute.KeyValue) TraceOption {
	return traceOptionFunc(func(c traceConfig) traceConfig {
		c.attributes = append(c.attributes[:len(c.attributes):len(c.attributes)], attrs...)
		return c
	})
}

// WithQueryText has the spans tell the statement, as db.query.text: with a question mark for each literal, without its
// comments, and cut where it is long.
func WithQueryText() TraceOption {
	return traceOptionFunc(func(c traceConfig) traceConfig { c.text = true; return c })
}

// WithoutSpansOf leaves out operations of these kinds: BEGIN, COMMIT and ROLLBACK, say, where a span of the whole
// transaction stands around them anyway.
func WithoutSpansOf(kinds ...pooldriver.OperationKind) TraceOption {
	return traceOptionFunc(func(c traceConfig) traceConfig {
		for _, k := range kinds {
			if int(k) < len(c.without) {
				c.without[k] = true
			}
		}
		return c
	})
}

// WithinTraces makes spans only for callers that are in a trace themselves: what a program does by itself, a ping of its
// health say, does not become a trace of one span.
func WithinTraces() TraceOption {
	return traceOptionFunc(func(c traceConfig) traceConfig { c.inTraces = true; return c })
}
