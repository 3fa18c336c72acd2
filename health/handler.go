package health

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// HandlerOptions say what [NewHandler] serves. The zero value is the report, live, ready and the page.
type HandlerOptions struct {
	// FailOnWarning has the report answer with 503 as soon as there is a warning. A load balancer that looks at the report then
	// takes a pool out of service that is merely well used. It changes nothing of ready.
	FailOnWarning bool
	// NoPage leaves the page for people out.
	NoPage bool
	// Admin has the actions served that change the pool. Authorize must be set then.
	Admin bool
	// Authorize is asked before each action. Whoever it returns an error for gets 403, and not the error. It must be safe for
	// concurrent use. The actions themselves are told to the pool's observers: who asked for them only Authorize sees.
	Authorize func(*http.Request) error
	// AdminTimeout is how long a warm-up or a drain may take. Defaults to DefaultAdminTimeout.
	AdminTimeout time.Duration
}

// DefaultAdminTimeout is the default of [HandlerOptions].
const DefaultAdminTimeout = 30 * time.Second

// NewHandler returns a handler that serves what there is to see of the pool, relative to where it is mounted:
//
//	GET  /        the [Report] in JSON: 200 if the pool is healthy or degraded, 503 if it is unhealthy
//	GET  /live    200, as long as the process can answer
//	GET  /ready   200 if the process should be sent work, else 503
//	GET  /page/   the page for people
//	POST /admin/… what changes the pool, only if that is switched on
//
//	h, err := health.NewHandler(m, health.HandlerOptions{})
//	…
//	http.Handle("/health/", http.StripPrefix("/health", h))
//
// The report and the page show labels and tenants of callers, so they belong where other internal pages are.
//
// The actions are warmup (n, by default the minimum), drain, resize (min, max; what is missing stays), suspend, resume, reset,
// clear (reason) and evict (id). Their parameters are in the query or in a form of at most 4 KiB. A request that another
// site's page makes in somebody's browser is refused before Authorize is asked. A drain goes on when its caller has gone away;
// when its time is over, what is still held is interrupted, as [connector.Connector.Drain] says.
//
// It fails if Admin is set and Authorize is not.
func NewHandler(m *Monitor, opts HandlerOptions) (http.Handler, error) {
	switch {
	case m == nil:
		return nil, errors.New("health: there is no monitor to serve")
	case opts.Admin && opts.Authorize == nil:
		return nil, errors.New("health: Admin is set and Authorize is not: whoever reaches the handler could drain the pool")
	case opts.AdminTimeout < 0:
		return nil, errors.New("health: AdminTimeout must not be negative")
	}
	set(&opts.AdminTimeout, DefaultAdminTimeout)
	h := &handler{m: m, opts: opts, live: m.Live(), ready: m.Ready()}
	if !opts.NoPage {
		h.page = http.StripPrefix("/page", m.Page())
	}
	if opts.Admin {
		h.admin = &admin{m: m, authorize: opts.Authorize, timeout: opts.AdminTimeout, crossOrigin: http.NewCrossOriginProtection()}
	}
	return h, nil
}

// A handler serves everything. page and admin are nil if they are not to be served.
type handler struct {
	m           *Monitor
	opts        HandlerOptions
	live, ready http.Handler
	page        http.Handler
	admin       *admin
}

func (h *handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	path := r.URL.Path
	switch action, isAdmin := strings.CutPrefix(path, "/admin/"); {
	case path == "" || path == "/":
		h.serveReport(w, r)
	case path == "/live":
		h.live.ServeHTTP(w, r)
	case path == "/ready":
		h.ready.ServeHTTP(w, r)
	case h.page != nil && (path == "/page" || strings.HasPrefix(path, "/page/")):
		h.page.ServeHTTP(w, r)
	case h.admin != nil && isAdmin:
		h.admin.serve(w, r, action)
	default:
		setHeaders(w)
		http.NotFound(w, r)
	}
}

func (h *handler) serveReport(w http.ResponseWriter, r *http.Request) {
	if !readOnly(w, r) {
		return
	}
	report := h.m.Report()
	code := http.StatusOK
	if report.Status == Unhealthy || h.opts.FailOnWarning && len(report.Warnings) > 0 {
		code = http.StatusServiceUnavailable
	}
	writeJSON(w, r, code, report)
}

// Live returns a handler that answers 200 as long as the process can answer at all. It says nothing of the database on purpose:
// a process is restarted when it is not alive, and no restart mends a database.
func (m *Monitor) Live() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if readOnly(w, r) {
			writeJSON(w, r, http.StatusOK, struct {
				Status string `json:"status"`
			}{"alive"})
		}
	})
}

// readiness is what Ready answers.
type readiness struct {
	Ready  bool   `json:"ready"`
	Status Status `json:"status"`
	Score  int    `json:"score"`
	Reason string `json:"reason,omitempty"`
}

// Ready returns a handler that answers 200 if the process should be sent work, and 503 if not: the pool is unhealthy, draining,
// closed or suspended, or was started and has not been judged yet. A warning does not change it, nor does a pool that is
// degraded: it serves.
func (m *Monitor) Ready() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !readOnly(w, r) {
			return
		}
		m.refresh()
		m.mu.Lock()
		var a readiness
		a.Ready, a.Reason = m.readyLocked()
		a.Status, a.Score = m.judged.standing.status, m.judged.score
		m.mu.Unlock()
		code := http.StatusOK
		if !a.Ready {
			code = http.StatusServiceUnavailable
		}
		writeJSON(w, r, code, a)
	})
}

// readOnly answers requests that do not read, and reports whether r does.
func readOnly(w http.ResponseWriter, r *http.Request) bool {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return true
	}
	refuseMethod(w, "GET, HEAD")
	return false
}

func refuseMethod(w http.ResponseWriter, allow string) {
	setHeaders(w)
	w.Header().Set("Allow", allow)
	http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
}

// setHeaders sets what every answer has: what is true of health now is not a moment later.
func setHeaders(w http.ResponseWriter) {
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Content-Type-Options", "nosniff")
}

func writeJSON(w http.ResponseWriter, r *http.Request, code int, value any) {
	setHeaders(w)
	body, err := json.Marshal(value)
	if err != nil { // no value of ours has what JSON has not
		http.Error(w, "the answer could not be written", http.StatusInternalServerError)
		return
	}
	body = append(body, '\n')
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.WriteHeader(code)
	if r.Method != http.MethodHead {
		_, _ = w.Write(body) // whoever left needs no answer
	}
}
