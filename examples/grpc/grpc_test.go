package main

import (
	"bytes"
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/poolsql/poolsql/internal/testdb"
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
	mine := errors.New("mine")
	if _, err := intercept(t, true, nil, mine); !errors.Is(err, mine) {
		t.Errorf("the service's own error: %v", err)
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
