package poolhttp_test

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/connector/poolhttp"
	"github.com/poolsql/poolsql/internal/testdb"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// open returns a pool that tells where the time goes.
func open(t *testing.T, cfg connector.Config) (*sql.DB, *connector.Connector) {
	t.Helper()
	cfg.DSN = testdb.New(t).DSN
	db, err := connector.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	pool, err := connector.FromDB(db)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Observe(poolhttp.Timings()))
	return db, pool
}

var timingPattern = regexp.MustCompile(`^queue;dur=([0-9.]+), db;dur=([0-9.]+);desc="([0-9]+) operations"$`)

// timing returns what an answer says, in milliseconds.
func timing(t *testing.T, h http.Header) (queue, db float64, operations int) {
	t.Helper()
	m := timingPattern.FindStringSubmatch(h.Get("Server-Timing"))
	if m == nil {
		t.Fatalf("Server-Timing %q", h.Values("Server-Timing"))
	}
	queue, _ = strconv.ParseFloat(m[1], 64)
	db, _ = strconv.ParseFloat(m[2], 64)
	operations, _ = strconv.Atoi(m[3])
	return queue, db, operations
}

func TestServerTimingTellsTheQueueFromTheDatabase(t *testing.T) {
	testdb.NoLeaks(t)
	db, pool := open(t, connector.Config{MaxConns: 1})
	sleep := poolhttp.Handler(func(w http.ResponseWriter, r *http.Request) error {
		_, err := db.ExecContext(r.Context(), "select pg_sleep(0.05)")
		return err
	}, nil)
	h := prepare(t, poolhttp.Options{ServerTiming: poolhttp.Anyone}, sleep)

	alone := httptest.NewRecorder()
	h.ServeHTTP(alone, request("GET", "/"))
	if _, inDB, n := timing(t, alone.Header()); inDB < 50 || n != 1 {
		t.Errorf("alone: %s", alone.Header().Get("Server-Timing"))
	}

	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	second := make(chan *httptest.ResponseRecorder)
	go func() {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, request("GET", "/"))
		second <- w
	}()
	for pool.Stats().Waiting == 0 {
		time.Sleep(time.Millisecond)
	}
	time.Sleep(40 * time.Millisecond) // what it shall have waited at least
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	w := <-second
	if queue, inDB, n := timing(t, w.Header()); queue < 40 || inDB < 50 || n != 1 {
		t.Errorf("after another: %s", w.Header().Get("Server-Timing"))
	}
}

func TestARefusalTellsHowLongItWaited(t *testing.T) {
	testdb.NoLeaks(t)
	db, _ := open(t, connector.Config{MaxConns: 1})
	tx, err := db.BeginTx(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	ping := poolhttp.Handler(func(_ http.ResponseWriter, r *http.Request) error { return db.PingContext(r.Context()) }, nil)
	w := httptest.NewRecorder()
	prepare(t, poolhttp.Options{ServerTiming: poolhttp.Anyone, Timeout: 30 * time.Millisecond}, ping).ServeHTTP(w, request("GET", "/"))
	if queue, _, n := timing(t, w.Header()); w.Code != 504 || queue < 29 || n != 0 {
		t.Errorf("%d, %v", w.Code, w.Header())
	}
}

func TestAllCallsOfARequestAreCounted(t *testing.T) {
	testdb.NoLeaks(t)
	db, _ := open(t, connector.Config{MaxConns: 2})
	ctx := poolhttp.Track(t.Context())
	if got := poolhttp.Track(ctx); got != ctx {
		t.Error("tracked twice")
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := tx.QueryContext(ctx, "select generate_series(1, 3)")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	if _, err := tx.ExecContext(ctx, "select nosuch"); err == nil {
		t.Error("it did not fail")
	}
	_ = tx.Rollback()
	if _, err := db.ExecContext(t.Context(), "select 1"); err != nil { // of somebody else
		t.Fatal(err)
	}
	spent, ok := poolhttp.SpentOf(ctx)
	if !ok || spent.Operations != 4 || spent.DB <= 0 { // begin, query, exec, rollback
		t.Errorf("%+v, %v", spent, ok)
	}
	if _, ok := poolhttp.SpentOf(t.Context()); ok {
		t.Error("somebody counts where nobody was asked to")
	}
}

// tell has the pool tell of an operation under ctx.
func tell(ctx context.Context) {
	poolhttp.Timings().Observe(lifecycle.Event{Kind: lifecycle.KindOperation, Context: ctx, Duration: time.Millisecond})
}

func TestTheTimingIsThereHoweverTheAnswerBegins(t *testing.T) {
	const want = `queue;dur=0, db;dur=1;desc="1 operations"`
	for name, answer := range map[string]func(http.ResponseWriter){
		"by nothing":       func(http.ResponseWriter) {},
		"by a code":        func(w http.ResponseWriter) { w.WriteHeader(201) },
		"by text":          func(w http.ResponseWriter) { _, _ = io.WriteString(w, "x") },
		"by a copy":        func(w http.ResponseWriter) { _, _ = io.Copy(w, strings.NewReader("x")) },
		"by a flush":       func(w http.ResponseWriter) { w.(http.Flusher).Flush() },
		"by an early hint": func(w http.ResponseWriter) { w.WriteHeader(103); tell(context.Background()); w.WriteHeader(200) },
		"by a controller": func(w http.ResponseWriter) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				panic(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			server := httptest.NewServer(prepare(t, poolhttp.Options{ServerTiming: poolhttp.Anyone}, http.HandlerFunc(
				func(w http.ResponseWriter, r *http.Request) {
					tell(r.Context())
					answer(w)
					tell(r.Context())
				})))
			defer server.Close()
			resp, err := http.Get(server.URL)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			got := resp.Header.Get("Server-Timing")
			if name == "by nothing" {
				got = strings.ReplaceAll(got, "2", "1")
			}
			if got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

func TestMiddlewareInMiddlewareTellsOnce(t *testing.T) {
	opts := poolhttp.Options{ServerTiming: poolhttp.Anyone}
	w := httptest.NewRecorder()
	w.Header().Set("Server-Timing", "cache;desc=miss")
	prepare(t, opts, prepare(t, opts, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { tell(r.Context()) }))).
		ServeHTTP(w, request("GET", "/"))
	if got := w.Header().Values("Server-Timing"); len(got) != 2 || got[0] != "cache;desc=miss" || !strings.HasPrefix(got[1], "queue;") {
		t.Errorf("%q", got)
	}
}

func TestNobodyIsToldWhoMayNotSeeIt(t *testing.T) {
	for name, may := range map[string]func(*http.Request) bool{"nobody": nil, "not this one": func(*http.Request) bool { return false }} {
		w := httptest.NewRecorder()
		prepare(t, poolhttp.Options{ServerTiming: may}, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { tell(r.Context()) })).
			ServeHTTP(w, request("GET", "/"))
		if got := w.Header().Values("Server-Timing"); got != nil {
			t.Errorf("%s: %q", name, got)
		}
	}
	w := httptest.NewRecorder()
	prepare(t, poolhttp.Options{ServerTiming: poolhttp.Anyone}, http.NotFoundHandler()).ServeHTTP(w, request("GET", "/"))
	if got := w.Header().Values("Server-Timing"); got != nil {
		t.Errorf("where there was nothing to tell: %q", got)
	}
}

func TestAConnectionCanStillBeTakenOver(t *testing.T) {
	server := httptest.NewServer(prepare(t, poolhttp.Options{ServerTiming: poolhttp.Anyone}, http.HandlerFunc(
		func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				panic(err)
			}
			defer conn.Close()
			fmt.Fprint(conn, "taken over\n")
		})))
	defer server.Close()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprint(conn, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	if line, err := bufio.NewReader(conn).ReadString('\n'); line != "taken over\n" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestCallsThatNobodyTracksCostNoAllocation(t *testing.T) {
	ctx := priority.WithLabel(t.Context(), "x")
	o, e := poolhttp.Timings(), lifecycle.Event{Kind: lifecycle.KindOperation, Context: ctx, Duration: 1}
	tracked := e
	tracked.Context = poolhttp.Track(ctx)
	if n := testing.AllocsPerRun(100, func() { o.Observe(e); o.Observe(tracked); o.Observe(lifecycle.Event{Kind: lifecycle.KindAcquire}) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkTimings(b *testing.B) {
	o, e := poolhttp.Timings(), lifecycle.Event{Kind: lifecycle.KindOperation, Context: priority.WithLabel(b.Context(), "x"), Duration: 1}
	b.Run("nobody tracks", func(b *testing.B) {
		for b.Loop() {
			o.Observe(e)
		}
	})
	e.Context = poolhttp.Track(e.Context)
	b.Run("tracked", func(b *testing.B) {
		for b.Loop() {
			o.Observe(e)
		}
	})
}
