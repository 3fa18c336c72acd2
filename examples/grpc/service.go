package main

import (
	"context"
	"database/sql"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// A clock is a service with one method, which asks the database for its time and takes as long as the caller wants.
type clock struct{ db *sql.DB }

const tellMethod = "/poolsql.examples.Clock/Tell"

func (c *clock) tell(ctx context.Context, pause *durationpb.Duration) (*wrapperspb.StringValue, error) {
	var now string
	err := c.db.QueryRowContext(ctx, "select now()::text from pg_sleep($1)", pause.AsDuration().Seconds()).Scan(&now)
	if err != nil {
		return nil, err
	}
	return wrapperspb.String(now), nil
}

// clockDesc is what protoc would write for the service.
var clockDesc = grpc.ServiceDesc{
	ServiceName: "poolsql.examples.Clock",
	HandlerType: (*any)(nil),
	Methods: []grpc.MethodDesc{{
		MethodName: "Tell",
		Handler: func(srv any, ctx context.Context, decode func(any) error, intercept grpc.UnaryServerInterceptor) (any, error) {
			pause := new(durationpb.Duration)
			if err := decode(pause); err != nil {
				return nil, status.Error(codes.InvalidArgument, "not a duration")
			}
			handle := func(ctx context.Context, req any) (any, error) {
				return srv.(*clock).tell(ctx, req.(*durationpb.Duration))
			}
			if intercept == nil {
				return handle(ctx, pause)
			}
			return intercept(ctx, pause, &grpc.UnaryServerInfo{Server: srv, FullMethod: tellMethod}, handle)
		},
	}},
}
