package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
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
	return invoke(saying(ctx), method, req, reply, conn, opts...)
}

// sendClassOfStream is sendClass for streams.
func sendClassOfStream(
	ctx context.Context, desc *grpc.StreamDesc, conn *grpc.ClientConn, method string, begin grpc.Streamer, opts ...grpc.CallOption,
) (grpc.ClientStream, error) {
	return begin(saying(ctx), desc, conn, method, opts...)
}

// saying returns a context whose calls say their class and tenant. It says each once, whatever the metadata had: a service that
// hands on the metadata of its own caller would say both.
func saying(ctx context.Context) context.Context {
	o, ok := priority.FromContext(ctx)
	if !ok {
		return ctx
	}
	sent, ok := metadata.FromOutgoingContext(ctx) // a copy
	if !ok {
		sent = metadata.MD{}
	}
	sent.Set(classKey, o.Class.String())
	sent.Delete(tenantKey)
	if isTenant(o.Tenant) {
		sent.Set(tenantKey, o.Tenant)
	}
	return metadata.NewOutgoingContext(ctx, sent)
}

// isTenant reports whether metadata can name a tenant so: gRPC fails a call whose metadata have anything but printable ASCII, and
// a pool keeps a tenant's name in memory.
func isTenant(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(c rune) bool { return c < ' ' || c > '~' })
}

// receiveClass is for servers. The calls of the pool are labeled by the method, have the deadline of the call, which gRPC hands on
// by itself, and are of the class and the tenant that the metadata say, if trust vouches for the caller: whoever could say high of
// himself would.
func receiveClass(trust func(context.Context) bool) grpc.UnaryServerInterceptor {
	return func(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
		ctx = received(ctx, info.FullMethod, trust)
		reply, err := handle(ctx, req)
		_ = grpc.SetTrailer(ctx, timing(ctx))
		return reply, statusOf(ctx, err)
	}
}

// receiveClassOfStream is receiveClass for streams.
func receiveClassOfStream(trust func(context.Context) bool) grpc.StreamServerInterceptor {
	return func(srv any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
		ctx := received(stream.Context(), info.FullMethod, trust)
		err := handle(srv, prepared{stream, ctx})
		stream.SetTrailer(timing(ctx))
		return statusOf(ctx, err)
	}
}

// A prepared stream has the context of the pool's calls.
type prepared struct {
	grpc.ServerStream
	ctx context.Context
}

func (p prepared) Context() context.Context { return p.ctx }

// received returns the context of the pool's calls.
func received(ctx context.Context, method string, trust func(context.Context) bool) context.Context {
	ctx = poolsql.WithLabel(ctx, method)
	if sent, _ := metadata.FromIncomingContext(ctx); trust(ctx) {
		if class, err := priority.ParseClass(only(sent[classKey])); err == nil {
			ctx = poolsql.WithPriority(ctx, class)
		}
		if tenant := only(sent[tenantKey]); isTenant(tenant) {
			ctx = poolsql.WithTenant(ctx, tenant)
		}
	}
	return poolhttp.Track(ctx)
}

// timing says where the time went.
func timing(ctx context.Context) metadata.MD {
	spent, _ := poolhttp.SpentOf(ctx)
	return metadata.Pairs(timingKey, fmt.Sprintf("queue;dur=%.1f, db;dur=%.1f", ms(spent.Queue), ms(spent.DB)))
}

// only returns the value if there is one and no other.
func only(values []string) string {
	if len(values) != 1 {
		return ""
	}
	return values[0]
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// statusOf turns what is the pool's affair into a status. Unavailable is what clients may send again, and the details say when. A
// status that the service has made stays. Nobody reads the text of any other error, which gRPC would send: what the server has
// said of a statement is in it.
func statusOf(ctx context.Context, err error) error {
	if err == nil {
		return nil
	}
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
	}
	if _, ok := status.FromError(err); ok {
		return err
	}
	slog.ErrorContext(ctx, "call failed", "err", err)
	return status.Error(codes.Unknown, "something went wrong")
}
