package health_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
)

// ask makes a request of h and returns what it answers.
func ask(h http.Handler, method, target string, change ...func(*http.Request)) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for _, c := range change {
		c(r)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func handler(t *testing.T, m *health.Monitor, opts health.HandlerOptions) http.Handler {
	t.Helper()
	h, err := health.NewHandler(m, opts)
	if err != nil {
		t.Fatal(err)
	}
	return http.StripPrefix("/health", h)
}

// states are what a pool may be in, and what each of the handlers answers then.
var states = []struct {
	name                     string
	put                      func(t *testing.T, e *engine, pool *connector.Connector, hold func())
	status                   string
	report, onWarning, ready int
	notReady                 string
}{
	{"idle", func(*testing.T, *engine, *connector.Connector, func()) {}, "healthy", 200, 200, 200, ""},
	{"with a warning", func(_ *testing.T, _ *engine, _ *connector.Connector, hold func()) { hold(); hold() },
		"healthy", 200, 503, 200, ""},
	{"degraded", func(_ *testing.T, e *engine, _ *connector.Connector, hold func()) {
		hold()
		hold()
		go hold() // which waits in vain
		go hold()
	}, "degraded", 200, 503, 200, ""},
	{"unhealthy", func(_ *testing.T, e *engine, _ *connector.Connector, _ func()) {
		e.set(func(e *engine) { e.down = io.ErrUnexpectedEOF })
	}, "unhealthy", 503, 503, 503, "unhealthy: "},
	{"suspended", func(_ *testing.T, _ *engine, pool *connector.Connector, _ func()) { pool.Suspend() },
		"healthy", 200, 503, 503, "suspended"},
	{"draining", func(t *testing.T, _ *engine, pool *connector.Connector, hold func()) {
		hold()
		go func() { _ = pool.Drain(t.Context()) }()
	}, "healthy", 200, 200, 503, "draining"},
	{"closed with somebody in it", func(_ *testing.T, _ *engine, pool *connector.Connector, hold func()) {
		hold()
		pool.Close()
	}, "healthy", 200, 200, 503, "closed"},
	{"closed", func(_ *testing.T, _ *engine, pool *connector.Connector, _ func()) { pool.Close() },
		"healthy", 200, 200, 503, "closed"},
}

func TestEachStateHasItsAnswers(t *testing.T) {
	for _, c := range states {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				e := &engine{}
				db, pool, m := open(t, connector.Config{Connector: e, MaxConns: 2, AcquireTimeout: 2 * time.Second}, health.Config{Interval: time.Second})
				h, strict := handler(t, m, health.HandlerOptions{}), handler(t, m, health.HandlerOptions{FailOnWarning: true})
				m.Start()
				time.Sleep(time.Minute)
				var conns []io.Closer
				hold := func() {
					conn, err := db.Conn(t.Context())
					if err != nil {
						t.Error(err)
					} else if _, err := conn.ExecContext(t.Context(), "hold"); err == nil {
						conns = append(conns, conn) // only those that have one, which are not on goroutines
					} else {
						conn.Close()
					}
				}
				c.put(t, e, pool, hold)
				time.Sleep(61 * time.Second)
				synctest.Wait()
				w := ask(h, "GET", "/health/")
				var report health.Report
				if err := json.Unmarshal(w.Body.Bytes(), &report); err != nil {
					t.Fatal(err)
				}
				if w.Code != c.report || report.Status.String() != c.status || report.Healthy != (c.status == "healthy") {
					t.Errorf("report: %d, %s (%+v), want %d, %s", w.Code, report.Status, report.Reasons, c.report, c.status)
				}
				if got := ask(strict, "GET", "/health/").Code; got != c.onWarning {
					t.Errorf("report that fails on a warning: %d, want %d: %q", got, c.onWarning, report.Warnings)
				}
				if w := ask(h, "GET", "/health/live"); w.Code != 200 || w.Body.String() != `{"status":"alive"}`+"\n" {
					t.Errorf("live: %d, %s", w.Code, w.Body)
				}
				w = ask(h, "GET", "/health/ready")
				var ready struct {
					Ready  bool
					Reason string
				}
				if err := json.Unmarshal(w.Body.Bytes(), &ready); err != nil {
					t.Fatal(err)
				}
				if w.Code != c.ready || ready.Ready != (c.ready == 200) || !strings.HasPrefix(ready.Reason, c.notReady) {
					t.Errorf("ready: %d, %s", w.Code, w.Body)
				}
				if report.Ready != ready.Ready || report.NotReady != ready.Reason {
					t.Errorf("the report says %t (%s)", report.Ready, report.NotReady)
				}
				for _, conn := range conns {
					conn.Close()
				}
				e.set(func(e *engine) { e.down = nil })
			})
		})
	}
}

func TestEachAnswerIsForNowAndCanBeAskedForByHead(t *testing.T) {
	_, _, m := open(t, connector.Config{Connector: &engine{}}, health.Config{})
	h := handler(t, m, health.HandlerOptions{})
	for _, path := range []string{"/health", "/health/", "/health/live", "/health/ready", "/health/nothing", "/health/admin/drain"} {
		want := 200
		if strings.HasSuffix(path, "nothing") || strings.Contains(path, "admin") {
			want = 404
		}
		get, head := ask(h, "GET", path), ask(h, "HEAD", path)
		for _, w := range []*httptest.ResponseRecorder{get, head} {
			if w.Code != want || w.Header().Get("Cache-Control") != "no-store" || w.Header().Get("X-Content-Type-Options") != "nosniff" {
				t.Errorf("%s: %d, %v", path, w.Code, w.Header())
			}
		}
		if want == 404 {
			continue
		}
		if head.Body.Len() != 0 || get.Body.Len() == 0 || get.Header().Get("Content-Type") != "application/json" ||
			head.Header().Get("Content-Length") == "" {
			t.Errorf("%s: GET has %d bytes, HEAD %d, %v", path, get.Body.Len(), head.Body.Len(), head.Header())
		}
		for _, method := range []string{"POST", "PUT", "DELETE", "OPTIONS"} {
			if w := ask(h, method, path); w.Code != 405 || w.Header().Get("Allow") != "GET, HEAD" {
				t.Errorf("%s %s: %d, allow %q", method, path, w.Code, w.Header().Get("Allow"))
			}
		}
	}
	if w := ask(h, "GET", "/health/page/"); w.Code != 200 || !strings.HasPrefix(w.Header().Get("Content-Type"), "text/html") {
		t.Errorf("page: %d, %v", w.Code, w.Header())
	}
	if w := ask(handler(t, m, health.HandlerOptions{NoPage: true}), "GET", "/health/page/"); w.Code != 404 {
		t.Errorf("page that is switched off: %d", w.Code)
	}
}

// Programs read these, so they stay what they are.
func TestTheReportHasTheNamesThatProgramsRead(t *testing.T) {
	db, _, m := open(t, connector.Config{Connector: &engine{}}, health.Config{})
	if _, err := db.Exec("select"); err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(ask(handler(t, m, health.HandlerOptions{}), "GET", "/health/").Body.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	has := func(where string, in any, names ...string) {
		t.Helper()
		object, ok := in.(map[string]any)
		for _, name := range names {
			if _, found := object[name]; !ok || !found {
				t.Errorf("%s has no %s: %v", where, name, in)
			}
		}
	}
	has("the report", got, "status", "healthy", "totalConnections", "availableConnections", "utilizationPercent", "avgResponseTimeMs",
		"errorRate", "warnings", "stats", "timestamp")
	stats, _ := got["stats"].(map[string]any)
	has("stats", stats, "pool", "queue", "connections")
	has("pool", stats["pool"], "totalConnections", "idleConnections", "activeConnections", "waitingRequests", "acquiredCount",
		"releasedCount", "errorCount", "avgAcquireTimeMs", "avgQueryTimeMs")
	has("queue", stats["queue"], "high", "normal", "low", "processing")
	conns, _ := stats["connections"].([]any)
	if len(conns) != 1 {
		t.Fatalf("connections %v", conns)
	}
	has("connection", conns[0], "id", "state", "createdAt", "lastUsedAt", "queryCount", "errorCount")
	if _, ok := got["warnings"].([]any); !ok {
		t.Errorf("warnings is %v, want an empty list", got["warnings"])
	}
}

func TestStatementsAreShownOnlyIfThatIsAskedFor(t *testing.T) {
	for _, show := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			db, _, m := open(t, connector.Config{Connector: &engine{}}, health.Config{ShowQueries: show})
			conn, err := db.Conn(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := conn.ExecContext(t.Context(), "update t set a = 'c0nfidential'", "s3cret"); err != nil {
				t.Fatal(err)
			}
			body := ask(handler(t, m, health.HandlerOptions{}), "GET", "/health/").Body.String()
			if strings.Contains(body, "c0nfidential") || strings.Contains(body, "s3cret") {
				t.Errorf("data is shown: %s", body)
			}
			if got := strings.Contains(body, "update t set a = ?"); got != show {
				t.Errorf("ShowQueries is %t: %s", show, body)
			}
		})
	}
}

func TestAHandlerOfNothingOrWithoutAuthorizationIsRefused(t *testing.T) {
	_, _, m := open(t, connector.Config{Connector: &engine{}}, health.Config{})
	for name, make := range map[string]func() (http.Handler, error){
		"no monitor":       func() (http.Handler, error) { return health.NewHandler(nil, health.HandlerOptions{}) },
		"no authorization": func() (http.Handler, error) { return health.NewHandler(m, health.HandlerOptions{Admin: true}) },
		"a negative time":  func() (http.Handler, error) { return health.NewHandler(m, health.HandlerOptions{AdminTimeout: -1}) },
	} {
		if h, err := make(); err == nil || h != nil {
			t.Errorf("%s: %v, %v", name, h, err)
		}
	}
}
