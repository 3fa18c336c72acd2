package health

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/poolsql/poolsql/connector"
	"github.com/poolsql/poolsql/priority"
)

func overloadedStats(since time.Time) *connector.Stats {
	s := &connector.Stats{}
	for i, class := range priority.Classes() {
		s.Classes[i].Class = class
	}
	low := &s.Classes[2]
	low.Overloaded, low.OverloadedSince, low.Granted = true, since, 50
	low.Refused = map[priority.Reason]uint64{
		priority.Shed: 7, priority.TooLate: 2, priority.TenantFull: 1, priority.Canceled: 100, priority.Closed: 100,
	}
	low.WouldRefuse = map[priority.Reason]uint64{priority.Shed: 3, priority.TooLate: 1}
	return s
}

func TestAReportTellsWhatBecameOfEachClass(t *testing.T) {
	since := time.Now().Add(-time.Minute)
	classes := classStats(overloadedStats(since))
	want := ClassStats{Class: "low", Granted: 50, Refused: 10, Shed: 7, TooLate: 2, WouldRefuse: 4, OverloadedSince: since}
	if len(classes) != 3 || classes[2] != want || classes[0] != (ClassStats{Class: "high"}) {
		t.Errorf("%+v", classes)
	}
}

func TestOverloadIsAWarningThatSaysWhetherAnybodyIsTurnedAway(t *testing.T) {
	for _, mode := range []priority.Shedding{priority.ShedOn, priority.ShedDryRun} {
		s := &sample{}
		s.trouble(overloadedStats(time.Now()), &connector.Config{Shedding: mode}, nil)
		m := &Monitor{}
		m.cfg.setDefaults()
		list := m.warnings(&Window{}, s, &Database{}, nil)
		dry := len(list) == 1 && strings.Contains(list[0], "nobody is turned away")
		if len(list) != 1 || !strings.HasPrefix(list[0], "Overloaded since") || !strings.Contains(list[0], "class low") || dry != (mode == priority.ShedDryRun) {
			t.Errorf("with shedding %s: %q", mode, list)
		}
		if !saidOtherwise(list[0], nil, &connector.Stats{}) {
			t.Error("the page says it twice")
		}
	}
}

// Of a replica that nobody has read from nothing is known, which is nothing to warn of.
func TestRoutesThatFailedOrAreBehindAreWarnedOfAndOthersAreNot(t *testing.T) {
	s := &sample{}
	s.trouble(&connector.Stats{}, &connector.Config{MaxReplicaLag: 10 * time.Second}, []connector.RouteStatus{
		{Name: "well", Serves: true, Lag: time.Second},
		{Name: "new", Why: "has not answered yet"},
		{Name: "dead", Why: "ejected: connection refused", EjectedUntil: time.Now()},
		{Name: "late", Why: "is behind by 12s", Lag: 12 * time.Second},
	})
	if want := []string{"dead is ejected", "late is behind by 12.0 s"}; !slices.Equal(s.routesOut, want) {
		t.Errorf("%q, want %q", s.routesOut, want)
	}
}

func TestCellsOfARouteAreLettersAndDots(t *testing.T) {
	if got := cellsOf(nil, 3); got != "..." {
		t.Errorf("%q", got)
	}
	if got := cellsOf(make([]connector.ConnInfo, 500), 1000); len(got) != routeCells {
		t.Errorf("%d cells", len(got))
	}
	for state := range cellLetters {
		if !strings.Contains(string(assets.Script), state+": ['"+string(cellLetters[state])+"'") {
			t.Errorf("the page does not know %q as %c", state, cellLetters[state])
		}
	}
}
