package priority

import (
	"testing"
	"time"
)

// A guess makes a call slow only if it is far above the limit, and what is seen soon outweighs it.
func TestAGuessHoldsUntilSomethingWasSeen(t *testing.T) {
	var s Scheduler
	s.Init(Limits{Permits: 4, SlowAfter: 100 * time.Millisecond}, nil)
	s.Guess("", "select far", time.Second)
	s.Guess("", "select near", 200*time.Millisecond)
	s.Guess("report", "", time.Hour)
	for kind, want := range map[string]bool{"select far": true, "select near": false, "report": true, "unknown": false} {
		if s.isSlow(kind) != want {
			t.Errorf("%q is slow: %t", kind, !want)
		}
	}
	for range costSlow {
		s.Reckon(Use{}, "", "select far", time.Millisecond)
		s.Reckon(Use{}, "", "select near", time.Second)
	}
	if s.isSlow("select far") {
		if c := s.costs.of("select far"); c.mean > float64(300*time.Millisecond) {
			t.Errorf("after %d uses of 1 ms it is taken for %s", costSlow, time.Duration(c.mean))
		}
	}
	for range 16 {
		s.Reckon(Use{}, "", "select far", time.Millisecond)
	}
	if s.isSlow("select far") || !s.isSlow("select near") {
		t.Error("what was seen does not outweigh the guesses")
	}
	s.Guess("", "select near", time.Millisecond)
	if !s.isSlow("select near") {
		t.Error("a guess undoes what was seen")
	}
}

// Nobody is refused because of a guess.
func TestAGuessTurnsNobodyAway(t *testing.T) {
	var s Scheduler
	s.Init(Limits{Permits: 1, Shedding: ShedOn}, nil)
	s.Guess("report", "", time.Hour)
	w := &Waiter{kind: "report", ends: 1}
	if s.tooLate(w, 0) {
		t.Error("a call was refused because it may take long")
	}
	for range costKnown {
		s.Reckon(Use{}, "report", "", time.Hour)
	}
	refused := 0
	for range lateTrial {
		if s.tooLate(w, 0) {
			refused++
		}
	}
	if refused == 0 {
		t.Error("what was seen to take long is not refused")
	}
}

func TestWhatIsKnownOfALabelAndOfAStatementIsToldApart(t *testing.T) {
	var s Scheduler
	s.Init(Limits{Permits: 1, SlowAfter: time.Second}, nil)
	s.Reckon(Use{}, "checkout", "select 1", time.Millisecond)
	s.Reckon(Use{}, "", "select 2", time.Millisecond)
	s.Guess("", "select 3", time.Millisecond)
	s.Guess("", "", time.Millisecond)
	found := map[Cost]bool{}
	for _, c := range s.Costs() {
		found[Cost{Label: c.Label, Statement: c.Statement, Uses: c.Uses}] = true
	}
	for _, want := range []Cost{{Uses: 2}, {Label: "checkout", Uses: 1}, {Statement: "select 2", Uses: 1}, {Statement: "select 3"}} {
		if !found[want] {
			t.Errorf("%+v is not there: %v", want, found)
		}
	}
	if len(found) != 4 {
		t.Errorf("there are %v", found)
	}
}
