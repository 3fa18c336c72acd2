package lifecycle_test

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// troubles plays what goes wrong with a pool of one, and returns what was logged of it.
func troubles(t *testing.T, least slog.Level) []map[string]any {
	book := newLogbook(least)
	synctest.Test(t, func(t *testing.T) {
		w := &works{}
		p := newPool(t, w, lifecycle.Config[*thing]{
			Name: "orders", Max: 1, AcquireTimeout: 950 * time.Millisecond, LeakThreshold: 10 * time.Second,
			Observer: lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{}),
		})
		pcs := make([]uintptr, 8)
		req := lifecycle.Request{Options: priority.Options{Label: "report"}, Detail: "select ?", Stack: pcs[:runtime.Callers(1, pcs)]}
		h, err := p.AcquireFor(t.Context(), &req)
		if err != nil {
			t.Fatal(err)
		}
		for range 20 {
			if _, err := p.Acquire(priority.WithLabel(context.Background(), "checkout")); err == nil {
				t.Fatal("there was one more")
			}
		}
		h.Destroy(lifecycle.EndPanicked)
		p.Suspend()
		p.Resume()
		time.Sleep(time.Minute)
	})
	return book.lines(t)
}

func TestAPoolsTroublesAreInItsLog(t *testing.T) {
	var got []string
	for _, line := range troubles(t, slog.LevelInfo) {
		if line["db.client.connection.pool.name"] != "orders" {
			t.Errorf("whose is %v?", line)
		}
		text := fmt.Sprintf("%s %s", line["level"], line["poolsql.event"])
		for _, key := range []string{"poolsql.reason", "db.query.summary", "db.query.text", "poolsql.omitted"} {
			if v, ok := line[key]; ok {
				text += fmt.Sprintf(" %v", v)
			}
		}
		got = append(got, text)
		if line["poolsql.event"] == "leak" {
			stack := line["code.stacktrace"].(string)
			if !strings.Contains(stack, "lifecycle_test.troubles") || !strings.Contains(stack, "logpool_test.go:") {
				t.Errorf("the stack is %s", stack)
			}
		}
		if why, ok := line["exception.message"].(string); ok && line["poolsql.event"] == "timeout" &&
			!strings.Contains(why, `held by "report"`) {
			t.Errorf("who is in the way is not said: %v", line)
		}
	}
	slices.Sort(got)
	want := []string{
		"INFO closed", "INFO resumed", "INFO suspended", "WARN destroy panicked", "WARN leak report select ?",
		"WARN timeout timeout 4", "WARN timeout timeout 6",
	}
	for range 10 {
		want = append(want, "WARN timeout timeout checkout")
	}
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("logged\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// A lending makes no events for a logger, and so costs what it costs without one.
func TestALoggerMakesNoLendingDearer(t *testing.T) {
	lending := func(o lifecycle.Observer) float64 {
		p := benchPool(t, lifecycle.Config[*thing]{Max: 1, Observer: o})
		req := &lifecycle.Request{Options: priority.Options{Label: "checkout"}}
		return testing.AllocsPerRun(1000, func() {
			h, err := p.AcquireFor(t.Context(), req)
			if err != nil {
				t.Fatal(err)
			}
			h.Release()
		})
	}
	book := newLogbook(slog.LevelDebug)
	if bare, logged := lending(nil), lending(lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{})); logged > bare {
		t.Errorf("a lending allocates %v times, and %v without a logger", logged, bare)
	}
}
