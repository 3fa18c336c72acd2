package poolhttp_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/priority"
)

// calls are what a handler's calls would carry, and when they would end.
type calls struct {
	priority.Options
	left    time.Duration
	limited bool
}

// pass has a request pass through middleware to a mux with these patterns, and returns what its handler finds.
func pass(t *testing.T, opts poolhttp.Options, r *http.Request, patterns ...string) calls {
	t.Helper()
	var found calls
	mux := http.NewServeMux()
	for _, p := range append(patterns, "/") {
		mux.HandleFunc(p, func(_ http.ResponseWriter, r *http.Request) {
			found.Options, _ = priority.FromContext(r.Context())
			var ends time.Time
			ends, found.limited = r.Context().Deadline()
			if found.limited {
				found.left = time.Until(ends)
			}
		})
	}
	prepare(t, opts, mux).ServeHTTP(httptest.NewRecorder(), r)
	return found
}

func prepare(t testing.TB, opts poolhttp.Options, next http.Handler) http.Handler {
	t.Helper()
	wrap, err := poolhttp.New(opts)
	if err != nil {
		t.Fatal(err)
	}
	return wrap(next)
}

// withPattern returns r as a mux hands it on.
func withPattern(r *http.Request, pattern string) *http.Request {
	r.Pattern = pattern
	return r
}

// request makes one with headers, each as "Name: value".
func request(method, target string, headers ...string) *http.Request {
	r := httptest.NewRequest(method, target, nil)
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func TestTheFirstRuleThatMatchesCounts(t *testing.T) {
	opts := poolhttp.Options{
		Trust: poolhttp.Anyone,
		Rules: []poolhttp.Rule{
			{Header: "X-Job: nightly", Class: priority.Low, Label: "nightly"},
			{Pattern: "POST /orders", Class: priority.High, Label: "order"},
			{Pattern: "/orders", ReadOnly: true},
			{Pattern: "GET /reports/{id}", Class: priority.Low},
			{Pattern: "api.example.com/", Label: "api"},
		},
	}
	patterns := []string{"/orders", "GET /reports/{id}"}
	for _, tt := range []struct {
		name string
		r    *http.Request
		want priority.Options
	}{
		{"a method", request("POST", "/orders"), priority.Options{Class: priority.High, Label: "order"}},
		{"the next rule", request("GET", "/orders"), priority.Options{Label: "/orders", ReadOnly: true}},
		{"a wildcard", request("GET", "/reports/7"), priority.Options{Class: priority.Low, Label: "GET /reports/{id}"}},
		{"a header before the route", request("POST", "/orders", "X-Job: nightly"), priority.Options{Class: priority.Low, Label: "nightly"}},
		{"another value", request("GET", "/x", "X-Job: nightly2"), priority.Options{Label: "/"}},
		{"the header twice", request("GET", "/x", "X-Job: nightly", "X-Job: nightly"), priority.Options{Label: "/"}},
		{"a host", request("GET", "http://api.example.com/x"), priority.Options{Label: "api"}},
		{"no rule", request("DELETE", "/nothing"), priority.Options{Label: "/"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := pass(t, opts, tt.r, patterns...).Options; got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestALabelIsNeverWhatAClientSends(t *testing.T) {
	if got := pass(t, poolhttp.Options{}, request("GET", "/items/secret?q=1"), "GET /items/{id}").Label; got != "GET /items/{id}" {
		t.Errorf("through a mux: %q", got)
	}
	// Something between the two hides the patterns.
	var label string
	hidden := http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		o, _ := priority.FromContext(r.Context())
		label = o.Label
	})
	prepare(t, poolhttp.Options{}, hidden).ServeHTTP(httptest.NewRecorder(), request("GET", "/items/secret"))
	if label != "" {
		t.Errorf("where no pattern is known: %q", label)
	}
	// Of two the inner one says more.
	if got := pass(t, poolhttp.Options{}, withPattern(request("GET", "/items/secret"), "/"), "GET /items/{id}").Label; got != "GET /items/{id}" {
		t.Errorf("through a mux in a mux: %q", got)
	}
	// Inside a mux the request has it.
	mux := http.NewServeMux()
	mux.Handle("/items/{id}", prepare(t, poolhttp.Options{}, hidden))
	mux.ServeHTTP(httptest.NewRecorder(), request("GET", "/items/secret"))
	if label != "/items/{id}" {
		t.Errorf("inside a mux: %q", label)
	}
}

func TestWhatTheContextHasStays(t *testing.T) {
	r := request("GET", "/")
	r = r.WithContext(priority.NewContext(r.Context(), priority.Options{
		Class: priority.High, Label: "mine", Tenant: "acme", User: "bob", Affinity: "key", ReadOnly: true,
	}))
	want, _ := priority.FromContext(r.Context())
	if got := pass(t, poolhttp.Options{Tenant: func(*http.Request) string { return "" }}, r).Options; got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestHeadersAreBelievedOfTrustedRequestsOnly(t *testing.T) {
	asked := 0
	opts := poolhttp.Options{
		ClassHeader: "X-Class", TenantHeader: "X-Tenant", TimeoutHeader: "Request-Timeout", Timeout: time.Minute,
		Tenant: func(*http.Request) string { return "own" },
		Rules:  []poolhttp.Rule{{Header: "X-Job: nightly", Class: priority.Low}, {Pattern: "/high", Class: priority.High}},
	}
	all := []string{"X-Class: high", "X-Tenant: acme", "Request-Timeout: 1", "X-Job: nightly"}

	opts.Trust = func(r *http.Request) bool { asked++; return true }
	got := pass(t, opts, request("GET", "/high", all...))
	if want := (priority.Options{Class: priority.High, Tenant: "acme", Label: "/"}); got.Options != want {
		t.Errorf("trusted: got %+v, want %+v", got.Options, want)
	}
	if got.left > time.Second || asked != 1 {
		t.Errorf("trusted: %s left, asked %d times", got.left, asked)
	}

	opts.Trust = func(*http.Request) bool { asked++; return false }
	got = pass(t, opts, request("GET", "/high", all...))
	if want := (priority.Options{Class: priority.High, Tenant: "own", Label: "/"}); got.Options != want {
		t.Errorf("not trusted: got %+v, want %+v", got.Options, want)
	}
	if got.left < 50*time.Second || asked != 2 {
		t.Errorf("not trusted: %s left, asked %d times", got.left, asked)
	}
	if pass(t, opts, request("GET", "/")); asked != 2 {
		t.Error("asked where there was nothing to believe")
	}
}

func TestBadHeadersAreAsNone(t *testing.T) {
	opts := poolhttp.Options{
		Trust: poolhttp.Anyone, ClassHeader: "X-Class", TenantHeader: "X-Tenant", TimeoutHeader: "Request-Timeout",
		Rules: []poolhttp.Rule{{Class: priority.Low, Label: "l"}},
	}
	for _, h := range []string{
		"X-Class: ", "X-Class:  ", "X-Class: highest", "X-Class: 1", "X-Class: " + strings.Repeat(" ", 20) + "high",
		"X-Tenant: ", "X-Tenant: a\nb", "X-Tenant: a\x00", "X-Tenant: \xff", "X-Tenant: " + strings.Repeat("x", 65),
		"Request-Timeout: soon", "Request-Timeout: -1", "Request-Timeout: 99999999",
	} {
		got := pass(t, opts, request("GET", "/", h))
		if want := (priority.Options{Class: priority.Low, Label: "l"}); got.Options != want || got.limited {
			t.Errorf("%q: %+v", h, got)
		}
	}
	r := request("GET", "/", "X-Class: high", "X-Class: low", "X-Tenant: a", "X-Tenant: b")
	if got := pass(t, opts, r); got.Class != priority.Low || got.Tenant != "" {
		t.Errorf("headers that come twice: %+v", got)
	}
}

// FuzzHeaders holds that no header makes a call what the pool could not take.
func FuzzHeaders(f *testing.F) {
	f.Add("high", "acme", "1s")
	f.Add("LOW", "\x7f", "0")
	wrap, err := poolhttp.New(poolhttp.Options{
		Trust: poolhttp.Anyone, ClassHeader: "X-Class", TenantHeader: "X-Tenant", TimeoutHeader: "Request-Timeout", Timeout: time.Minute,
	})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, class, tenant, timeout string) {
		r := httptest.NewRequest("GET", "/", nil)
		r.Header["X-Class"], r.Header["X-Tenant"], r.Header["Request-Timeout"] = []string{class}, []string{tenant}, []string{timeout}
		wrap(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			o, _ := priority.FromContext(r.Context())
			ends, ok := r.Context().Deadline()
			if !o.Class.Valid() || len(o.Tenant) > 64 || strings.ContainsAny(o.Tenant, "\r\n\x00\x7f") || !ok || time.Until(ends) > time.Minute {
				t.Errorf("%q, %q, %q: %+v until %s", class, tenant, timeout, o, ends)
			}
		})).ServeHTTP(httptest.NewRecorder(), r)
	})
}

func TestADeadlineIsTheRulesOrSooner(t *testing.T) {
	opts := poolhttp.Options{
		Trust: poolhttp.Anyone, TimeoutHeader: "Request-Timeout", Timeout: 10 * time.Second,
		Rules: []poolhttp.Rule{
			{Pattern: "/long", Timeout: time.Hour}, {Pattern: "/stream", Timeout: poolhttp.None}, {Pattern: "/high", Class: priority.High},
		},
	}
	const none = -1
	for _, tt := range []struct {
		path, header string
		want         time.Duration
	}{
		{"/", "", 10 * time.Second},
		{"/high", "", 10 * time.Second},
		{"/long", "", time.Hour},
		{"/stream", "", none},
		{"/", "3", 3 * time.Second},
		{"/", "30", 10 * time.Second},
		{"/long", "30", 30 * time.Second},
		{"/stream", "30", 30 * time.Second},
		{"/", "0", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := request("GET", tt.path)
			if tt.header != "" {
				r.Header.Set("Request-Timeout", tt.header)
			}
			got := pass(t, opts, r)
			if !got.limited {
				got.left = none
			}
			if got.left != tt.want {
				t.Errorf("%s, %q: got %s, want %s", tt.path, tt.header, got.left, tt.want)
			}
		})
	}

	// A deadline that is there already and comes sooner is not put off.
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if got := pass(t, opts, request("GET", "/long").WithContext(ctx)); got.left > time.Second {
		t.Errorf("%s left", got.left)
	}
}

func TestNoPathLeadsToAnothersClassOrTime(t *testing.T) {
	opts := poolhttp.Options{
		Timeout: time.Minute,
		Rules: []poolhttp.Rule{
			{Pattern: "/orders/", Class: priority.High, Label: "order", Timeout: time.Hour},
			{Pattern: "/reports/", Class: priority.Low, Timeout: 10 * time.Second},
		},
	}
	around := func(target string, inside func(http.Handler) http.Handler) (found calls) {
		mux := http.NewServeMux()
		mux.HandleFunc("/", func(_ http.ResponseWriter, r *http.Request) {
			found.Options, _ = priority.FromContext(r.Context())
			ends, ok := r.Context().Deadline()
			found.limited, found.left = ok, time.Until(ends)
		})
		prepare(t, opts, inside(mux)).ServeHTTP(httptest.NewRecorder(), request("GET", target))
		return found
	}
	// Such a router takes what begins with /reports/ for a report, and what is not clean as it is.
	other := func(mux http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			clone := r.Clone(r.Context())
			clone.URL.Path, clone.URL.RawPath = "/", ""
			mux.ServeHTTP(w, clone)
		})
	}
	for _, target := range []string{
		"/reports/../orders/1", "/reports//../../orders/1", "/orders/../reports/1", "//orders/1", "/orders//1", "/orders/./1",
		"/reports%2Fmay", "/orders%2f1", "/orders/%2e%2e/reports/1", "//", "/orders/1//",
	} {
		got := around(target, other)
		if got.Class != priority.Low || got.left > 10*time.Second || got.Label != "" {
			t.Errorf("%s: %+v", target, got)
		}
	}
	for target, want := range map[string]priority.Options{
		"/orders/1": {Class: priority.High, Label: "order"}, "/orders/": {Class: priority.High, Label: "order"},
		"/orders/a%20b": {Class: priority.High, Label: "order"}, "/reports/1": {Class: priority.Low}, "/": {}, "/items/1": {},
	} {
		if got := around(target, other).Options; got != want {
			t.Errorf("%s: %+v, want %+v", target, got, want)
		}
	}
	// A ServeMux reads paths as rules do, so an escaped slash is what the rule says.
	if got := around("/orders/a%2Fb", func(mux http.Handler) http.Handler { return mux }); got.Class != priority.High {
		t.Errorf("straight around a mux: %+v", got)
	}
	// What http.StripPrefix leaves does not begin with a slash.
	stripped := request("GET", "/")
	stripped.URL.Path = "orders/1"
	var class priority.Class
	prepare(t, opts, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		o, _ := priority.FromContext(r.Context())
		class = o.Class
	})).ServeHTTP(httptest.NewRecorder(), stripped)
	if class != priority.High {
		t.Errorf("without its first slash: %v", class)
	}
}

func TestWhoIsInANetworkIsTrusted(t *testing.T) {
	trust, err := poolhttp.FromNetworks("10.1.0.0/16", "192.0.2.7", "fd00::/8")
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{
		"10.1.2.3:80": true, "10.2.0.1:80": false, "192.0.2.7:1": true, "192.0.2.8:1": false, "[::ffff:10.1.2.3]:80": true,
		"[fd00::1%eth0]:80": true, "[2001:db8::1]:80": false, "@": false, "": false, "10.1.2.3": false,
	} {
		r := request("GET", "/", "X-Forwarded-For: 10.1.2.3")
		r.RemoteAddr = addr
		if got := trust(r); got != want {
			t.Errorf("%s: %v", addr, got)
		}
	}
	mapped, err := poolhttp.FromNetworks("::ffff:10.0.0.0/104")
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]bool{"10.9.9.9:80": true, "[::ffff:10.9.9.9]:80": true, "11.0.0.1:80": false} {
		r := request("GET", "/")
		r.RemoteAddr = addr
		if got := mapped(r); got != want {
			t.Errorf("an IPv4 network in IPv6's form, %s: %v", addr, got)
		}
	}
	for _, bad := range [][]string{nil, {"10.0.0.0/33"}, {"localhost"}, {""}} {
		if _, err := poolhttp.FromNetworks(bad...); err == nil {
			t.Errorf("%q: no error", bad)
		}
	}
}

func TestBadOptionsAreToldAllAtOnce(t *testing.T) {
	_, err := poolhttp.New(poolhttp.Options{
		Timeout: -1, ClassHeader: "X Class", TenantHeader: "X-Tenant",
		Rules: []poolhttp.Rule{
			{}, {Pattern: "GET", Class: 7}, {Pattern: "/{", Timeout: -2}, {Header: "X-Job"}, {Header: "X-Job: "}, {Header: "X-Job: a"},
		},
	})
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"Timeout must not be negative", `ClassHeader: "X Class"`, "TenantHeader is set and Trust is not", "Rules[1]: Pattern: ",
		"Class: 7", "Rules[2]: Pattern: ", "except for None", "Rules[3]: Header", "Rules[4]: Header", "Rules[5]: Header is set and Options.Trust is not",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in\n%v", want, err)
		}
	}
	if strings.Contains(err.Error(), "Rules[0]") {
		t.Errorf("the rule for everything is right: %v", err)
	}
}

func BenchmarkPrepare(b *testing.B) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /items/{id}", func(http.ResponseWriter, *http.Request) {})
	h := prepare(b, poolhttp.Options{
		Timeout: time.Second,
		Rules:   []poolhttp.Rule{{Pattern: "POST /orders", Class: priority.High}, {Pattern: "/reports/", Class: priority.Low}},
	}, mux)
	w, r := httptest.NewRecorder(), request("GET", "/items/7")
	b.ReportAllocs()
	for b.Loop() {
		h.ServeHTTP(w, r)
	}
}
