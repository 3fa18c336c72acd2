package main

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/poolsql/poolsql"
	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// intercept calls a handler through the server's interceptor, and returns what its calls would carry.
func intercept(t *testing.T, trusted bool, sent metadata.MD, fails error) (o priority.Options, err error) {
	t.Helper()
	ctx := metadata.NewIncomingContext(t.Context(), sent)
	_, err = receiveClass(func(context.Context) bool { return trusted })(ctx, nil, &grpc.UnaryServerInfo{FullMethod: "/x.Y/Z"},
		func(ctx context.Context, _ any) (any, error) {
			o, _ = priority.FromContext(ctx)
			return nil, fails
		})
	return o, err
}

func TestTheClassIsBelievedOfTrustedCallersOnly(t *testing.T) {
	sent := metadata.Pairs(classKey, "high", tenantKey, "acme")
	if o, _ := intercept(t, true, sent, nil); o != (priority.Options{Class: priority.High, Tenant: "acme", Label: "/x.Y/Z"}) {
		t.Errorf("trusted: %+v", o)
	}
	if o, _ := intercept(t, false, sent, nil); o != (priority.Options{Label: "/x.Y/Z"}) {
		t.Errorf("not trusted: %+v", o)
	}
	for _, bad := range []metadata.MD{nil, metadata.Pairs(classKey, "highest"), metadata.Pairs(classKey, "high", classKey, "high")} {
		if o, _ := intercept(t, true, bad, nil); o.Class != priority.Normal {
			t.Errorf("%v: %+v", bad, o)
		}
	}
}

func TestARefusalIsAStatusWithATimeToComeAgain(t *testing.T) {
	_, err := intercept(t, true, nil, &priority.RefusedError{Reason: priority.Shed, Label: "secret", RetryAfter: 2 * time.Second})
	s := status.Convert(err)
	if s.Code() != codes.Unavailable || strings.Contains(s.Message(), "secret") || len(s.Details()) != 1 {
		t.Fatalf("%v %q %v", s.Code(), s.Message(), s.Details())
	}
	if info, ok := s.Details()[0].(*errdetails.RetryInfo); !ok || info.RetryDelay.AsDuration() != 2*time.Second {
		t.Errorf("%v", s.Details())
	}
	mine := status.Error(codes.NotFound, "no such clock")
	if _, err := intercept(t, true, nil, mine); err != mine {
		t.Errorf("the service's own status: %v", err)
	}
	if _, err := intercept(t, true, nil, nil); err != nil {
		t.Errorf("no error: %v", err)
	}
}

// gRPC sends the text of an error that is no status, and an error of the database's has what the server said.
func TestNoClientReadsTheTextOfAnError(t *testing.T) {
	log.SetOutput(io.Discard)
	t.Cleanup(func() { log.SetOutput(os.Stderr) })
	for _, fails := range []error{errors.New("secret"), fmt.Errorf("secret: %w", sql.ErrNoRows), &poolsql.UnknownError{Err: errors.New("secret")}} {
		_, err := intercept(t, true, nil, fails)
		if s, ok := status.FromError(err); !ok || s.Code() != codes.Unknown || strings.Contains(s.Message(), "secret") {
			t.Errorf("%v: %v", fails, err)
		}
	}
}

// sends returns what a client's call says.
func sends(t *testing.T, ctx context.Context) (class, tenant []string) {
	t.Helper()
	var sent, streamed metadata.MD
	err := sendClass(ctx, "/x.Y/Z", nil, nil, nil, func(ctx context.Context, _ string, _, _ any, _ *grpc.ClientConn, _ ...grpc.CallOption) error {
		sent, _ = metadata.FromOutgoingContext(ctx)
		return nil
	})
	_, err2 := sendClassOfStream(ctx, nil, nil, "/x.Y/Z", func(
		ctx context.Context, _ *grpc.StreamDesc, _ *grpc.ClientConn, _ string, _ ...grpc.CallOption,
	) (grpc.ClientStream, error) {
		streamed, _ = metadata.FromOutgoingContext(ctx)
		return nil, nil
	})
	if err := errors.Join(err, err2); err != nil {
		t.Fatal(err)
	}
	if !maps.EqualFunc(sent, streamed, slices.Equal) {
		t.Errorf("a call says %v, a stream %v", sent, streamed)
	}
	return sent[classKey], sent[tenantKey]
}

func TestACallSaysOnceWhatItsContextSays(t *testing.T) {
	of := func(tenant string) context.Context {
		return poolsql.WithTenant(poolsql.WithPriority(t.Context(), poolsql.High), tenant)
	}
	handedOn := metadata.NewOutgoingContext(of("acme"), metadata.Pairs(classKey, "low", tenantKey, "other", "mine", "x"))
	handedOn = metadata.AppendToOutgoingContext(handedOn, classKey, "low")
	for _, tt := range []struct {
		name          string
		ctx           context.Context
		class, tenant []string
	}{
		{"nothing", t.Context(), nil, nil},
		{"both", of("acme"), []string{"high"}, []string{"acme"}},
		{"over what was there", handedOn, []string{"high"}, []string{"acme"}},
		{"a tenant that gRPC would fail the call for", of("Müller"), []string{"high"}, nil},
		{"one that is too long", of(strings.Repeat("x", 65)), []string{"high"}, nil},
	} {
		if class, tenant := sends(t, tt.ctx); !slices.Equal(class, tt.class) || !slices.Equal(tenant, tt.tenant) {
			t.Errorf("%s: %q, %q", tt.name, class, tenant)
		}
	}
	sent, _ := metadata.FromOutgoingContext(saying(handedOn))
	if !slices.Equal(sent["mine"], []string{"x"}) {
		t.Errorf("the rest is lost: %v", sent)
	}
}

// A stream is one that nobody has sent over a connection.
type stream struct {
	grpc.ServerStream
	ctx     context.Context
	trailer metadata.MD
}

func (s *stream) Context() context.Context  { return s.ctx }
func (s *stream) SetTrailer(md metadata.MD) { s.trailer = md }

func TestAStreamIsPreparedAsACallIs(t *testing.T) {
	s := &stream{ctx: metadata.NewIncomingContext(t.Context(), metadata.Pairs(classKey, "low", tenantKey, "acme"))}
	everyone := func(context.Context) bool { return true }
	var o priority.Options
	err := receiveClassOfStream(everyone)(nil, s, &grpc.StreamServerInfo{FullMethod: "/x.Y/Z"}, func(_ any, s grpc.ServerStream) error {
		o, _ = priority.FromContext(s.Context())
		poolhttp.Timings().Observe(lifecycle.Event{Kind: lifecycle.KindOperation, Context: s.Context(), Duration: 5 * time.Millisecond})
		return &priority.RefusedError{Reason: priority.Shed, RetryAfter: time.Second}
	})
	if o != (priority.Options{Class: priority.Low, Tenant: "acme", Label: "/x.Y/Z"}) {
		t.Errorf("%+v", o)
	}
	if status.Code(err) != codes.Unavailable || only(s.trailer[timingKey]) != "queue;dur=0.0, db;dur=5.0" {
		t.Errorf("%v, %v", err, s.trailer)
	}
}

func TestATenantIsPrintable(t *testing.T) {
	for _, bad := range []string{"", "a\nb", "\xff", "Müller", "a\x7f", strings.Repeat("x", 65)} {
		if o, _ := intercept(t, true, metadata.Pairs(tenantKey, bad), nil); o.Tenant != "" {
			t.Errorf("%q", o.Tenant)
		}
	}
}

func TestTheProgramShowsWhatItPromises(t *testing.T) {
	testdb.NoLeaks(t)
	var stdout bytes.Buffer
	if err := run(t.Context(), testdb.New(t).DSN, &stdout); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^report +low +\d+ ms +OK +queue;dur=[1-9]`,
		`(?m)^checkout +high +\d+ ms +OK +queue;dur=\d+\.\d, db;dur=[1-9]`,
		`(?m)^in a hurry +normal +\d+ ms +DeadlineExceeded`,
		`(?m)^one too many +low +\d+ ms +Unavailable`,
	} {
		if !regexp.MustCompile(want).MatchString(stdout.String()) {
			t.Errorf("%s is not in\n%s", want, &stdout)
		}
	}
}
