package lifecycle

import (
	"context"
	"log/slog"
	"time"
)

// The defaults of [LogOptions].
const (
	DefaultLogInterval = 10 * time.Second
	DefaultLogBurst    = 5
)

// LogOptions say what a [Logger] logs. The zero value is a good start.
type LogOptions struct {
	// Burst is how many events of one kind, for one reason and in one pool are logged within an Interval. Those above it
	// are counted, and one line tells how many they were when the interval is over. Defaults to DefaultLogBurst; negative is
	// no limit.
	Burst int
	// Interval begins with the first event of its kind. Defaults to DefaultLogInterval.
	Interval time.Duration
	// Level, if set, says how much each event matters, in place of [LogLevel]. It is called on the goroutine of the event
	// and may be called for several at once.
	Level func(Event) slog.Level
	// Operations has the events of every lending and every operation logged too, which are none of the pool's news and make
	// each of them dearer: for a developer's machine.
	Operations bool
}

// A Logger is an [Observer] that logs what happens, so that a storm of events does not become one of log lines. What
// is logged is what an [Event] may hold; of a failure that the server told, its SQLSTATE and nothing of its text. The
// attributes have the names that the metrics and the spans of poolsql have.
//
// It asks for no events of lendings and operations, unless it is told to. It has no goroutine, and a timer only
// while there is something left to tell. Safe for concurrent use. One may serve several pools.
type Logger struct {
	to       *slog.Logger // nil is slog's default, whichever that is then
	level    func(Event) slog.Level
	wantsAll bool
	limit    logLimit
}

var _ Selective = (*Logger)(nil)

// NewLogger returns a logger that writes to l, or to what slog.Default returns at the time if l is nil.
func NewLogger(l *slog.Logger, o LogOptions) *Logger {
	if o.Burst == 0 {
		o.Burst = DefaultLogBurst
	}
	if o.Interval <= 0 {
		o.Interval = DefaultLogInterval
	}
	if o.Level == nil {
		o.Level = LogLevel
	}
	g := &Logger{to: l, level: o.Level, wantsAll: o.Operations}
	g.limit.burst, g.limit.interval, g.limit.tell = o.Burst, o.Interval, g.tellOmitted
	return g
}

// Wants implements [Selective].
func (g *Logger) Wants(k Kind) bool {
	switch k {
	case KindAcquire, KindRelease, KindOperation, KindCoalesced:
		return g.wantsAll
	default:
		return true
	}
}

// Observe implements [Observer].
func (g *Logger) Observe(e Event) {
	if !g.Wants(e.Kind) { // whoever does not know Selective tells everything
		return
	}
	ctx := e.Context
	if ctx == nil {
		ctx = context.Background()
	}
	to, level := g.logger(), g.level(e)
	if !to.Enabled(ctx, level) {
		return
	}
	if g.limit.admit(topicOf(&e, level)) {
		to.LogAttrs(ctx, level, logMessage(e.Kind), logAttrs(&e)...)
	}
}

// Flush tells at once how many events were left out and not told yet, for the end of a program. It gives nobody more room
// before the interval is over.
func (g *Logger) Flush() { g.limit.flush() }

func (g *Logger) logger() *slog.Logger {
	if g.to == nil {
		return slog.Default()
	}
	return g.to
}

// tellOmitted logs that n events of a topic were left out.
func (g *Logger) tellOmitted(t logTopic, n int, within time.Duration) {
	attrs := []slog.Attr{slog.String(attrEvent, t.kind.String())}
	if t.pool != "" {
		attrs = append(attrs, slog.String(attrPool, t.pool))
	}
	if reason := t.why(); reason != "" {
		attrs = append(attrs, slog.String(attrReason, reason))
	}
	attrs = append(attrs, slog.Int(attrOmitted, n), slog.Float64(attrInterval, within.Round(time.Millisecond).Seconds()))
	g.logger().LogAttrs(context.Background(), t.level, logMessage(t.kind)+", and more of the same", attrs...)
}
