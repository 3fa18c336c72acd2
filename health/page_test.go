package health_test

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/health"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/priority"
)

func TestThePageIsOneDocumentUnderAStrictPolicy(t *testing.T) {
	_, _, m := open(t, connector.Config{Connector: &engine{}, Name: "orders"}, health.Config{})
	w := ask(m.Page(), http.MethodGet, "/")
	text := w.Body.String()
	if w.Code != http.StatusOK || w.Header().Get("Content-Type") != "text/html; charset=utf-8" {
		t.Fatalf("%d %q", w.Code, w.Header())
	}
	for name, want := range map[string]string{
		"X-Content-Type-Options": "nosniff", "Referrer-Policy": "no-referrer", "X-Frame-Options": "DENY",
		"Cache-Control": "no-store, no-transform", "Cross-Origin-Resource-Policy": "same-origin",
	} {
		if got := w.Header().Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	policy := w.Header().Get("Content-Security-Policy")
	for _, part := range []string{
		"default-src 'none'", "connect-src 'self'", "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'",
		"require-trusted-types-for 'script'",
	} {
		if !strings.Contains(policy, part) {
			t.Errorf("%q is not in the policy %q", part, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || strings.Contains(policy, "*") {
		t.Errorf("the policy is lax: %q", policy)
	}
	for _, tag := range []string{"script", "style"} {
		found := regexp.MustCompile(`(?s)<`+tag+`[^>]*>(.*?)</`+tag+`>`).FindAllStringSubmatch(text, -1)
		if len(found) != 1 {
			t.Fatalf("there are %d elements %s", len(found), tag)
		}
		sum := sha256.Sum256([]byte(found[0][1]))
		if want := tag + "-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"; !strings.Contains(policy, want) {
			t.Errorf("the policy %q does not allow the %s of the page: %s", policy, tag, want)
		}
	}
	if found := regexp.MustCompile(`(?i)\s(src|style|on[a-z]+)=|<link[^>]*href="[^d]|url\(|@import|https?://`).FindAllString(
		strings.ReplaceAll(text, "http://www.w3.org/2000/svg", ""), -1); len(found) > 0 {
		t.Errorf("the page has %q", found)
	}
	if found := regexp.MustCompile(`innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function`).FindAllString(text, -1); len(found) > 0 {
		t.Errorf("the page's script has %q", found)
	}
	if w := ask(m.Page(), http.MethodHead, "/"); w.Code != http.StatusOK || w.Body.Len() > 0 {
		t.Errorf("HEAD answers %d with %d bytes", w.Code, w.Body.Len())
	}
}

func TestThePageStandsUnderAnyPath(t *testing.T) {
	_, _, m := open(t, connector.Config{Connector: &engine{}}, health.Config{})
	page := m.Page()
	for _, c := range []struct {
		prefix, path string
		code         int
		location     string
	}{
		{"", "/", http.StatusOK, ""},
		{"/debug/pool", "/debug/pool/", http.StatusOK, ""},
		{"/debug/pool/", "/debug/pool/", http.StatusOK, ""},
		{"/debug/pool/", "/debug/pool/events", http.StatusOK, ""},
		{"/debug/pool", "/debug/pool/events", http.StatusOK, ""},
		{"/debug/pool", "/debug/pool", http.StatusTemporaryRedirect, "./pool/"},
		{"/debug/po ol", "/debug/po%20ol", http.StatusTemporaryRedirect, "./po%20ol/"},
		{"//evil.example", "//evil.example", http.StatusTemporaryRedirect, "./evil.example/"},
		{"", "/other", http.StatusNotFound, ""},
		{"", "/../page.js", http.StatusNotFound, ""},
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodHead, "http://pool.example"+c.path, nil)
		r.RequestURI = c.path
		http.StripPrefix(c.prefix, page).ServeHTTP(w, r)
		if w.Code != c.code || w.Header().Get("Location") != c.location {
			t.Errorf("%s under %q: %d %q, want %d %q", c.path, c.prefix, w.Code, w.Header().Get("Location"), c.code, c.location)
		}
	}
	for _, path := range []string{"/", "/events"} {
		if w := ask(page, http.MethodPost, path); w.Code != http.StatusMethodNotAllowed || w.Header().Get("Allow") != "GET, HEAD" {
			t.Errorf("POST %s: %d, Allow %q", path, w.Code, w.Header().Get("Allow"))
		}
	}
}

// A stream has no end, so neither the timeouts of its server are its own, nor may it keep its server from shutting down.
func TestAStreamOutlivesTheTimeoutsOfItsServerAndEndsAtItsShutdown(t *testing.T) {
	testdb.NoLeaks(t)
	_, _, m := open(t, connector.Config{Connector: &engine{}}, health.Config{NoProbe: true})
	server := httptest.NewUnstartedServer(m.Page())
	server.Config.ReadTimeout, server.Config.WriteTimeout = 500*time.Millisecond, 500*time.Millisecond
	server.Start()
	defer server.Close()
	client := http.Client{Timeout: 20 * time.Second} // if the stream goes on
	defer client.CloseIdleConnections()
	answer, err := client.Get(server.URL + "/events")
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(nil, 1<<20)
	ticks, byes := 0, 0
	for lines.Scan() {
		switch lines.Text() {
		case "event: tick":
			if ticks++; ticks == 3 { // some seconds later
				go func() { _ = server.Config.Shutdown(context.Background()) }()
			}
		case "event: bye":
			byes++
		}
	}
	if err := lines.Err(); err != nil || ticks < 3 || byes != 1 {
		t.Errorf("the stream ended after %d ticks and %d byes: %v", ticks, byes, err)
	}
}

// What the tick says of a real pool.
func TestATickSaysWhoHoldsAndWhoWaits(t *testing.T) {
	testdb.NoLeaks(t)
	for _, shows := range []bool{false, true} {
		t.Run(fmt.Sprintf("ShowQueries %v", shows), func(t *testing.T) {
			db, pool, m := open(t, connector.Config{DSN: testdb.New(t).DSN, MaxConns: 2, MaxWaiting: 10}, health.Config{ShowQueries: shows})
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			const secret = "hunter2-4711"
			run := func(ctx context.Context, label string, class priority.Class) {
				ctx = priority.WithTenant(priority.WithLabel(priority.WithClass(ctx, class), label), "acme")
				go func() { _, _ = db.ExecContext(ctx, "select pg_sleep(60) where '"+secret+"' = $1", secret) }()
			}
			run(ctx, "first", priority.Low)
			waitFor(t, func() bool { return pool.Stats().InUseConns == 1 })
			run(ctx, "second", priority.High)
			waitFor(t, func() bool { return pool.Stats().InUseConns == 2 })
			for i := range 3 {
				run(ctx, "third", priority.Normal)
				waitFor(t, func() bool { return pool.Stats().Waiting == i+1 })
			}
			waitFor(t, func() bool { return len(pool.Connections()) == 2 && pool.Connections()[1].Running > 0 })

			server := httptest.NewServer(m.Page())
			defer server.Close()
			answer, err := http.Get(server.URL + "/events")
			if err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(answer.Body)
			lines.Buffer(nil, 1<<20)
			for lines.Scan() && lines.Text() != "event: hello" {
			}
			lines.Scan()
			text := strings.TrimPrefix(lines.Text(), "data: ")
			var hello struct{ Tick shownTick }
			if err := json.Unmarshal([]byte(text), &hello); err != nil {
				t.Fatal(err)
			}
			checkTick(t, &hello.Tick, shows)
			still := ask(m.Page(), http.MethodGet, "/").Body.String()
			if strings.Contains(text+still, secret) {
				t.Error("what is in a statement is in the stream or on the page")
			}
			if strings.Contains(still, "pg_sleep(?)") != shows || strings.Count(still, `<td class="name">third</td>`) != 1 {
				t.Error("the page without scripts says something else")
			}
			_ = answer.Body.Close()
			http.DefaultClient.CloseIdleConnections()
			cancel()
			waitFor(t, func() bool { s := pool.Stats(); return s.InUseConns+s.Waiting == 0 })
		})
	}
}

// A shownTick is what this test looks at of a tick.
type shownTick struct {
	Pool  struct{ Max, InUse, Waiting int }
	Conns []struct {
		State, Label, Tenant, Class, Query string
		Held, Run                          float64
	}
	Queue []struct {
		Class   string
		Waiting int
		Oldest  float64
	}
	Waiters []struct {
		Label, Tenant, Class, Query string
		Count                       int
		Longest                     float64
	}
	WaitersLeft int
}

func checkTick(t *testing.T, tick *shownTick, shows bool) {
	t.Helper()
	query := ""
	if shows {
		query = "select pg_sleep(?) where ? = $1"
	}
	if tick.Pool.Max != 2 || tick.Pool.InUse != 2 || tick.Pool.Waiting != 3 || tick.WaitersLeft != 0 {
		t.Errorf("the numbers are %+v, and %d left", tick.Pool, tick.WaitersLeft)
	}
	if len(tick.Conns) != 2 || len(tick.Queue) != 3 || len(tick.Waiters) != 1 {
		t.Fatalf("%+v", tick)
	}
	for i, want := range []string{"first low", "second high"} {
		c := tick.Conns[i]
		if c.Label+" "+c.Class != want || c.Tenant != "acme" || c.State != "running" || c.Held <= 0 || c.Run <= 0 || c.Query != query {
			t.Errorf("connection %d is %+v, want %s", i+1, c, want)
		}
	}
	for i, want := range []string{"high 0", "normal 3", "low 0"} {
		q := tick.Queue[i]
		if fmt.Sprint(q.Class, " ", q.Waiting) != want || (q.Oldest > 0) != (q.Waiting > 0) {
			t.Errorf("a queue is %+v, want %s", q, want)
		}
	}
	if w := tick.Waiters[0]; w.Label != "third" || w.Tenant != "acme" || w.Class != "normal" || w.Count != 3 || w.Longest <= 0 || w.Query != query {
		t.Errorf("who waits is %+v", w)
	}
}

func waitFor(t *testing.T, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !so(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not come about")
		}
	}
}
