package main

import (
	"bytes"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/internal/testdb"
)

// mayBeZero names the measures for which nothing is a sane result.
var mayBeZero = map[string]bool{
	"errors, all rounds": true,
	"new connections":    true,
	"allocs/op":          true,

	// Of those who lose a connection, nobody keeps it; of those who do not, no next statement may be late.
	"caller returns after its deadline, p99 (ms)":       true,
	"connection serves again after that, p50 (ms)":      true,
	"the same, p99 (ms)":                                true,
	"from the deadline until it serves again, p50 (ms)": true,

	"stray cancels in 10,000 statements after them, all rounds": true,
	"other failures among these, all rounds":                    true,
	"failed statements, all rounds":                             true,
	"server accepts → 80 % of the former rate (s)":              true,
	"failures that name the cause (%)":                          true,
}

// certain names what poolsql reaches on any machine, however busy it is.
var certain = map[string]float64{
	"connections opened, the first 8 included":                  openConns,
	"server processes met":                                      openConns,
	"stray cancels in 10,000 statements after them, all rounds": 0,
	"other failures among these, all rounds":                    0,
	"failed statements, all rounds":                             0,
	"failures that name the cause (%)":                          100,
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
			if want, ok := certain[measure.name]; ok && column == poolSQL && v != want {
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
	if err := run(t.Context(), []string{"-quick", "-run", "^(A/1|C/64)$", "-dsn", db.DSN}, &out, io.Discard); err != nil {
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
			results, err := g.run(t.Context(), 1, io.Discard)
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
					if r, err = g.runExperiment(b.Context(), e, 1, io.Discard); err != nil {
						b.Fatal(err)
					}
				}
				checkValues(b, g, e, r)
				for arm, column := range g.columns {
					unit := strings.NewReplacer(" ", "-", ",", "").Replace(column + ":" + e.measures[0].name)
					b.ReportMetric(r.column(arm, 0)[0], unit)
				}
			})
		}
	}
}

func TestRunRefusesWhatItCannotDo(t *testing.T) {
	for name, args := range map[string][]string{
		"no round":           {"-rounds", "0"},
		"a broken pattern":   {"-run", "("},
		"nothing that match": {"-run", "no such experiment"},
		"an unknown flag":    {"-fast"},
		"a stray argument":   {"A/1"},
	} {
		t.Run(name, func(t *testing.T) {
			var out bytes.Buffer
			if err := run(t.Context(), args, &out, io.Discard); err == nil {
				t.Errorf("no error; output: %s", out.String())
			}
		})
	}
}
