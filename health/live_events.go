package health

import (
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// An eventLog keeps what happened lately, for people: what is like something that happened a moment ago is counted in its
// line, so that a storm is one line with a number. Safe for concurrent use.
type eventLog struct {
	// mu guards what follows.
	mu     sync.Mutex
	open   map[eventKey]*eventEntry // those that more may be counted in
	all    []*eventEntry            // in the order of their first
	number uint64
}

// An eventKey is what makes two events alike.
type eventKey struct {
	kind    lifecycle.Kind
	class   priority.Class
	refusal priority.Reason
	reason  lifecycle.EndReason
	code    string
}

type eventEntry struct {
	key         eventKey
	number      uint64
	first, last time.Time
	times       int
	latest      lifecycle.Event
}

// An eventLine is an entry as the page has it.
type eventLine struct {
	Number uint64 `json:"n"`
	First  int64  `json:"first"`
	Last   int64  `json:"last"`
	Times  int    `json:"times"`
	Kind   string `json:"kind"`
	Level  string `json:"level"` // info, warn or bad
	Text   string `json:"text"`
}

const (
	// foldFor is for how long after the last of its kind an event still counts in the same line.
	foldFor = time.Minute
	// eventsKept is how many lines are kept.
	eventsKept = 60
)

func newEventLog() *eventLog { return &eventLog{open: make(map[eventKey]*eventEntry)} }

// Wants implements [lifecycle.Selective]. What belongs to the normal life of a pool is in the numbers, not here; each of
// these is rare, unless something is wrong.
func (l *eventLog) Wants(k lifecycle.Kind) bool {
	_, told := eventNames[k]
	return told
}

// Observe implements [lifecycle.Observer].
func (l *eventLog) Observe(e lifecycle.Event) {
	if e.Kind == lifecycle.KindDestroy && isRoutine(e.Reason) || e.Kind == lifecycle.KindLimit && isTrial(e.Code) {
		return
	}
	key := eventKey{e.Kind, e.Class, e.Refusal, e.Reason, e.Code}
	e.Context, e.Stack = nil, nil // which would be kept alive for nothing
	now := time.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	entry := l.open[key]
	if entry == nil || now.Sub(entry.last) > foldFor {
		entry = l.addLocked(key, now)
	}
	entry.last = now
	entry.times++
	entry.latest = e
}

// ownEvents has the log hear what happens to one pool, and which of its routes are chosen.
type ownEvents struct {
	*eventLog
	pool string
}

// Observe implements [lifecycle.Observer].
func (o ownEvents) Observe(e lifecycle.Event) {
	if e.Pool == o.pool || e.Kind == lifecycle.KindRouteOut || e.Kind == lifecycle.KindRouteBack ||
		e.Kind == lifecycle.KindRouteBehind {
		o.eventLog.Observe(e)
	}
}

// addLocked begins a line, in place of the one that nothing was counted in for the longest time if there are enough.
func (l *eventLog) addLocked(key eventKey, now time.Time) *eventEntry {
	if len(l.all) == eventsKept {
		stalest := 0
		for i, e := range l.all {
			if e.last.Before(l.all[stalest].last) {
				stalest = i
			}
		}
		gone := l.all[stalest]
		if l.open[gone.key] == gone {
			delete(l.open, gone.key)
		}
		l.all = slices.Delete(l.all, stalest, stalest+1)
	}
	l.number++
	entry := &eventEntry{key: key, number: l.number, first: now}
	l.open[key] = entry
	l.all = append(l.all, entry)
	return entry
}

// lines returns what happened, the last first.
func (l *eventLog) lines() []eventLine {
	l.mu.Lock()
	entries := make([]eventEntry, len(l.all))
	for i, e := range l.all {
		entries[i] = *e
	}
	l.mu.Unlock()
	slices.SortFunc(entries, func(a, b eventEntry) int { return b.last.Compare(a.last) })
	lines := make([]eventLine, len(entries))
	for i := range entries {
		e := &entries[i]
		lines[i] = eventLine{
			Number: e.number, First: e.first.UnixMilli(), Last: e.last.UnixMilli(), Times: e.times,
			Kind: eventNames[e.key.kind], Level: eventLevel(&e.latest), Text: shorten(eventText(&e.latest)),
		}
	}
	return lines
}

// eventNames are the kinds of events that the page tells of, and what it calls them.
var eventNames = map[lifecycle.Kind]string{
	lifecycle.KindRefuse:         "refused",
	lifecycle.KindTimeout:        "timed out",
	lifecycle.KindCreateError:    "cannot connect",
	lifecycle.KindDestroy:        "connection closed",
	lifecycle.KindDestroyError:   "closing failed",
	lifecycle.KindInvalid:        "connection dead",
	lifecycle.KindEviction:       "evicted",
	lifecycle.KindReleaseUnknown: "released twice",
	lifecycle.KindInitialized:    "initialized",
	lifecycle.KindWarmupComplete: "warmed up",
	lifecycle.KindResize:         "resized",
	lifecycle.KindReset:          "reset",
	lifecycle.KindCleared:        "queue cleared",
	lifecycle.KindDrainStarted:   "drain started",
	lifecycle.KindDrainComplete:  "drained",
	lifecycle.KindClosed:         "closed",
	lifecycle.KindError:          "operation failed",
	lifecycle.KindRebound:        "rebound",
	lifecycle.KindHealthError:    "probe failed",
	lifecycle.KindLeak:           "held too long",
	lifecycle.KindNested:         "nested",
	lifecycle.KindSuspended:      "suspended",
	lifecycle.KindResumed:        "resumed",
	lifecycle.KindRetired:        "retired",
	lifecycle.KindRetry:          "retry",
	lifecycle.KindCancel:         "canceled",
	lifecycle.KindPooler:         "PgBouncer",
	lifecycle.KindRouteOut:       "route out",
	lifecycle.KindRouteBack:      "route back",
	lifecycle.KindLimit:          "limit",
	lifecycle.KindRouteBehind:    "route behind",
	lifecycle.KindOverload:       "overloaded",
	lifecycle.KindRelief:         "overload over",
}

// isRoutine reports whether connections end for this reason on every good day.
func isRoutine(r lifecycle.EndReason) bool {
	switch r {
	case lifecycle.EndIdleTimeout, lifecycle.EndMaxLifetime, lifecycle.EndClosed:
		return true
	default:
		return false
	}
}

// isTrial reports whether a limit was changed for this reason, by its name, to find something out.
func isTrial(why string) bool {
	return why == string(lifecycle.LimitProbe) || why == string(lifecycle.LimitBack)
}

func eventLevel(e *lifecycle.Event) string {
	switch e.Kind {
	case lifecycle.KindRefuse:
		if e.Refusal == priority.Canceled { // of its own accord
			return "info"
		}
		return "bad"
	case lifecycle.KindTimeout, lifecycle.KindCreateError, lifecycle.KindLeak, lifecycle.KindHealthError:
		return "bad"
	case lifecycle.KindInvalid, lifecycle.KindDestroyError, lifecycle.KindReleaseUnknown, lifecycle.KindError,
		lifecycle.KindNested, lifecycle.KindSuspended, lifecycle.KindRetired, lifecycle.KindRebound, lifecycle.KindCleared,
		lifecycle.KindDrainStarted, lifecycle.KindClosed, lifecycle.KindRouteOut, lifecycle.KindRouteBehind:
		return "warn"
	case lifecycle.KindOverload:
		if e.Code == priority.ShedDryRun.String() {
			return "warn"
		}
		return "bad"
	case lifecycle.KindDestroy:
		if e.Reason == lifecycle.EndBroken || e.Reason == lifecycle.EndInvalid || e.Reason == lifecycle.EndPanicked {
			return "warn"
		}
	case lifecycle.KindPooler:
		if e.Err != nil {
			return "warn"
		}
	}
	return "info"
}

// eventText says what is to be said of e, the last of its line, beyond its kind.
func eventText(e *lifecycle.Event) string {
	switch e.Kind {
	case lifecycle.KindRefuse, lifecycle.KindTimeout:
		return fmt.Sprintf("class %s, %s; the last was %s, after %s", e.Class, e.Refusal, eventCaller(e), length(millis(e.Wait)))
	case lifecycle.KindCreateError, lifecycle.KindHealthError:
		return fmt.Sprint(e.Err)
	case lifecycle.KindDestroy:
		return fmt.Sprintf("%s; the last was #%d, %s old", e.Reason, e.Resource, length(millis(e.Duration)))
	case lifecycle.KindDestroyError, lifecycle.KindInvalid:
		return fmt.Sprintf("%s: #%d: %v", e.Reason, e.Resource, e.Err)
	case lifecycle.KindEviction:
		return fmt.Sprintf("%d idle: %s", e.Count, e.Reason)
	case lifecycle.KindReleaseUnknown:
		return "by somebody who did not hold it any more"
	case lifecycle.KindInitialized, lifecycle.KindWarmupComplete:
		return fmt.Sprintf("%d connections are open", e.Count)
	case lifecycle.KindResize:
		return fmt.Sprintf("at most %d connections from now on", e.Count)
	case lifecycle.KindReset:
		return "every connection is replaced"
	case lifecycle.KindCleared:
		return fmt.Sprintf("%d callers were turned away%s", e.Count, because(e.Err))
	case lifecycle.KindDrainStarted, lifecycle.KindSuspended, lifecycle.KindClosed:
		return fmt.Sprintf("%d connections were in use", e.Count)
	case lifecycle.KindResumed:
		return fmt.Sprintf("%d callers waited for it", e.Count)
	case lifecycle.KindRetired:
		return fmt.Sprintf("%d connections are replaced", e.Count)
	case lifecycle.KindError:
		return fmt.Sprintf("%s; the last was %s, after %s", orUnknown(e.Code), eventCaller(e), length(millis(e.Duration)))
	case lifecycle.KindLeak:
		return fmt.Sprintf("#%d by %s, for %s", e.Resource, eventCaller(e), length(millis(e.Duration)))
	case lifecycle.KindNested:
		return fmt.Sprintf("%s asked for one more while it held %d", eventCaller(e), e.Count)
	case lifecycle.KindRetry:
		return fmt.Sprintf("%s; the last was %s, try %d", orUnknown(e.Code), eventCaller(e), e.Count)
	case lifecycle.KindCancel:
		return fmt.Sprintf("%s; the last was %s", orUnknown(e.Code), eventCaller(e))
	case lifecycle.KindPooler:
		return fmt.Sprintf("statements run as %s%s", orUnknown(e.Code), because(e.Err))
	case lifecycle.KindRouteOut:
		return fmt.Sprintf("%s is not chosen at present%s", e.Pool, because(e.Err))
	case lifecycle.KindRouteBehind:
		return fmt.Sprintf("%s is not chosen at present: it is behind by %s", e.Pool, length(millis(e.Duration)))
	case lifecycle.KindOverload:
		if e.Code == priority.ShedDryRun.String() {
			return fmt.Sprintf("class %s: more come than can be served; a dry run turns nobody away", e.Class)
		}
		return fmt.Sprintf("class %s: more come than can be served; who waits for long is turned away", e.Class)
	case lifecycle.KindRelief:
		verb := "were"
		if e.Code == priority.ShedDryRun.String() {
			verb = "would have been"
		}
		return fmt.Sprintf("class %s, after %s; %s %s turned away", e.Class, length(millis(e.Duration)), times(e.Count, "caller"), verb)
	case lifecycle.KindRouteBack:
		return fmt.Sprintf("%s is chosen again", e.Pool)
	case lifecycle.KindLimit:
		return fmt.Sprintf("from %d to %d at once: %s", e.Before, e.Count, e.Code)
	default:
		return ""
	}
}

// eventCaller names who an event is about.
func eventCaller(e *lifecycle.Event) string {
	name := "somebody without a label"
	if e.Label != "" {
		name = fmt.Sprintf("%q", shorten(e.Label))
	}
	if e.Tenant != "" {
		name += fmt.Sprintf(" of %q", shorten(e.Tenant))
	}
	return name
}

func because(err error) string {
	if err == nil {
		return ""
	}
	return ": " + err.Error()
}

func orUnknown(code string) string {
	if code == "" {
		return "no code"
	}
	return code
}
