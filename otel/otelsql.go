package poolotel

import (
	"context"
	"errors"

	"github.com/XSAM/otelsql"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric/noop"

	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
)

// OtelsqlOptions are those with which otelsql makes the spans that say something around a connector of poolsql:
//
//	db := otelsql.OpenDB(pool, poolotel.OtelsqlOptions()...)
//	db.SetMaxIdleConns(1 << 16) // what database/sql keeps are sessions, not connections
//
// They leave out the spans for making and resetting a session, which is no connection and costs nothing; the SQL text, which
// has its literals; and the texts of errors, for which there are error.type and db.response.status_code, but no status: otelsql
// has either both or none. They leave out otelsql's metrics too: [Register] has db.client.operation.duration by what was
// asked for and not by the method of the driver. Options behind these take their place; one with SpanOptions takes that of
// all of them.
//
// [NewTracer] needs no otelsql and knows more: the time in the queue, the connection, the tries. With both, its spans are
// children of otelsql's.
//
// otelsql can also stand around each physical connection, as Config.Connector:
//
//	d := otelsql.WrapDriver(stdlib.GetDefaultDriver(), options...)
//	inner, err := d.(driver.DriverContext).OpenConnector(dsn)
//
// Then its spans leave out the time in the queue, and one more stands by itself for each connection that is opened. For
// poolsql that is a driver that it does not know, and what it does with pgx is lost: Do and Conn, the statement cache's
// numbers and the server's process id, the limits and hooks of the configuration; and a connection whose statement is
// canceled is closed. Either way the columns' ScanType is lost, as otelsql's rows have none.
func OtelsqlOptions() []otelsql.Option {
	return []otelsql.Option{
		otelsql.WithSpanOptions(otelsql.SpanOptions{
			OmitConnectorConnect: true,
			OmitConnResetSession: true,
			DisableQuery:         true,
			DisableErrSkip:       true,
			RecordError:          func(error) bool { return false },
		}),
		otelsql.WithAttributes(attribute.String(keySystem, "postgresql")),
		otelsql.WithSpanErrorAttributesGetter(errorAttributes),
		otelsql.WithMeterProvider(noop.NewMeterProvider()),
	}
}

// errorAttributes returns what may be told of an error.
func errorAttributes(err error) []attribute.KeyValue {
	kvs := []attribute.KeyValue{attribute.String(keyErrorType, kindOf(err))}
	if state := sqlState(err); state != "" {
		kvs = append(kvs, attribute.String(keyStatus, state))
	}
	return kvs
}

// kindOf is errorType for those to whom the driver does not tell.
func kindOf(err error) string {
	var refused *lifecycle.AcquireError
	var timeout interface{ Timeout() bool }
	switch {
	case errors.As(err, &refused):
		return refused.Refused.Reason.String()
	case errors.Is(err, context.Canceled):
		return "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, pooldriver.ErrBusy):
		return "busy"
	}
	if state := sqlState(err); state != "" {
		return state
	}
	return errorOther
}
