package lifecycle_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// Whatever comes is logged or counted once, and the lines are few, whether the storm goes on or stops.
func TestAStormOfEventsIsNoStormOfLines(t *testing.T) {
	const (
		storms, callers = 10, 100
		each            = 100
		events          = storms * callers * each
	)
	synctest.Test(t, func(t *testing.T) {
		book := newLogbook(slog.LevelDebug)
		g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{})
		reasons := []priority.Reason{priority.Timeout, priority.QueueFull, priority.Evicted}
		for range storms {
			var wg sync.WaitGroup
			for i := range callers {
				wg.Go(func() {
					for j := range each {
						g.Observe(lifecycle.Event{
							Kind: lifecycle.KindRefuse, Pool: "orders", Refusal: reasons[j%len(reasons)],
							Label: fmt.Sprint("call ", i), Tenant: fmt.Sprint("tenant ", j),
						})
						time.Sleep(time.Duration(i) * time.Millisecond)
					}
				})
			}
			wg.Wait()
		}
		took := 99 * time.Millisecond * each * storms
		time.Sleep(lifecycle.DefaultLogInterval) // and nothing comes
		synctest.Wait()
		logged, omitted := book.logged(t)
		if logged+omitted != events {
			t.Errorf("%d logged and %d left out are not %d events", logged, omitted, events)
		}
		spells := int(took/lifecycle.DefaultLogInterval) + 2
		if most := spells * len(reasons) * (lifecycle.DefaultLogBurst + 1); len(book.lines(t)) > most {
			t.Errorf("%d lines, want at most %d", len(book.lines(t)), most)
		}
		if logged < lifecycle.DefaultLogBurst*len(reasons) {
			t.Errorf("only %d events have a line of their own", logged)
		}
	})
}

func TestWhatWasLeftOutIsToldWhenTheStormHasStopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLogbook(slog.LevelDebug)
		g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Burst: 2, Interval: time.Minute})
		refuse := func(n int, reason priority.Reason) {
			for range n {
				g.Observe(lifecycle.Event{Kind: lifecycle.KindRefuse, Pool: "orders", Refusal: reason, Label: "report"})
			}
		}
		refuse(5, priority.QueueFull)
		time.Sleep(10 * time.Second)
		refuse(4, priority.Evicted) // another reason has an interval of its own
		time.Sleep(49 * time.Second)
		if logged, omitted := book.logged(t); logged != 4 || omitted != 0 {
			t.Errorf("%d logged and %d left out before the interval was over, want 4 and 0", logged, omitted)
		}
		time.Sleep(2 * time.Second)
		if _, omitted := book.logged(t); omitted != 3 {
			t.Errorf("%d left out are told after the first interval, want 3", omitted)
		}
		time.Sleep(10 * time.Second)
		lines := book.lines(t)
		if _, omitted := book.logged(t); omitted != 5 {
			t.Errorf("%d left out are told after the second interval, want 5", omitted)
		}
		want := map[string]any{
			"level": "WARN", "msg": "poolsql: caller turned away, and more of the same", "poolsql.event": "refuse",
			"db.client.connection.pool.name": "orders", "poolsql.reason": "evicted", "poolsql.omitted": 2.0,
			"poolsql.interval": 60.0,
		}
		if last := lines[len(lines)-1]; fmt.Sprint(last) != fmt.Sprint(want) {
			t.Errorf("the last line is\n\t%v\nwant\n\t%v", last, want)
		}
		refuse(1, priority.QueueFull)
		if logged, _ := book.logged(t); logged != 5 {
			t.Errorf("%d logged after the storm, want 5: the next interval has room again", logged)
		}
	})
}

// The timer is set for the interval that is over first, and not for the one of which something was left out first.
func TestEachIntervalIsToldAtItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLogbook(slog.LevelDebug)
		g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Burst: 1, Interval: time.Minute})
		leak, reset := lifecycle.Event{Kind: lifecycle.KindLeak}, lifecycle.Event{Kind: lifecycle.KindReset}
		g.Observe(leak)
		time.Sleep(30 * time.Second)
		g.Observe(reset)
		g.Observe(reset)
		g.Observe(leak)
		g.Observe(leak)
		time.Sleep(31 * time.Second)
		if _, omitted := book.logged(t); omitted != 2 {
			t.Errorf("%d left out are told after a minute, want the 2 leaks", omitted)
		}
		time.Sleep(30 * time.Second)
		if _, omitted := book.logged(t); omitted != 3 {
			t.Errorf("%d left out are told after a minute and a half, want 3", omitted)
		}
	})
}

func TestFlushTellsWhatWasLeftOutAndGivesNoRoom(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		book := newLogbook(slog.LevelDebug)
		g := lifecycle.NewLogger(slog.New(book), lifecycle.LogOptions{Burst: 1, Interval: time.Minute})
		invalid := func(n int) {
			for range n {
				g.Observe(lifecycle.Event{Kind: lifecycle.KindInvalid, Reason: lifecycle.EndBroken})
			}
		}
		g.Flush()
		invalid(3)
		g.Flush()
		if logged, omitted := book.logged(t); logged != 1 || omitted != 2 {
			t.Errorf("%d logged and %d left out, want 1 and 2", logged, omitted)
		}
		invalid(4)
		time.Sleep(2 * time.Minute)
		g.Flush()
		if logged, omitted := book.logged(t); logged != 1 || omitted != 6 {
			t.Errorf("%d logged and %d left out, want 1 and 6", logged, omitted)
		}
	})
}

// A handler may be slow, or ask the pool, or bring about events of its own: it is called with no lock held.
func TestALogHandlerMayBringAboutEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var g *lifecycle.Logger
		book := newLogbook(slog.LevelDebug)
		g = lifecycle.NewLogger(slog.New(echo{book, &g}), lifecycle.LogOptions{Burst: 1, Interval: time.Second})
		for range 3 {
			g.Observe(lifecycle.Event{Kind: lifecycle.KindLeak})
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		lines := book.lines(t)
		if leaks, resets := countLines(lines, "leak"), countLines(lines, "reset"); leaks != 2 || resets != 2 {
			t.Errorf("%d lines about leaks and %d about resets, want 2 of each: %v", leaks, resets, lines)
		}
	})
}

// An echo is a handler that answers to each leak with a reset.
type echo struct {
	logbook
	to **lifecycle.Logger
}

func (h echo) Handle(ctx context.Context, r slog.Record) error {
	if strings.Contains(r.Message, "leaked") {
		(*h.to).Observe(lifecycle.Event{Kind: lifecycle.KindReset})
	}
	return h.logbook.Handle(ctx, r)
}

func countLines(lines []map[string]any, event string) (n int) {
	for _, l := range lines {
		if l["poolsql.event"] == event {
			n++
		}
	}
	return n
}

func BenchmarkLogger(b *testing.B) {
	refused := lifecycle.Event{Kind: lifecycle.KindRefuse, Pool: "orders", Refusal: priority.QueueFull, Label: "report"}
	b.Run("left out", func(b *testing.B) {
		g := lifecycle.NewLogger(slog.New(slog.NewJSONHandler(io.Discard, nil)), lifecycle.LogOptions{Interval: time.Hour})
		defer g.Flush()
		b.ReportAllocs()
		for b.Loop() {
			g.Observe(refused)
		}
	})
	b.Run("logged", func(b *testing.B) {
		g := lifecycle.NewLogger(slog.New(slog.NewJSONHandler(io.Discard, nil)), lifecycle.LogOptions{Burst: -1})
		b.ReportAllocs()
		for b.Loop() {
			g.Observe(refused)
		}
	})
}
