package suites_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A report says what became of each test of a suite, and what each wrote.
type report struct {
	outcome map[string]string // pass, fail, skip, or fatal
	output  map[string]string
}

// readReport reads what test2json writes. If the program ended before its tests did, it returns the test that was last.
func readReport(events []byte) (r report, last string, err error) {
	r = report{outcome: map[string]string{}, output: map[string]string{}}
	for decoder := json.NewDecoder(bytes.NewReader(events)); decoder.More(); {
		var event struct{ Action, Test, Output string }
		if err := decoder.Decode(&event); err != nil {
			return r, "", err
		}
		name := steady(event.Test)
		switch event.Action {
		case "run":
			last, _, _ = strings.Cut(name, "/")
		case "pass", "fail", "skip":
			if name == "" {
				if len(r.outcome) == 0 {
					return r, "", errors.New("no test was run")
				}
				return r, "", nil
			}
			r.outcome[name] = event.Action
		case "output":
			r.output[name] += event.Output
		}
	}
	if last == "" {
		return r, "", errors.New("it ended before its first test")
	}
	r.outcome[last] = fatal
	return r, last, nil
}

// fatal is the outcome of a test that ended the program.
const fatal = "fatal"

// unsteady are parts of names of tests that each run has anew: addresses and times.
var unsteady = regexp.MustCompile(`0x[0-9a-f]+|\d{4}-\d\d-\d\d_.*`)

func steady(name string) string { return unsteady.ReplaceAllString(name, "…") }

// A difference is one that is allowed, and why.
type difference struct {
	on    []string // against pgx
	modes []string // pgx's execution modes in which it is there
	pgx   string   // what pgx's outcome is
	here  string   // and ours
	tests []string
	why   string
}

// differences returns the tests whose outcome on pgx is another than on the other, without those that are allowed.
func differences(pgx, other report, on, mode string, allowed []difference) []string {
	names := maps.Clone(pgx.outcome)
	maps.Copy(names, other.outcome)
	var found []string
	for _, name := range slices.Sorted(maps.Keys(names)) {
		want, got := pgx.outcome[name], other.outcome[name]
		explained := slices.ContainsFunc(allowed, func(d difference) bool {
			return slices.Contains(d.on, on) && slices.Contains(d.modes, mode) &&
				d.pgx == want && d.here == got && slices.Contains(d.tests, name)
		})
		if want != got && !explained {
			found = append(found, fmt.Sprintf("%s: %s on pgx, %s on %s\n--- pgx\n%s--- %s\n%s",
				name, outcome(want), outcome(got), on, pgx.output[name], on, other.output[name]))
		}
	}
	return found
}

func outcome(o string) string {
	if o == "" {
		return "not run"
	}
	return o
}

func TestADifferenceIsSeenUnlessItIsExplained(t *testing.T) {
	pgx := report{outcome: map[string]string{"TestA": "pass", "TestB": "fail", "TestC": "pass", "TestD": "skip"}}
	other := report{outcome: map[string]string{"TestA": "fail", "TestB": "pass", "TestD": "skip", "TestE": "pass"}}
	allowed := []difference{{on: []string{onPoolsql}, modes: []string{"exec"}, pgx: "fail", here: "pass", tests: []string{"TestA", "TestB"}}}
	for _, c := range []struct {
		on, mode string
		want     []string
	}{
		{onPoolsql, "exec", []string{"TestA: pass on pgx, fail", "TestC: pass on pgx, not run", "TestE: not run on pgx, pass"}},
		{onPoolsql, "simple_protocol", []string{"TestA: ", "TestB: fail on pgx, pass", "TestC: ", "TestE: "}},
		{onAround, "exec", []string{"TestA: ", "TestB: ", "TestC: ", "TestE: "}},
	} {
		got := differences(pgx, other, c.on, c.mode, allowed)
		if !slices.EqualFunc(got, c.want, strings.HasPrefix) {
			t.Errorf("%s, %s: got %q, want %q", c.on, c.mode, got, c.want)
		}
	}
}

func TestAReportTellsOfATestThatEndedTheProgram(t *testing.T) {
	const ran = `{"Action":"run","Test":"TestA"}
{"Action":"output","Test":"TestA","Output":"--- FAIL: TestA\n"}
{"Action":"fail","Test":"TestA"}
{"Action":"run","Test":"TestB"}
{"Action":"run","Test":"TestB/0x3c691a"}
{"Action":"pass","Test":"TestB/0x3c691a"}
`
	for _, c := range []struct {
		name, events, last string
		want               map[string]string
	}{
		{"to the end", ran + `{"Action":"pass","Test":"TestB"}{"Action":"fail"}`, "", map[string]string{"TestA": "fail", "TestB": "pass", "TestB/…": "pass"}},
		{"cut", ran, "TestB", map[string]string{"TestA": "fail", "TestB": fatal, "TestB/…": "pass"}},
	} {
		r, last, err := readReport([]byte(c.events))
		if err != nil || last != c.last || !maps.Equal(r.outcome, c.want) || r.output["TestA"] != "--- FAIL: TestA\n" {
			t.Errorf("%s: got %v, %q, %v", c.name, r, last, err)
		}
	}
	for _, none := range []string{"", `{"Action":"fail"}`, ran + "{"} {
		if r, _, err := readReport([]byte(none)); err == nil {
			t.Errorf("%q: taken for %v", none, r)
		}
	}
}
