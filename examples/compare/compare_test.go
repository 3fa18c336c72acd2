package main

import (
	"bytes"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

// mayBeZero names the measures for which nothing is a sane result.
var mayBeZero = map[string]bool{
	"errors, all rounds":                      true,
	"answers older than the call, all rounds": true,
	"new connections":                         true,
	"allocs/op":                               true,

	// Of those who lose a connection, nobody keeps it; of those who do not, no next statement may be late.
	"caller returns late by, p99 (ms)":     true,
	"connection busy after that, p50 (ms)": true,
	"connection busy after that, p99 (ms)": true,
	"late and busy, p50 (ms)":              true,

	"first 8 server processes still there": true,
	"stray 57014 in 10,000 successors":     true,
	"other failures of successors":         true,
	"failed statements":                    true,
	"back to 80 % of the rate after (s)":   true,
	"attempts to connect per second":       true,
	"failures that name the cause (%)":     true,
}

// interval is what a value must lie in, both ends included.
type interval struct{ from, to float64 }

// certain names what poolsql reaches on any machine, however busy it is. Where the peers do not reach it on any, it shows
// that something was measured. A server so busy that it does not answer to a cancel in time costs a connection.
var certain = map[string]interval{
	"connections opened, these included":      {openConns, 2 * openConns},
	"first 8 server processes still there":    {1, openConns},
	"stray 57014 in 10,000 successors":        {0, 0},
	"other failures of successors":            {0, 0},
	"failed statements":                       {0, 0},
	"attempts to connect per second":          {0, 15},
	"failures that name the cause (%)":        {100, 100},
	"answers older than the call, all rounds": {0, 0},
	"caller returns after (s)":                {0.25, 3.99},
	"slot usable again after that (s)":        {0, 3.99},
}

// checkValues fails for a value that no working measurement can give.
func checkValues(t testing.TB, g group, e experiment, r result) {
	t.Helper()
	for arm, column := range g.columns {
		if e.arms[arm] == nil {
			continue
		}
		for m, measure := range e.measures {
			values := r.column(arm, m)
			if len(values) != 1 {
				t.Fatalf("%s, %s, %s: %d values in one round", e.name, column, measure.name, len(values))
			}
			v := values[0]
			if math.IsNaN(v) || math.IsInf(v, 0) || v < 0 || v == 0 && !mayBeZero[measure.name] {
				t.Errorf("%s, %s, %s = %v", e.name, column, measure.name, v)
			}
			if measure.name == "errors, all rounds" && v != 0 {
				t.Errorf("%s, %s: %v operations failed", e.name, column, v)
			}
			if want, ok := certain[measure.name]; ok && (column == poolSQL || column == sharedSQL) && (v < want.from || v > want.to) {
				t.Errorf("%s, %s, %s = %v, want %v", e.name, column, measure.name, v, want)
			}
		}
	}
}

func closeLab(t testing.TB, l *lab) {
	t.Helper()
	if err := l.close(); err != nil {
		t.Error(err)
	}
}

func TestQuickRunPrintsTheChosenTablesAndTheMachine(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)

	var out bytes.Buffer
	if err := run(t.Context(), []string{"-quick", "-run", "^(A/1|C/64)$", "-dsn", db.DSN}, &out, t.Output()); err != nil {
		t.Fatal(err)
	}
	printed := out.String()
	for _, want := range []string{
		"### A. ", "| ns/op | ", "### C. ", "| 64: µs/op | ", runtime.Version(), "PostgreSQL: 1", "rounds: 1",
	} {
		if !strings.Contains(printed, want) {
			t.Errorf("%q is missing in:\n%s", want, printed)
		}
	}
	if strings.Contains(printed, "### B. ") || strings.Contains(printed, "1,000: ") {
		t.Errorf("more than was asked for:\n%s", printed)
	}
	if strings.Contains(printed, db.DSN) {
		t.Error("the output contains the DSN")
	}
}

func TestQuickExperimentsFillEveryRowWithSaneNumbers(t *testing.T) {
	testdb.NoLeaks(t)
	db := testdb.New(t)
	l := &lab{quick: true, dsn: db.DSN}
	defer closeLab(t, l)
	for _, g := range allGroups(l) {
		t.Run(g.title[:1], func(t *testing.T) {
			results, err := g.run(t.Context(), 1, t.Output())
			if err != nil {
				t.Fatal(err)
			}
			var table strings.Builder
			if err := g.print(&table, results); err != nil {
				t.Fatal(err)
			}
			for i, e := range g.experiments {
				checkValues(t, g, e, results[i])
				for m := range e.measures {
					if row := "\n| " + e.rowName(m) + " | "; strings.Count(table.String(), row) != 1 {
						t.Errorf("not once in the table: %q", row)
					}
				}
			}
		})
	}
}

// BenchmarkExperiments runs every experiment in its quick form, so that none can rot. Its ns/op is the time of a whole
// experiment; the other metrics are the first row of the table, one per peer.
func BenchmarkExperiments(b *testing.B) {
	db := testdb.New(b)
	l := &lab{quick: true, dsn: db.DSN}
	defer closeLab(b, l)
	for _, g := range allGroups(l) {
		for _, e := range g.experiments {
			b.Run(e.name, func(b *testing.B) {
				var r result
				for b.Loop() {
					var err error
					if r, err = g.runExperiment(b.Context(), e, 1, b.Output()); err != nil {
						b.Fatal(err)
					}
				}
				checkValues(b, g, e, r)
				for arm, column := range g.columns {
					if e.arms[arm] == nil {
						continue
					}
					unit := strings.NewReplacer(" ", "-", ",", "").Replace(column + ":" + e.measures[0].name)
					b.ReportMetric(r.column(arm, 0)[0], unit)
				}
			})
		}
	}
}

func TestRunRefusesWhatItCannotDo(t *testing.T) {
	for name, args := range map[string][]string{
		"fewer than no rounds": {"-rounds", "-1"},
		"a broken pattern":     {"-run", "("},
		"nothing that match":   {"-run", "no such experiment"},
		"an unknown flag":      {"-fast"},
		"a stray argument":     {"A/1"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), args, &out, t.Output()); err == nil {
				t.Errorf("no error; output: %s", out.String())
			}
		})
	}
}
