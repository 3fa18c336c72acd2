package health

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

func TestAStormIsOneLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newEventLog()
		refused := lifecycle.Event{Kind: lifecycle.KindRefuse, Refusal: priority.QueueFull, Class: priority.Low, Label: "first"}
		began := time.Now()
		for range 1000 {
			l.Observe(refused)
			time.Sleep(10 * time.Millisecond)
		}
		refused.Label = "last"
		l.Observe(refused)
		l.Observe(lifecycle.Event{Kind: lifecycle.KindReset})
		high := refused
		high.Class = priority.High
		l.Observe(high)

		lines := l.lines()
		if len(lines) != 3 {
			t.Fatalf("%d lines: %+v", len(lines), lines)
		}
		for _, line := range lines {
			if line.Kind != "refused" || line.Times == 1 {
				continue
			}
			if line.Times != 1001 || line.First != began.UnixMilli() || line.Last != began.Add(10*time.Second).UnixMilli() ||
				!strings.Contains(line.Text, `"last"`) || line.Level != "bad" {
				t.Errorf("the storm is %+v", line)
			}
		}

		time.Sleep(foldFor + time.Second)
		l.Observe(refused)
		if lines = l.lines(); len(lines) != 4 || lines[0].Times != 1 || lines[0].Text == "" {
			t.Errorf("a new storm is %+v", lines)
		}
	})
}

func TestSoManyLinesAreKeptAndTheStalestGoes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newEventLog()
		fails := func(i int) {
			l.Observe(lifecycle.Event{Kind: lifecycle.KindError, Code: fmt.Sprintf("C%04d", i)})
			time.Sleep(time.Millisecond)
		}
		for i := range 3 * eventsKept {
			fails(i)
			fails(0) // goes on, so it stays
		}
		lines := l.lines()
		if len(lines) != eventsKept || len(l.open) != eventsKept {
			t.Fatalf("%d lines, %d of them open", len(lines), len(l.open))
		}
		if lines[0].Times != 3*eventsKept+1 || !strings.HasPrefix(lines[0].Text, "C0000") {
			t.Errorf("the line that went on is %+v", lines[0])
		}
		if last := lines[len(lines)-1]; !strings.HasPrefix(last.Text, fmt.Sprintf("C%04d", 2*eventsKept+1)) {
			t.Errorf("the oldest that is kept is %+v", last)
		}
	})
}

// untold are the kinds that the page does not tell of: they are what a pool does all day, or are its health, which is on the
// page anyway.
var untold = []lifecycle.Kind{
	lifecycle.KindAcquire, lifecycle.KindRelease, lifecycle.KindCreate, lifecycle.KindOperation, lifecycle.KindHealthCheck,
	lifecycle.KindHealthWarning, lifecycle.KindCoalesced,
}

func TestEveryKindOfEventHasAName(t *testing.T) {
	l := newEventLog()
	for k := lifecycle.KindAcquire; !strings.HasPrefix(k.String(), "Kind("); k++ {
		told := true
		for _, u := range untold {
			told = told && k != u
		}
		if l.Wants(k) != told {
			t.Errorf("%s: Wants is %v", k, !told)
		}
		if !told {
			continue
		}
		e := lifecycle.Event{Kind: k, Code: "57014", Err: errors.New("no route"), Reason: lifecycle.EndBroken, Label: "checkout", Count: 3}
		switch text := eventText(&e); {
		case k == lifecycle.KindDrainComplete, k == lifecycle.KindRebound: // which need no words
		case text == "" || strings.Contains(text, "%!"):
			t.Errorf("%s: %q", k, text)
		}
		if level := eventLevel(&e); level != "info" && level != "warn" && level != "bad" {
			t.Errorf("%s: level %q", k, level)
		}
	}
}

func TestWhatHappensEveryDayIsNoEvent(t *testing.T) {
	l := newEventLog()
	for _, r := range []lifecycle.EndReason{lifecycle.EndIdleTimeout, lifecycle.EndMaxLifetime, lifecycle.EndClosed} {
		l.Observe(lifecycle.Event{Kind: lifecycle.KindDestroy, Reason: r})
	}
	if lines := l.lines(); len(lines) != 0 {
		t.Errorf("%+v", lines)
	}
	l.Observe(lifecycle.Event{Kind: lifecycle.KindDestroy, Reason: lifecycle.EndBroken})
	if lines := l.lines(); len(lines) != 1 || lines[0].Level != "warn" {
		t.Errorf("%+v", lines)
	}
}

func TestTextsAreCutBetweenCharacters(t *testing.T) {
	for _, text := range []string{"", "short", strings.Repeat("ä", textShown), strings.Repeat("x", textShown-1) + "€uro", "\xff"} {
		got := shorten(text)
		if len(got) > textShown+len("…") || strings.ToValidUTF8(got, "") != got {
			t.Errorf("%.20q… becomes %q", text, got)
		}
		if len(text) <= textShown && text != "\xff" && got != text {
			t.Errorf("%q becomes %q", text, got)
		}
	}
}

// What the page leaves out of the warnings, since a reason says it, must be what the warnings say.
func TestWarningsThatReasonsRepeatAreWarningsAndFactors(t *testing.T) {
	m := &Monitor{}
	m.cfg.setDefaults()
	all := m.warnings(
		&Window{UtilizationPercent: 100, AvgWaitMs: 1e6, ErrorRatePercent: 100, Refused: 5, Leaked: 5, Seconds: 60},
		&sample{waiting: 1000, failing: true, suspended: true}, &Database{Failures: 3}, &PgBouncer{ClientsWaiting: 3},
	)
	for beginning, name := range warningFactors {
		if !slices.ContainsFunc(all, func(w string) bool { return strings.HasPrefix(w, beginning) }) {
			t.Errorf("no warning begins with %q", beginning)
		}
		if !slices.ContainsFunc(factors, func(c factor) bool { return c.name == name }) {
			t.Errorf("there is no factor %q", name)
		}
	}
	repeated := 0
	for _, w := range all {
		if saidOtherwise(w, []Reason{{Factor: "utilization"}}, &connector.Stats{}) {
			repeated++
		}
	}
	if repeated != 1 {
		t.Errorf("%d of %q are repeated by one reason", repeated, all)
	}
}
