package priority_test

import (
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/priority"
)

var sentinels = []error{
	priority.ErrTimeout, priority.ErrQueueFull, priority.ErrCleared, priority.ErrClosed, priority.ErrUnavailable,
	priority.ErrDeadlock, priority.ErrOverloaded,
	context.Canceled, context.DeadlineExceeded, driver.ErrBadConn,
}

func TestRefusalMatchesItsReasonAndNothingElse(t *testing.T) {
	for _, tt := range []struct {
		reason  priority.Reason
		matches []error
		timeout bool
		message string
	}{
		{priority.Timeout, []error{priority.ErrTimeout, context.DeadlineExceeded}, true, "acquire timeout"},
		{priority.Canceled, []error{context.Canceled}, false, "canceled by the caller"},
		{priority.Deadline, []error{context.DeadlineExceeded}, true, "the caller's deadline passed"},
		{priority.QueueFull, []error{priority.ErrQueueFull}, false, "the queue is full"},
		{priority.Evicted, []error{priority.ErrQueueFull}, false, "turned away for one who goes before it, the queue is full"},
		{priority.Cleared, []error{priority.ErrCleared}, false, "the queue was cleared"},
		{priority.Closed, []error{priority.ErrClosed}, false, "closed"},
		{priority.Unavailable, []error{priority.ErrUnavailable}, false, "unavailable"},
		{priority.Deadlock, []error{priority.ErrDeadlock}, false, "waiting would be a deadlock"},
		{priority.Shed, []error{priority.ErrOverloaded}, false, "turned away, overloaded"},
		{priority.TenantFull, []error{priority.ErrQueueFull}, false, "its tenant has as many waiting as it may"},
		{priority.TooLate, []error{priority.ErrOverloaded}, false, "could not have been done before the caller's deadline"},
	} {
		t.Run(tt.reason.String(), func(t *testing.T) {
			cause := errors.New("the cause")
			err := fmt.Errorf("outer: %w", &priority.RefusedError{
				Reason: tt.reason, Class: priority.Low, Tenant: "acme", Label: "report", Cause: cause,
				Waited: 1500 * time.Microsecond, Depth: 7, Limit: 8, InUse: 5,
			})
			for _, sentinel := range append(sentinels, cause) {
				want := sentinel == cause
				for _, match := range tt.matches {
					want = want || sentinel == match
				}
				if got := errors.Is(err, sentinel); got != want {
					t.Errorf("errors.Is(%v) = %t, want %t", sentinel, got, want)
				}
			}
			var refused *priority.RefusedError
			if !errors.As(err, &refused) || refused.Reason != tt.reason {
				t.Errorf("errors.As found %+v", refused)
			}
			var timeout interface{ Timeout() bool }
			if !errors.As(err, &timeout) || timeout.Timeout() != tt.timeout {
				t.Errorf("Timeout() is not %t", tt.timeout)
			}
			for _, part := range []string{
				tt.message, "after waiting 1.5ms", "class low", `label "report"`, `tenant "acme"`, "5 of 8 in use", "7 waiting", "the cause",
			} {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestRefusalFindsWhatTheCauseWraps(t *testing.T) {
	dial := &net.OpError{Op: "dial", Err: errors.New("refused")}
	var err error = &priority.RefusedError{Reason: priority.Unavailable, Cause: fmt.Errorf("cannot open: %w", dial)}
	var found *net.OpError
	if !errors.As(err, &found) || found != dial {
		t.Errorf("errors.As found %v", found)
	}
}

func TestRefusalOfAnUnnamedCallerDoesNotMentionNames(t *testing.T) {
	err := &priority.RefusedError{Reason: priority.Closed}
	for _, part := range []string{"label", "tenant"} {
		if strings.Contains(err.Error(), part) {
			t.Errorf("%q mentions a %s", err, part)
		}
	}
}

func TestReasonsHaveNames(t *testing.T) {
	seen := map[string]bool{}
	for r := priority.None; r <= priority.TooLate; r++ {
		name := r.String()
		if name == "" || seen[name] || strings.HasPrefix(name, "Reason(") {
			t.Errorf("reason %d is called %q", r, name)
		}
		seen[name] = true
	}
	if name := priority.Reason(200).String(); name != "Reason(200)" {
		t.Errorf("reason 200 is called %q", name)
	}
}

// listError is an error that == cannot compare, like the lists of errors that validators return.
type listError []string

func (e listError) Error() string { return strings.Join(e, ", ") }

func TestReasonOfTellsHowAContextEnded(t *testing.T) {
	reason := errors.New("shutting down")
	canceled, cancel := context.WithCancel(context.Background())
	cancel()
	caused, cancelCause := context.WithCancelCause(context.Background())
	cancelCause(reason)
	listed, cancelList := context.WithCancelCause(context.Background())
	cancelList(listError{"a", "b"})
	late, cancelLate := context.WithDeadline(context.Background(), time.Now().Add(-time.Second))
	defer cancelLate()
	lateCaused, cancelLateCaused := context.WithDeadlineCause(context.Background(), time.Now().Add(-time.Second), reason)
	defer cancelLateCaused()

	for _, tt := range []struct {
		name   string
		ctx    context.Context
		reason priority.Reason
		cause  string
	}{
		{"canceled", canceled, priority.Canceled, ""},
		{"canceled with a cause", caused, priority.Canceled, "shutting down"},
		{"canceled with a list", listed, priority.Canceled, "a, b"},
		{"deadline", late, priority.Deadline, ""},
		{"deadline with a cause", lateCaused, priority.Deadline, "shutting down"},
	} {
		r, cause := priority.ReasonOf(tt.ctx)
		text := ""
		if cause != nil {
			text = cause.Error()
		}
		if r != tt.reason || text != tt.cause {
			t.Errorf("%s: %v, %q; want %v, %q", tt.name, r, text, tt.reason, tt.cause)
		}
	}
}
