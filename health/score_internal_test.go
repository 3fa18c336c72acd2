package health

import (
	"fmt"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// documentation returns the text of the package's documentation.
func documentation(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	return regexp.MustCompile(`(?m)^// ?`).ReplaceAllString(string(text), "")
}

func TestTheTableInTheDocumentationIsThatOfTheFactors(t *testing.T) {
	_, table, _ := strings.Cut(documentation(t), "\n\tfactor ")
	table, _, _ = strings.Cut(table, "\n\n")
	row := regexp.MustCompile(`^\t(?:([a-z]+) )?.* ([0-9.]+) +([0-9.]+) +([0-9.]+)$`)
	name, n := "", 0
	for _, text := range strings.Split(table, "\n")[1:] {
		if first := regexp.MustCompile(`^\t([a-z]+) `).FindStringSubmatch(text); first != nil {
			name = first[1]
		}
		m := row.FindStringSubmatch(text)
		if m == nil {
			continue // it goes on in the next line
		}
		if n == len(factors) {
			t.Fatalf("there are more rows than factors: %s", name)
		}
		c := factors[n]
		n++
		got := fmt.Sprint(name, " ", m[2], " ", m[3], " ", m[4])
		if want := fmt.Sprint(c.name, " ", c.good, " ", c.bad, " ", c.weight); got != want {
			t.Errorf("the documentation says %q of factor %d, which is %q", got, n, want)
		}
	}
	if n != len(factors) {
		t.Errorf("the documentation has %d rows, and there are %d factors", n, len(factors))
	}
	for _, c := range []struct {
		text  string
		value float64
	}{
		{"part of the callers, of %v at least", leastCallers}, {"part of the operations, of %v at least", leastCallers},
		{"part of the attempts to connect, of %v at least", leastConnects},
		{"Below %v the pool is degraded", healthyBelow}, {"healthy again from %v", healthyFrom},
		{"Below %v it is unhealthy", unhealthyBelow}, {"degraded again from %v", unhealthyUntil},
	} {
		if text := fmt.Sprintf(c.text, c.value); !strings.Contains(documentation(t), text) {
			t.Errorf("the documentation does not say %q", text)
		}
	}
}

func TestTheExampleInTheDocumentationIsWhatTheScoreSays(t *testing.T) {
	_, example, _ := strings.Cut(documentation(t), "For example:")
	example, _, _ = strings.Cut(example, "# The status")
	told := map[string]float64{}
	for _, m := range regexp.MustCompile(`(?m)^\t([a-z]+) .*= +([0-9.]+)$`).FindAllStringSubmatch(example, -1) {
		told[m[1]], _ = strconv.ParseFloat(m[2], 64)
	}
	find := func(pattern string) float64 {
		t.Helper()
		m := regexp.MustCompile(pattern).FindStringSubmatch(strings.ReplaceAll(example, "\n", " "))
		if m == nil {
			t.Fatalf("the example does not say %s", pattern)
		}
		v, err := strconv.ParseFloat(m[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
	a := &sample{at: time.Unix(0, 0)}
	b := &sample{
		at: a.at.Add(time.Minute), max: 10,
		acquired: uint64(find(`([0-9]+) callers got`)), refused: uint64(find(`([0-9]+) were turned away`)),
		failed: uint64(find(`([0-9]+) of [0-9]+ operations`)), queries: uint64(find(`[0-9]+ of ([0-9]+) operations`)),
		capacity: 100 * time.Minute, busy: time.Duration(find(`([0-9]+) % of the maximum`)) * time.Minute,
	}
	f := facts{window: between(a, b), maxConns: 10, waitTarget: time.Duration(find(`target of ([0-9]+) ms`)) * time.Millisecond}
	f.window.WaitP99Ms = find(`waits was ([0-9]+) ms`)
	got, reasons := score(&f)
	if got != int(told["score"]) {
		t.Errorf("the score is %d, and the documentation says %v", got, told["score"])
	}
	delete(told, "score")
	for _, r := range reasons {
		if math.Abs(told[r.Factor]-r.Deducted) > 0.01 {
			t.Errorf("%s takes %v, and the documentation says %v", r.Factor, r.Deducted, told[r.Factor])
		}
		delete(told, r.Factor)
	}
	if len(told) > 0 {
		t.Errorf("these take nothing: %v", told)
	}
	if share := f.window.RefusedPercent; share != find(`that is ([0-9]+) %`) {
		t.Errorf("%v %% were turned away", share)
	}
}

// Each factor alone, where it is good, halfway, where it is bad, and beyond.
func TestEachFactorTakesItsPartAndSaysWhy(t *testing.T) {
	for _, c := range []struct {
		name string
		set  func(f *facts, at float64) // at is 0 where it is good and 1 where it is bad
		half string
	}{
		{"database", func(f *facts, at float64) { f.probes = int(2 * at) }, "1 probe of the database failed in a row: -50"},
		{"refused", func(f *facts, at float64) {
			f.window.Refused, f.window.Acquired = uint64(25*at), 100-uint64(min(100, 25*at))
			f.window.RefusedPercent = 25 * at
		}, "12 callers turned away, 12.0 %: -14.4"},
		{"failures", func(f *facts, at float64) {
			f.window.Failures, f.window.Queries, f.window.FailurePercent = uint64(20*at), 200, 10*at
		}, "10 operations failed for want of server or connection, 5.0 %: -20"},
		{"wait", func(f *facts, at float64) { f.window.WaitP99Ms = 100 + 1900*at }, "queue wait p99 1.1 s over 100 ms target: -12.5"},
		{"wait", func(f *facts, at float64) { f.window.OldestWaitMs = 100 + 1900*at }, "longest wait under way 1.1 s over 100 ms target: -12.5"},
		{"wait", func(f *facts, at float64) {
			f.pgbouncerWait, f.pgbouncerWaiting = time.Duration(100+1900*at)*time.Millisecond, 3
		}, "longest wait of 3 clients at PgBouncer 1.1 s over 100 ms target: -12.5"},
		{"connecting", func(f *facts, at float64) {
			f.window.ConnectErrors, f.window.Connects = uint64(4*at), 8-min(8, uint64(4*at))
		}, "2 of 8 attempts to connect failed: -10"},
		{"leaks", func(f *facts, at float64) { f.window.Leaked = int(4 * at) }, "2 connections held past the leak threshold, of 8: -10"},
		{"utilization", func(f *facts, at float64) { f.window.UtilizationPercent = 80 + 20*at }, "90 % of 8 connections in use: -2.5"},
	} {
		var weight float64
		for _, of := range factors {
			if of.name == c.name {
				weight = of.weight
			}
		}
		for _, at := range []float64{0, 0.5, 1, 1.5} {
			f := facts{maxConns: 8, waitTarget: 100 * time.Millisecond}
			c.set(&f, at)
			got, reasons := score(&f)
			want := 100 - weight*min(1, at)
			if math.Abs(float64(got)-want) > 1.01 {
				t.Errorf("%s at %v: score %d, want %v", c.name, at, got, want)
			}
			switch {
			case at == 0 && len(reasons) != 0, at > 0 && (len(reasons) != 1 || reasons[0].Factor != c.name):
				t.Errorf("%s at %v: reasons %+v", c.name, at, reasons)
			case at == 0.5 && reasons[0].Text != c.half:
				t.Errorf("%s: %q, want %q", c.name, reasons[0].Text, c.half)
			}
		}
	}
}

func TestTheFirstToBeTurnedAwayIsNoCatastrophe(t *testing.T) {
	f := facts{waitTarget: time.Second, window: Window{Refused: 1, RefusedPercent: 100}}
	if got, reasons := score(&f); got != 94 || reasons[0].Deducted != 6 {
		t.Errorf("score %d, reasons %+v", got, reasons)
	}
}

// A pool that is merely busy is degraded, and stays in service, as long as it serves half of those who come.
// Where callers have deadlines, the queue turns some away and leaves the others too little time: the two are one.
func TestLoadAloneIsUnhealthyOnlyIfMostGetNothing(t *testing.T) {
	for nothing, want := range map[uint64]int{0: 70, 10: 58, 50: 40, 51: 39, 100: 0} {
		for _, late := range []uint64{0, nothing / 2, nothing} {
			refused := nothing - late
			f := facts{waitTarget: time.Millisecond, window: Window{
				Acquired: 100 - refused, Refused: refused, Queries: 100 - refused, Errors: late, OutOfTime: late,
				WaitP99Ms: 1e6, OldestWaitMs: 1e6, UtilizationPercent: 100,
			}}
			if got, reasons := score(&f); got != want {
				t.Errorf("%d of 100 turned away, %d out of time: score %d, want %d: %+v", refused, late, got, want, reasons)
			}
		}
	}
}

func TestTheHeaviestReasonIsTheFirstAndTheScoreNeverBelowZero(t *testing.T) {
	f := facts{
		maxConns: 4, waitTarget: time.Millisecond, probes: 9, pgbouncerWait: time.Hour, pgbouncerWaiting: 1,
		window: Window{Refused: 100, Failures: 100, WaitP99Ms: 1e6, ConnectErrors: 9, Leaked: 4, UtilizationPercent: 100},
	}
	got, reasons := score(&f)
	if got != 0 || len(reasons) != len(factors) {
		t.Errorf("score %d, %d reasons", got, len(reasons))
	}
	for i := 1; i < len(reasons); i++ {
		if reasons[i].Deducted > reasons[i-1].Deducted {
			t.Errorf("%+v is behind %+v", reasons[i], reasons[i-1])
		}
	}
}

func TestAStatusFallsAtOnceAndRisesWellAboveTheLineAndAfterAWhile(t *testing.T) {
	begin := time.Unix(1000, 0)
	at := func(seconds int) time.Time { return begin.Add(time.Duration(seconds) * time.Second) }
	s := standing{}
	for _, c := range []struct {
		at, score int
		want      Status
		since     int
	}{
		{0, 80, Healthy, 0}, {1, 79, Degraded, 1}, {2, 89, Degraded, 1}, {3, 100, Degraded, 1}, {10, 100, Degraded, 1},
		{11, 89, Degraded, 1}, {11, 90, Healthy, 11}, {12, 39, Unhealthy, 12}, {13, 100, Unhealthy, 12}, {30, 49, Unhealthy, 12},
		{30, 50, Degraded, 30}, {31, 40, Degraded, 30}, {31, 39, Unhealthy, 31}, {41, 90, Healthy, 41}, {42, 0, Unhealthy, 42},
	} {
		s = s.next(c.score, at(c.at), 10*time.Second)
		if s.status != c.want || !s.since.Equal(at(c.since)) {
			t.Errorf("score %d after %d s: %s since %s, want %s since %d s", c.score, c.at, s.status, s.since.Sub(begin), c.want, c.since)
		}
	}
}

func TestStatusesReadWhatTheyWrite(t *testing.T) {
	for s := Unknown; s <= Unhealthy; s++ {
		text, err := s.MarshalText()
		var back Status
		if err != nil || back.UnmarshalText(text) != nil || back != s || string(text) != s.String() {
			t.Errorf("%s: %q, %v, and back %s", s, text, err, back)
		}
	}
	var s Status
	if err := s.UnmarshalText([]byte("fine")); err == nil {
		t.Error("fine was taken for a status")
	}
	if got := Status(9).String(); got != "Status(9)" {
		t.Error(got)
	}
}
