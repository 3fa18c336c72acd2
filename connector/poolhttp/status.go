package poolhttp

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"

	"github.com/poolsql/poolsql/connector"
	pooldriver "github.com/poolsql/poolsql/driver"
	"github.com/poolsql/poolsql/priority"
)

// StatusClientClosed is what a request is logged with whose client has left; nobody reads it. The number is that of nginx.
const StatusClientClosed = 499

// Bounds of Retry-After where the pool has no better guess, and of what it may guess. Between the first two it is at random,
// so that those who were turned away together do not come back together. The last is the longest that a pool says, which has
// another time for each caller: a lower bound would make these one.
const (
	retrySoonest = time.Second
	retryLatest  = 3 * time.Second
	retryMost    = 90 * time.Second
)

// Status returns how a request whose context is ctx is to be answered after err: 503 and after what time it may be sent again,
// 504, or [StatusClientClosed]. It returns 0 if err is no affair of the pool's, or if nobody knows what became of a statement.
//
//   - 503: the pool turned a call away before it had a connection, whatever the rule, but for the caller's own deadline; the
//     connection was lost before it was sent; a transaction lost against others, or its connection, and nothing of it is
//     committed; the server was starting or had no room;
//   - 504: a statement or a transaction took too long, or the deadline of the request has passed, in the queue too;
//   - 499: the client has left, and that ended a call.
func Status(ctx context.Context, err error) (code int, retryAfter time.Duration) {
	code = statusOf(ctx, err)
	if code != http.StatusServiceUnavailable {
		return code, 0
	}
	var refused *priority.RefusedError
	if errors.As(err, &refused) && refused.RetryAfter > 0 {
		return code, min(refused.RetryAfter, retryMost)
	}
	return code, retrySoonest + rand.N(retryLatest-retrySoonest)
}

func statusOf(ctx context.Context, err error) int {
	if err == nil {
		return 0
	}
	if retried := (*pooldriver.RetryError)(nil); errors.As(err, &retried) {
		err = retried.Err // its caller vouched for the tries before
	}
	var refused *priority.RefusedError
	switch {
	case errors.Is(err, pooldriver.ErrCommitUnknown):
		return 0
	case is[*connector.TxRetryError](err): // nothing is committed, whatever became of its statements
		return cmp.Or(statusOfContext(ctx, ctx.Err()), http.StatusServiceUnavailable)
	case is[*pooldriver.UnknownError](err):
		return 0
	case errors.As(err, &refused):
		return statusOfRefusal(ctx, refused)
	case is[*connector.NoRouteError](err), is[*pooldriver.LostError](err), is[*pooldriver.CoalescingError](err):
		return http.StatusServiceUnavailable
	case is[*pooldriver.TimeoutError](err):
		return http.StatusGatewayTimeout
	case passes(err):
		return http.StatusServiceUnavailable
	default:
		return statusOfContext(ctx, err)
	}
}

func statusOfRefusal(ctx context.Context, refused *priority.RefusedError) int {
	switch refused.Reason {
	case priority.Deadline:
		return http.StatusGatewayTimeout
	case priority.Canceled:
		return statusOfContext(ctx, context.Canceled)
	default:
		return http.StatusServiceUnavailable
	}
}

// statusOfContext is for what ends with the request: its own errors, and that of a transaction which database/sql has rolled back
// for it.
func statusOfContext(ctx context.Context, err error) int {
	ended := ctx.Err()
	switch {
	case ended == nil || !errors.Is(err, ended) && !errors.Is(err, sql.ErrTxDone):
		return 0
	case errors.Is(ended, context.DeadlineExceeded):
		return http.StatusGatewayTimeout
	default:
		return StatusClientClosed
	}
}

// passes reports whether the server has said something that passes, and that leaves nothing behind: it is starting, it has no room
// for one more session, or the transaction lost against another. That it is shutting down (57P01) is not among it: a server
// that waits for a standby says so of what is committed already.
func passes(err error) bool {
	var said interface{ SQLState() string }
	if !errors.As(err, &said) {
		return false
	}
	switch said.SQLState() {
	case "57P03", "53300", "40001", "40P01":
		return true
	}
	return false
}

// is reports whether an E is in err's tree.
func is[E error](err error) bool {
	var e E
	return errors.As(err, &e)
}

// Error answers a request that failed with err, if that is the pool's affair: see [Status]. It reports whether it has. If not, w
// is as it was, and the answer is the caller's. The client reads what the status means and nothing of err.
//
// It is for handlers that have written nothing yet. [Handler] knows whether one has.
func Error(w http.ResponseWriter, r *http.Request, err error) bool {
	code, after := Status(r.Context(), err)
	switch code {
	case 0:
		return false
	case StatusClientClosed:
		w.WriteHeader(code)
		return true
	}
	w.Header().Set("Cache-Control", "no-store")
	if after > 0 {
		seconds := (after + time.Second - 1) / time.Second
		w.Header().Set("Retry-After", strconv.Itoa(int(seconds)))
	}
	http.Error(w, http.StatusText(code), code)
	return true
}

// Handler returns a handler that calls serve and answers its error: [Error] does for what is the pool's affair, and other for the
// rest. Where other is nil, the rest is answered with 500, and nobody learns of the error: give it one that logs.
//
// If serve has begun its answer when it fails, the answer is cut off, as [http.ErrAbortHandler] does, so that no client takes half
// of it for the whole. Then other is called for its log alone: what it writes goes nowhere. A serve that has answered a failure
// itself, and wants that to reach the client, returns nil.
func Handler(
	serve func(http.ResponseWriter, *http.Request) error, other func(http.ResponseWriter, *http.Request, error),
) http.Handler {
	if other == nil {
		other = func(w http.ResponseWriter, _ *http.Request, _ error) {
			http.Error(w, http.StatusText(http.StatusInternalServerError), http.StatusInternalServerError)
		}
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		watched := watch(w, nil)
		err := serve(watched.writer, r)
		if err == nil {
			return
		}
		code, _ := Status(r.Context(), err)
		if watched.began {
			if code == 0 {
				other(nowhere{make(http.Header)}, r, err)
			}
			panic(http.ErrAbortHandler)
		}
		if code == 0 {
			other(watched.writer, r, err)
			return
		}
		Error(watched.writer, r, err)
	})
}

// A nowhere is where goes what would be written behind an answer that has begun.
type nowhere struct{ header http.Header }

func (n nowhere) Header() http.Header         { return n.header }
func (n nowhere) WriteHeader(int)             {}
func (n nowhere) Write(b []byte) (int, error) { return len(b), nil }
