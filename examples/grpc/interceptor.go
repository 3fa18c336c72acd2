package main

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/durationpb"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/priority"
)

// What travels in the metadata of a call, and what comes back with its end.
const (
	classKey  = "poolsql-class"
	tenantKey = "poolsql-tenant"
	timingKey = "server-timing"
)

// sendClass is for clients: a call says to the server what its context says to a pool.
func sendClass(
	ctx context.Context, method string, req, reply any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, opts ...grpc.CallOption,
) error {
	if o, ok := priority.FromContext(ctx); ok {
		ctx = metadata.AppendToOutgoingContext(ctx, classKey, o.Class.String())
		if o.Tenant != "" {
			ctx = metadata.AppendToOutgoingContext(ctx, tenantKey, o.Tenant)
		}
	}
	return invoke(ctx, method, req, reply, conn, opts...)
}

// receiveClass is for servers. The calls of the pool are labeled by the method, have the deadline of the call, which gRPC hands on
// by itself, and are of the class and the tenant that the metadata say, if trust vouches for the caller: whoever could say high of
// himself would.
func receiveClass(trust func(context.Context) bool) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		ctx = poolsql.WithLabel(ctx, info.FullMethod)
		if sent, _ := metadata.FromIncomingContext(ctx); trust(ctx) {
			if class, err := priority.ParseClass(only(sent[classKey])); err == nil {
				ctx = poolsql.WithPriority(ctx, class)
			}
			if tenant := only(sent[tenantKey]); tenant != "" && len(tenant) <= 64 {
				ctx = poolsql.WithTenant(ctx, tenant)
			}
		}
		ctx = poolhttp.Track(ctx)
		reply, err := handle(ctx, req)
		if spent, ok := poolhttp.SpentOf(ctx); ok {
			_ = grpc.SetTrailer(ctx, metadata.Pairs(timingKey, fmt.Sprintf("queue;dur=%.1f, db;dur=%.1f", ms(spent.Queue), ms(spent.DB))))
		}
		return reply, statusOf(ctx, err)
	}
}

// only returns the value if there is one and no other.
func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// statusOf turns what is the pool's affair into a status. Unavailable is what clients may send again, and the details say when.
// Nobody reads the text of an error of the pool's.
func statusOf(ctx context.Context, err error) error {
	switch code, after := poolhttp.Status(ctx, err); code {
	case http.StatusServiceUnavailable:
		refused := status.New(codes.Unavailable, "the database is busy")
		if with, err := refused.WithDetails(&errdetails.RetryInfo{RetryDelay: durationpb.New(after)}); err == nil {
			refused = with
		}
		return refused.Err()
	case http.StatusGatewayTimeout:
		return status.Error(codes.DeadlineExceeded, "the database took too long")
	case poolhttp.StatusClientClosed:
		return status.Error(codes.Canceled, "the client has left")
	default:
		return err
	}
}
