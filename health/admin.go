package health

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// mostForm is how long a form of an action may be.
const mostForm = 4 << 10

// An admin serves the actions that change the pool. The pool tells its observers of each.
type admin struct {
	m           *Monitor
	authorize   func(*http.Request) error
	timeout     time.Duration
	crossOrigin *http.CrossOriginProtection
}

// An action does what a form asks for, and returns what was done in words.
type action func(ctx context.Context, a *admin, form url.Values) (string, error)

var actions = map[string]action{
	"warmup": warmup, "drain": drain, "resize": resize, "suspend": suspend, "resume": resume, "reset": reset,
	"clear": clearQueue, "evict": evict,
}

// An outcome is what an action answers.
type outcome struct {
	Success bool   `json:"success"`
	Message string `json:"message"`
}

// A fault is an error whose text is for whoever asked, with the status that it has in HTTP.
type fault struct {
	code int
	text string
}

func (f *fault) Error() string { return f.text }

func badRequest(format string, args ...any) error {
	return &fault{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// serve checks that it is who may, and does the action of that name.
func (a *admin) serve(w http.ResponseWriter, r *http.Request, name string) {
	if r.Method != http.MethodPost {
		refuseMethod(w, http.MethodPost)
		return
	}
	r.Body = http.MaxBytesReader(w, r.Body, mostForm) // before Authorize, which may look for something in the form
	if a.crossOrigin.Check(r) != nil || a.authorize(r) != nil {
		writeJSON(w, r, http.StatusForbidden, outcome{false, "forbidden"})
		return
	}
	do, known := actions[name]
	if !known {
		writeJSON(w, r, http.StatusNotFound, outcome{false, "there is no such action"})
		return
	}
	if err := r.ParseForm(); err != nil {
		writeJSON(w, r, http.StatusBadRequest, outcome{false, "the form cannot be read"})
		return
	}
	ctx, cancel := context.WithTimeout(r.Context(), a.timeout)
	defer cancel()
	done, err := do(ctx, a, r.Form)
	var f *fault
	switch {
	case err == nil:
		writeJSON(w, r, http.StatusOK, outcome{true, done})
	case errors.As(err, &f):
		writeJSON(w, r, f.code, outcome{false, f.text})
	default:
		writeJSON(w, r, http.StatusServiceUnavailable, outcome{false, cause(err)})
	}
}

// number returns the parameter of that name, and otherwise if there is none.
func number(form url.Values, name string, otherwise int) (int, error) {
	text := form.Get(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return 0, badRequest("%s: want a whole number", name)
	}
	return n, nil
}

func warmup(ctx context.Context, a *admin, form url.Values) (string, error) {
	stats := a.m.pool.Stats()
	n, err := number(form, "n", stats.MinConns)
	if err != nil {
		return "", err
	}
	if n > stats.MaxConns {
		return "", badRequest("n: there may be %s at most", times(stats.MaxConns, "connection"))
	}
	if err := a.m.pool.Warmup(ctx, n); err != nil {
		return "", err
	}
	return fmt.Sprintf("%s open", times(a.m.pool.Stats().TotalConns, "connection")), nil
}

func drain(ctx context.Context, a *admin, _ url.Values) (string, error) {
	// Whoever asked may go away, and what is held must not be interrupted because of that.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), a.timeout)
	defer cancel()
	err := a.m.pool.Drain(ctx)
	var left *lifecycle.DrainError
	if errors.As(err, &left) {
		return "", &fault{http.StatusGatewayTimeout, fmt.Sprintf(
			"the pool takes no new work; after %s %s still held: %d interrupted, %d left",
			a.timeout, were(len(left.Stragglers), "connection"), left.Interrupted, left.Left,
		)}
	}
	if err != nil {
		return "", err
	}
	return "drained: no connection is left", nil
}

func were(n int, thing string) string {
	if n == 1 {
		return "1 " + thing + " was"
	}
	return times(n, thing) + " were"
}

func resize(_ context.Context, a *admin, form url.Values) (string, error) {
	if form.Get("min") == "" && form.Get("max") == "" {
		return "", badRequest("min, max: want at least one of them")
	}
	stats := a.m.pool.Stats()
	low, err := number(form, "min", stats.MinConns)
	if err != nil {
		return "", err
	}
	high, err := number(form, "max", stats.MaxConns)
	if err != nil {
		return "", err
	}
	if err := a.m.pool.Resize(low, high); err != nil {
		return "", badRequest("%v", err) // it is about numbers, and quotes nothing else
	}
	return fmt.Sprintf("from %d to %s", low, times(high, "connection")), nil
}

func suspend(_ context.Context, a *admin, _ url.Values) (string, error) {
	a.m.pool.Suspend()
	return "suspended: callers wait", nil
}

func resume(_ context.Context, a *admin, _ url.Values) (string, error) {
	a.m.pool.Resume()
	return "resumed", nil
}

func reset(_ context.Context, a *admin, _ url.Values) (string, error) {
	a.m.pool.Reset()
	return "every connection is retired", nil
}

func clearQueue(_ context.Context, a *admin, form url.Values) (string, error) {
	reason := form.Get("reason")
	if reason == "" {
		reason = "an operator cleared the queue"
	}
	return times(a.m.pool.Clear(reason), "caller") + " turned away", nil
}

func evict(_ context.Context, a *admin, form url.Values) (string, error) {
	id, err := strconv.ParseUint(form.Get("id"), 10, 64)
	if err != nil {
		return "", badRequest("id: want that of a connection")
	}
	if !a.m.pool.Evict(id) {
		return "", &fault{http.StatusNotFound, fmt.Sprintf("there is no connection %d", id)}
	}
	return fmt.Sprintf("connection %d is retired", id), nil
}
