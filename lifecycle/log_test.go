package lifecycle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A logbook is a slog handler that keeps what it is told, by its JSON.
type logbook struct {
	slog.Handler
	mu    *sync.Mutex
	text  *bytes.Buffer
	ctxes *[]context.Context
}

func newLogbook(least slog.Level) logbook {
	b := logbook{mu: new(sync.Mutex), text: new(bytes.Buffer), ctxes: new([]context.Context)}
	b.Handler = slog.NewJSONHandler(b.text, &slog.HandlerOptions{Level: least})
	return b
}

func (b logbook) Handle(ctx context.Context, r slog.Record) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	*b.ctxes = append(*b.ctxes, ctx)
	return b.Handler.Handle(ctx, r)
}

// lines returns what was logged so far.
func (b logbook) lines(t *testing.T) []map[string]any {
	t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var lines []map[string]any
	for _, text := range strings.Split(strings.TrimSpace(b.text.String()), "\n") {
		if text == "" {
			continue
		}
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatal(err)
		}
		delete(line, "time")
		lines = append(lines, line)
	}
	return lines
}

// logged counts the lines for one event each, and omitted sums up what the others tell.
func (b logbook) logged(t *testing.T) (logged, omitted int) {
	t.Helper()
	for _, line := range b.lines(t) {
		if n, ok := line["poolsql.omitted"]; ok {
			omitted += int(n.(float64))
		} else {
			logged++
		}
	}
	return logged, omitted
}

// A quoting is an error of a server, whose text quotes data.
type quoting struct{}

func (quoting) Error() string {
	return `duplicate key value violates unique constraint: Key (card)=(4111) exists`
}
func (quoting) SQLState() string { return "23505" }

func TestLogLinesHaveTheEventsAttributes(t *testing.T) {
	pc := make([]uintptr, 1)
	runtime.Callers(1, pc)
	for _, c := range []struct {
		name  string
		event lifecycle.Event
		want  map[string]any
	}{
		{"a timeout", lifecycle.Event{
			Kind: lifecycle.KindTimeout, Pool: "orders", Class: priority.Low, Label: "report", Tenant: "acme",
			Wait: 1500 * time.Millisecond, Refusal: priority.Timeout, Err: errors.New("acquire timeout"),
		}, map[string]any{
			"level": "WARN", "msg": "poolsql: caller waited in vain", "poolsql.event": "timeout",
			"db.client.connection.pool.name": "orders", "poolsql.class": "low", "db.query.summary": "report",
			"poolsql.tenant": "acme", "poolsql.wait_time": 1.5, "poolsql.reason": "timeout",
			"exception.message": "acquire timeout",
		}},
		{"one turned away at once", lifecycle.Event{Kind: lifecycle.KindRefuse, Refusal: priority.QueueFull}, map[string]any{
			"level": "WARN", "msg": "poolsql: caller turned away", "poolsql.event": "refuse", "poolsql.class": "normal",
			"poolsql.wait_time": 0.0, "poolsql.reason": "queue full",
		}},
		{"what the server said", lifecycle.Event{
			Kind: lifecycle.KindCreateError, Resource: 7, Duration: time.Second, Err: fmt.Errorf("cannot open: %w", quoting{}),
		}, map[string]any{
			"level": "WARN", "msg": "poolsql: cannot open", "poolsql.event": "create-error", "poolsql.connection.id": 7.0,
			"poolsql.duration": 1.0, "db.response.status_code": "23505",
		}},
		{"an operation that failed", lifecycle.Event{
			Kind: lifecycle.KindError, Duration: time.Millisecond, Code: "40001", Count: -1,
		}, map[string]any{
			"level": "DEBUG", "msg": "poolsql: operation failed", "poolsql.event": "error", "poolsql.class": "normal",
			"poolsql.duration": 0.001, "error.type": "40001", "db.response.status_code": "40001",
		}},
		{"one without a SQLSTATE", lifecycle.Event{Kind: lifecycle.KindRetry, Code: "other", Count: 2}, map[string]any{
			"level": "DEBUG", "msg": "poolsql: operation is tried again", "poolsql.event": "retry", "poolsql.class": "normal",
			"poolsql.count": 2.0, "error.type": "other",
		}},
		{"a leak", lifecycle.Event{
			Kind: lifecycle.KindLeak, Resource: 3, Duration: time.Minute, Detail: "select ?", Stack: pc,
		}, map[string]any{
			"level": "WARN", "msg": "poolsql: held for too long, perhaps leaked", "poolsql.event": "leak",
			"poolsql.connection.id": 3.0, "poolsql.class": "normal", "poolsql.duration": 60.0, "db.query.text": "select ?",
			"code.stacktrace": lifecycle.FormatStack(pc),
		}},
		{"the end of a broken one", lifecycle.Event{Kind: lifecycle.KindDestroy, Reason: lifecycle.EndBroken}, map[string]any{
			"level": "INFO", "msg": "poolsql: closed", "poolsql.event": "destroy", "poolsql.reason": "broken",
		}},
		{"health at its worst", lifecycle.Event{Kind: lifecycle.KindHealthWarning}, map[string]any{
			"level": "WARN", "msg": "poolsql: health is wanting", "poolsql.event": "health-warning", "poolsql.health.score": 0.0,
		}},
		{"health, with its status", lifecycle.Event{Kind: lifecycle.KindHealthCheck, Count: 93, Code: "healthy"}, map[string]any{
			"level": "DEBUG", "msg": "poolsql: health judged", "poolsql.event": "health-check", "poolsql.health.score": 93.0,
			"poolsql.health.status": "healthy",
		}},
		{"a cancel", lifecycle.Event{Kind: lifecycle.KindCancel, Code: "failed"}, map[string]any{
			"level": "DEBUG", "msg": "poolsql: operation canceled on the server", "poolsql.event": "cancel",
			"poolsql.outcome": "failed",
		}},
		{"a pooler", lifecycle.Event{Kind: lifecycle.KindPooler, Code: "exec"}, map[string]any{
			"level": "INFO", "msg": "poolsql: there is a pooler before the server", "poolsql.event": "pooler",
			"poolsql.exec_mode": "exec",
		}},
		{"overload", lifecycle.Event{Kind: lifecycle.KindOverload, Pool: "orders", Class: priority.Low, Code: "on"}, map[string]any{
			"level": "WARN", "msg": "poolsql: overloaded: more callers come than can be served", "poolsql.event": "overload",
			"db.client.connection.pool.name": "orders", "poolsql.class": "low", "poolsql.shedding": "on",
		}},
		{"its end", lifecycle.Event{
			Kind: lifecycle.KindRelief, Class: priority.Normal, Code: "dry-run", Duration: 90 * time.Second, Count: 1234,
		}, map[string]any{
			"level": "INFO", "msg": "poolsql: overloaded no more", "poolsql.event": "relief", "poolsql.class": "normal",
			"poolsql.shedding": "dry-run", "poolsql.duration": 90.0, "poolsql.count": 1234.0,
		}},
		{"a replica that is behind", lifecycle.Event{Kind: lifecycle.KindRouteBehind, Pool: "orders/east", Duration: 12 * time.Second}, map[string]any{
			"level": "WARN", "msg": "poolsql: route is too far behind and not chosen at present", "poolsql.event": "route-behind",
			"db.client.connection.pool.name": "orders/east", "poolsql.route.lag": 12.0,
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			book := newLogbook(slog.LevelDebug)
			lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{}).Observe(c.event)
			lines := book.lines(t)
			if len(lines) != 1 || fmt.Sprint(lines[0]) != fmt.Sprint(c.want) {
				t.Errorf("logged\n\t%v\nwant\n\t%v", lines, c.want)
			}
		})
	}
}

func TestEveryKindHasALevelAndWordsOfItsOwn(t *testing.T) {
	levels := map[lifecycle.Kind]slog.Level{
		lifecycle.KindCreate: slog.LevelDebug, lifecycle.KindDestroy: slog.LevelDebug, lifecycle.KindCreateError: slog.LevelWarn,
		lifecycle.KindLeak: slog.LevelWarn, lifecycle.KindNested: slog.LevelWarn, lifecycle.KindRetired: slog.LevelWarn,
		lifecycle.KindRefuse: slog.LevelWarn, lifecycle.KindTimeout: slog.LevelWarn, lifecycle.KindDrainStarted: slog.LevelInfo,
		lifecycle.KindSuspended: slog.LevelInfo, lifecycle.KindResize: slog.LevelInfo, lifecycle.KindReset: slog.LevelInfo,
		lifecycle.KindHealthCheck: slog.LevelDebug, lifecycle.KindHealthWarning: slog.LevelWarn,
		lifecycle.KindHealthError: slog.LevelError, lifecycle.KindOperation: slog.LevelDebug,
		lifecycle.KindCoalesced: slog.LevelDebug, lifecycle.KindRouteOut: slog.LevelWarn, lifecycle.KindRouteBack: slog.LevelInfo,
		lifecycle.KindLimit:       slog.LevelInfo,
		lifecycle.KindRouteBehind: slog.LevelWarn, lifecycle.KindOverload: slog.LevelWarn, lifecycle.KindRelief: slog.LevelInfo,
	}
	said := map[string]lifecycle.Kind{}
	for k := lifecycle.KindAcquire; k <= lifecycle.KindRelief; k++ {
		e := lifecycle.Event{Kind: k}
		if want, ok := levels[k]; ok && lifecycle.LogLevel(e) != want {
			t.Errorf("%s has level %s, want %s", k, lifecycle.LogLevel(e), want)
		}
		book := newLogbook(slog.LevelDebug)
		lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Operations: true}).Observe(e)
		lines := book.lines(t)
		if len(lines) != 1 {
			t.Fatalf("%s gave %d lines", k, len(lines))
		}
		msg := lines[0]["msg"].(string)
		if other, taken := said[msg]; taken || msg == "poolsql: " {
			t.Errorf("%s is logged as %q, as %s is", k, msg, other)
		}
		said[msg] = k
	}
	if l := lifecycle.LogLevel(lifecycle.Event{Kind: lifecycle.KindRefuse, Refusal: priority.Canceled}); l != slog.LevelDebug {
		t.Errorf("a caller who left by himself has level %s", l)
	}
	if l := lifecycle.LogLevel(lifecycle.Event{Kind: lifecycle.KindDestroy, Reason: lifecycle.EndPanicked}); l != slog.LevelWarn {
		t.Errorf("the end after a panic has level %s", l)
	}
	if l := lifecycle.LogLevel(lifecycle.Event{Kind: lifecycle.KindPooler, Err: errors.New("no console")}); l != slog.LevelWarn {
		t.Errorf("a pooler with which something is wrong has level %s", l)
	}
}

func TestALoggerAsksForNoEventsOfEveryDay(t *testing.T) {
	daily := []lifecycle.Kind{lifecycle.KindAcquire, lifecycle.KindRelease, lifecycle.KindOperation, lifecycle.KindCoalesced}
	book := newLogbook(slog.LevelDebug)
	quiet := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{})
	all := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Operations: true})
	for k := lifecycle.KindAcquire; k <= lifecycle.KindRelief; k++ {
		if want := !slices.Contains(daily, k); quiet.Wants(k) != want {
			t.Errorf("it wants %s: %t", k, !want)
		}
		if !all.Wants(k) {
			t.Errorf("with Operations it does not want %s", k)
		}
	}
	quiet.Observe(lifecycle.Event{Kind: lifecycle.KindAcquire})
	if n := len(book.lines(t)); n != 0 {
		t.Errorf("what it did not ask for gave %d lines", n)
	}
}

func TestALoggerWithoutALimitLogsEverything(t *testing.T) {
	book := newLogbook(slog.LevelDebug)
	g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Burst: -1})
	for range 1000 {
		g.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	}
	if n := len(book.lines(t)); n != 1000 {
		t.Errorf("%d lines, want 1000", n)
	}
}

// What the handler does not want takes no room from what it does.
func TestWhatIsBelowTheHandlersLevelIsNotCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLogbook(slog.LevelInfo)
		g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{})
		for range 100 {
			g.Observe(lifecycle.Event{Kind: lifecycle.KindCreate})
		}
		time.Sleep(time.Minute)
		g.Flush()
		if n := len(book.lines(t)); n != 0 {
			t.Errorf("%d lines", n)
		}
		g = lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Burst: -1})
		if n := testing.AllocsPerRun(100, func() { g.Observe(lifecycle.Event{Kind: lifecycle.KindCreate, Pool: "orders"}) }); n != 0 {
			t.Errorf("it costs %v allocations", n)
		}
	})
}

func TestTheLevelsCanBeChosen(t *testing.T) {
	book := newLogbook(slog.LevelInfo)
	g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Level: func(e lifecycle.Event) slog.Level {
		if e.Kind == lifecycle.KindCreate {
			return slog.LevelInfo
		}
		return lifecycle.LogLevel(e)
	}})
	g.Observe(lifecycle.Event{Kind: lifecycle.KindCreate})
	g.Observe(lifecycle.Event{Kind: lifecycle.KindDestroy})
	if lines := book.lines(t); len(lines) != 1 || lines[0]["poolsql.event"] != "create" {
		t.Errorf("logged %v, want the creation alone", lines)
	}
}

func TestALineIsLoggedUnderItsCallersContext(t *testing.T) {
	type key struct{}
	book := newLogbook(slog.LevelDebug)
	g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{})
	g.Observe(lifecycle.Event{Kind: lifecycle.KindTimeout, Context: context.WithValue(t.Context(), key{}, "request 7")})
	g.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	if got := (*book.ctxes)[0].Value(key{}); got != "request 7" {
		t.Errorf("the context has %v", got)
	}
	if got := (*book.ctxes)[1]; got == nil {
		t.Error("there was no context at all")
	}
}

func TestWithoutALoggerTheDefaultOfTheMomentIsUsed(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	g := lifecycle.NewLogger(nil, lifecycle.LogOptions{})
	book := newLogbook(slog.LevelInfo)
	slog.SetDefault(slog.New(book))
	g.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	if n := len(book.lines(t)); n != 1 {
		t.Errorf("%d lines, want 1", n)
	}
}
