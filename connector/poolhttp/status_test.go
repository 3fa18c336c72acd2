package poolhttp_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/connector/poolhttp"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// secret is what no client may read.
const secret = "swordfish"

// A sqlState is what the server says, as pgconn's PgError has it.
type sqlState string

func (s sqlState) Error() string    { return secret + string(s) }
func (s sqlState) SQLState() string { return string(s) }

func refusal(reason priority.Reason, after time.Duration) error {
	return &lifecycle.AcquireError{Pool: secret, Refused: &priority.RefusedError{Reason: reason, Label: secret, RetryAfter: after}}
}

func TestEachErrorHasItsStatus(t *testing.T) {
	alive := t.Context()
	late, cancel := context.WithTimeout(t.Context(), -1)
	defer cancel()
	left, leave := context.WithCancel(t.Context())
	leave()
	unavailable := refusal(priority.Unavailable, 0).(*lifecycle.AcquireError)
	unavailable.LastFailure = pooldriver.ConnectTimeout(time.Second, time.Second, nil)
	for _, tt := range []struct {
		name string
		ctx  context.Context
		err  error
		want int
	}{
		{"none", alive, nil, 0},
		{"the program's", alive, errors.New("no such item"), 0},
		{"no rows", alive, sql.ErrNoRows, 0},
		{"queue full", alive, refusal(priority.QueueFull, 0), 503},
		{"wrapped", alive, fmt.Errorf("show item: %w", refusal(priority.Shed, 0)), 503},
		{"joined", alive, errors.Join(errors.New("x"), refusal(priority.Cleared, 0)), 503},
		{"acquire timeout", alive, refusal(priority.Timeout, 0), 503},
		{"draining", alive, refusal(priority.Closed, 0), 503},
		{"the database is down, as a timeout", alive, unavailable, 503},
		{"its deadline in the queue", late, refusal(priority.Deadline, 0), 504},
		{"canceled in the queue", left, refusal(priority.Canceled, 0), 499},
		{"canceled by the program", alive, refusal(priority.Canceled, 0), 0},
		{"no replica", alive, &connector.NoRouteError{}, 503},
		{"a transaction that lost", alive, &connector.TxRetryError{Err: sqlState("40001")}, 503},
		{"a transaction that lost until the deadline", late, &connector.TxRetryError{Err: sqlState("40001")}, 504},
		{"a transaction whose connection was lost in it", alive, &connector.TxRetryError{Err: &pooldriver.UnknownError{}}, 503},
		{"lost before it was sent", alive, &pooldriver.LostError{}, 503},
		{"nothing to share", alive, &pooldriver.CoalescingError{Err: pooldriver.ErrTooManySharers}, 503},
		{"statement timeout", alive, &pooldriver.TimeoutError{Limit: pooldriver.LimitStatement}, 504},
		{"its deadline in a statement", late, &pooldriver.TimeoutError{Limit: pooldriver.LimitContext}, 504},
		{"canceled in a statement", left, &pooldriver.CanceledError{}, 499},
		{"canceled by the program in a statement", alive, &pooldriver.CanceledError{}, 0},
		{"serialization", alive, sqlState("40001"), 503},
		{"deadlock", alive, sqlState("40P01"), 503},
		{"starting", alive, sqlState("57P03"), 503},
		{"shutting down, perhaps after a commit", alive, sqlState("57P01"), 0},
		{"unique violation", alive, sqlState("23505"), 0},
		{"unknown", alive, &pooldriver.UnknownError{}, 0},
		{"unknown commit", late, &pooldriver.CommitError{Err: context.DeadlineExceeded}, 0},
		{"repeatable, unknown at first, refused at last", alive, &pooldriver.RetryError{First: &pooldriver.UnknownError{}, Err: refusal(priority.Unavailable, 0)}, 503},
		{"repeatable, unknown at last", alive, &pooldriver.RetryError{First: refusal(priority.Unavailable, 0), Err: &pooldriver.UnknownError{}}, 0},
		{"the request's deadline", late, fmt.Errorf("scan: %w", context.DeadlineExceeded), 504},
		{"a deadline of something else", alive, context.DeadlineExceeded, 0},
		{"a deadline of something else when the client has left", left, context.DeadlineExceeded, 0},
		{"rolled back by the deadline", late, sql.ErrTxDone, 504},
		{"rolled back by the program", alive, sql.ErrTxDone, 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			code, after := poolhttp.Status(tt.ctx, tt.err)
			if code != tt.want {
				t.Fatalf("got %d, want %d", code, tt.want)
			}
			if (after > 0) != (code == 503) {
				t.Errorf("%d, retry after %s", code, after)
			}
			w := httptest.NewRecorder()
			r := httptest.NewRequestWithContext(tt.ctx, "GET", "/", nil)
			if answered := poolhttp.Error(w, r, tt.err); answered != (tt.want != 0) {
				t.Fatalf("answered: %v", answered)
			}
			if tt.want != 0 && w.Code != tt.want {
				t.Errorf("the answer is %d", w.Code)
			}
			if said := w.Body.String() + fmt.Sprint(w.Header()); strings.Contains(said, secret) || strings.Contains(said, "poolsql") {
				t.Errorf("the client reads %q", said)
			}
			if tt.want == 0 && (w.Body.Len() > 0 || len(w.Header()) > 0) {
				t.Errorf("something was written: %v %q", w.Header(), w.Body)
			}
		})
	}
}

func TestRetryAfterIsThePoolsGuess(t *testing.T) {
	for _, tt := range []struct {
		guess    time.Duration
		from, to int
	}{
		{0, 1, 3}, {time.Millisecond, 1, 1}, {time.Second, 1, 1}, {1500 * time.Millisecond, 2, 2}, {80 * time.Second, 80, 80}, {time.Hour, 90, 90},
	} {
		w := httptest.NewRecorder()
		poolhttp.Error(w, httptest.NewRequest("GET", "/", nil), refusal(priority.Shed, tt.guess))
		got, err := strconv.Atoi(w.Header().Get("Retry-After"))
		if err != nil || got < tt.from || got > tt.to {
			t.Errorf("%s: Retry-After %q", tt.guess, w.Header().Get("Retry-After"))
		}
		if w.Header().Get("Cache-Control") != "no-store" {
			t.Error("it could be cached")
		}
	}
}

func TestAHandlersErrorIsAnsweredOnce(t *testing.T) {
	failed := errors.New("no such item")
	var others []error
	other := func(w http.ResponseWriter, _ *http.Request, err error) {
		others = append(others, err)
		w.WriteHeader(http.StatusNotFound)
	}
	serve := func(fails error, before string) (code int, body string) {
		h := poolhttp.Handler(func(w http.ResponseWriter, _ *http.Request) error {
			_, _ = io.WriteString(w, before)
			return fails
		}, other)
		if before == "" {
			h = poolhttp.Handler(func(http.ResponseWriter, *http.Request) error { return fails }, other)
		}
		server := httptest.NewServer(h)
		defer server.Close()
		resp, err := http.Get(server.URL)
		if err != nil {
			return 0, ""
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil {
			return 0, string(b)
		}
		return resp.StatusCode, string(b)
	}
	if code, body := serve(nil, "fine"); code != 200 || body != "fine" || len(others) != 0 {
		t.Errorf("no error: %d %q %v", code, body, others)
	}
	if code, _ := serve(failed, ""); code != 404 || len(others) != 1 || others[0] != failed {
		t.Errorf("the program's: %d %v", code, others)
	}
	if code, body := serve(refusal(priority.Shed, 0), ""); code != 503 || body != "Service Unavailable\n" || len(others) != 1 {
		t.Errorf("the pool's: %d %q %v", code, body, others)
	}
	// What has begun is not taken for the whole.
	if code, _ := serve(refusal(priority.Shed, 0), strings.Repeat("x", 1<<16)); code != 0 {
		t.Errorf("half an answer came through as %d", code)
	}

	w := httptest.NewRecorder()
	poolhttp.Handler(func(http.ResponseWriter, *http.Request) error { return errors.New(secret) }, nil).
		ServeHTTP(w, httptest.NewRequest("GET", "/", nil))
	if w.Code != 500 || strings.Contains(w.Body.String(), secret) {
		t.Errorf("nobody for the rest: %d %q", w.Code, w.Body)
	}
}
