package lifecycle

import (
	"cmp"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// A logTopic is what is limited by itself: a storm of one topic takes no line from another. There are as many as there are
// kinds, each with its reasons, and pools: nothing that comes with a call is part of it.
type logTopic struct {
	pool    string
	kind    Kind
	reason  EndReason
	refusal priority.Reason
	level   slog.Level
}

func topicOf(e *Event, level slog.Level) logTopic {
	return logTopic{pool: e.Pool, kind: e.Kind, reason: e.Reason, refusal: e.Refusal, level: level}
}

// why returns the reason that events of the topic have, "" if they have none.
func (t *logTopic) why() string {
	switch {
	case t.refusal != priority.None:
		return t.refusal.String()
	case t.reason != EndNone:
		return t.reason.String()
	default:
		return ""
	}
}

// A logSpell is an interval of a topic.
type logSpell struct {
	began   mono.Time
	logged  int
	omitted int       // since that was told last
	since   mono.Time // when the first of these came
}

// A logLimit lets a few events of each topic pass in an interval, and has it told how many did not: every event is either
// let pass or told of once. A spell in which something was left out is ended by a timer, so that it is told even if nothing
// comes after the storm.
type logLimit struct {
	burst    int
	interval time.Duration
	tell     func(t logTopic, n int, within time.Duration)

	mu     sync.Mutex // guards what follows; tell is called without it
	spells map[logTopic]*logSpell
	timer  *time.Timer
	due    mono.Time // when the timer will end spells; 0 if it is not set
}

// admit reports whether an event of the topic may be logged.
func (l *logLimit) admit(t logTopic) bool {
	if l.burst < 0 {
		return true
	}
	now := mono.Now()
	l.mu.Lock()
	defer l.mu.Unlock()
	s := l.spells[t]
	if s == nil {
		if l.spells == nil {
			l.spells = make(map[logTopic]*logSpell)
		}
		s = &logSpell{began: now}
		l.spells[t] = s
	}
	if s.omitted == 0 && now.Sub(s.began) >= l.interval { // else the timer ends it, and tells
		s.began, s.logged = now, 0
	}
	if s.logged < l.burst {
		s.logged++
		return true
	}
	if s.omitted == 0 {
		s.since = now
	}
	s.omitted++
	l.lookAtLocked(s.began.Add(l.interval), now)
	return false
}

// lookAtLocked has spells ended then, or earlier if that was to be anyway.
func (l *logLimit) lookAtLocked(end, now mono.Time) {
	if l.due != 0 && l.due <= end {
		return
	}
	l.due = end
	if l.timer == nil {
		l.timer = time.AfterFunc(end.Sub(now), l.endSpells)
		return
	}
	l.timer.Reset(end.Sub(now))
}

// An omission is what there is to tell of a topic.
type omission struct {
	topic  logTopic
	n      int
	within time.Duration
}

// endSpells tells of the spells that are over and that something was left out of, and sets the timer for the next of these.
func (l *logLimit) endSpells() {
	now := mono.Now()
	var told []omission
	l.mu.Lock()
	l.due = 0
	for t, s := range l.spells {
		if s.omitted == 0 {
			continue
		}
		if end := s.began.Add(l.interval); end > now {
			l.lookAtLocked(end, now)
			continue
		}
		told = append(told, s.omission(t, now))
	}
	l.mu.Unlock()
	l.tellAll(told)
}

// flush tells what was left out so far.
func (l *logLimit) flush() {
	now := mono.Now()
	var told []omission
	l.mu.Lock()
	for t, s := range l.spells {
		if s.omitted > 0 {
			told = append(told, s.omission(t, now))
		}
	}
	if l.due != 0 && l.timer.Stop() {
		l.due = 0
	}
	l.mu.Unlock()
	l.tellAll(told)
}

// omission takes what was left out of the spell.
func (s *logSpell) omission(t logTopic, now mono.Time) omission {
	o := omission{t, s.omitted, now.Sub(s.since)}
	s.omitted = 0
	return o
}

// tellAll tells these in the order of their kinds: that of a map is none.
func (l *logLimit) tellAll(told []omission) {
	slices.SortFunc(told, func(a, b omission) int {
		return cmp.Or(cmp.Compare(a.topic.kind, b.topic.kind), cmp.Compare(a.topic.pool, b.topic.pool))
	})
	for _, o := range told {
		l.tell(o.topic, o.n, o.within)
	}
}
