package conformance

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"
)

// AllModes are pgx's execution modes.
var AllModes = []pgx.QueryExecMode{
	pgx.QueryExecModeCacheStatement, pgx.QueryExecModeCacheDescribe, pgx.QueryExecModeDescribeExec,
	pgx.QueryExecModeExec, pgx.QueryExecModeSimpleProtocol,
}

// A Difference is one that is allowed, and expected: at these steps of this case want sees one thing and got another.
type Difference struct {
	Case  string
	Steps []string
	// Modes are the execution modes in which it shows. Defaults to all.
	Modes []pgx.QueryExecMode
	// Want and Got are what the two see, whole; absent stands for a step that was not reached.
	Want, Got string
	// Rare says that two goroutines race for what got sees, so that it most often is what want does.
	Rare bool
	// Reason is why that is so, and better so.
	Reason string
}

// absent is what is seen at a step that one target does not come to.
const absent = "(absent)"

// Compare runs the cases on two targets, each on a database of its own, in each mode, and fails the test where got sees
// anything else than want does, but for the allowed differences, and where one of these does not show. The modes run beside
// each other.
func Compare(t *testing.T, database func(testing.TB) (dsn string), want, got Target, cases []Case, modes []pgx.QueryExecMode, allowed []Difference) {
	for _, mode := range modes {
		t.Run(modeName(mode), func(t *testing.T) {
			t.Parallel()
			wantSide, gotSide := newSide(t, want, database), newSide(t, got, database)
			for _, c := range cases {
				if c.Modes != nil && !slices.Contains(c.Modes, mode) {
					continue
				}
				t.Run(c.Name, func(t *testing.T) {
					var w, g []step
					var both sync.WaitGroup // most of the time goes by in waiting for the servers
					both.Go(func() { w = c.run(t, wantSide, mode) })
					both.Go(func() { g = c.run(t, gotSide, mode) })
					both.Wait()
					for _, complaint := range judge(c.Name, mode, w, g, allowed) {
						t.Error(complaint)
					}
				})
			}
		})
	}
}

// modeName is the mode's name as the name of a test.
func modeName(mode pgx.QueryExecMode) string {
	switch mode {
	case pgx.QueryExecModeCacheStatement:
		return "CacheStatement"
	case pgx.QueryExecModeCacheDescribe:
		return "CacheDescribe"
	case pgx.QueryExecModeDescribeExec:
		return "DescribeExec"
	case pgx.QueryExecModeExec:
		return "Exec"
	case pgx.QueryExecModeSimpleProtocol:
		return "SimpleProtocol"
	default:
		return fmt.Sprintf("mode %d", mode)
	}
}

// A side is a target with a database of its own.
type side struct {
	Target
	dsn     string
	watcher *pgx.Conn
}

func newSide(t *testing.T, target Target, database func(testing.TB) string) side {
	s := side{Target: target, dsn: database(t)}
	var err error
	if s.watcher, err = pgx.Connect(t.Context(), s.dsn); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.watcher.Close(context.WithoutCancel(t.Context())) })
	return s
}

// run runs the case on one side, which it finds empty, and returns what it noted.
func (c Case) run(t *testing.T, on side, mode pgx.QueryExecMode) []step {
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	if _, err := on.watcher.Exec(ctx, "drop schema public cascade; create schema public; "+c.Setup); err != nil {
		t.Fatal("setup: ", err)
	}
	conns := c.Conns
	if conns == 0 {
		conns = 4
	}
	db := on.Open(t, on.dsn, mode, conns)
	defer func() {
		if err := db.Close(); err != nil {
			t.Errorf("%s: close: %v", on.Name, err)
		}
	}()
	r := &Run{T: t, Ctx: ctx, DB: db, Mode: mode, target: on.Target, watcher: on.watcher, seen: map[string]int{}}
	c.Run(r)
	if n := db.Stats().InUse; n != 0 {
		t.Errorf("%s: %d connections of database/sql are in use after the case", on.Name, n)
	}
	return r.steps
}

// judge returns the differences between what was seen that are not allowed, and the allowed ones that do not show.
func judge(name string, mode pgx.QueryExecMode, want, got []step, allowed []Difference) (complaints []string) {
	complain := func(format string, args ...any) { complaints = append(complaints, fmt.Sprintf(format, args...)) }
	expected := map[string]Difference{}
	for _, d := range allowed {
		if d.Case == name && (d.Modes == nil || slices.Contains(d.Modes, mode)) {
			for _, name := range d.Steps {
				expected[name] = d
			}
		}
	}
	wanted, gotten := byName(want), byName(got)
	for _, name := range namesOf(want, got) {
		w, g := orAbsent(wanted, name), orAbsent(gotten, name)
		d, listed := expected[name]
		delete(expected, name)
		switch {
		case listed && d.Rare && w == g:
		case listed && w == g:
			complain("%s: the listed difference does not show any more: both see %s", name, w)
		case listed && (w != d.Want || g != d.Got):
			complain("%s: not the difference that is listed:\n\twant side %s\n\t   listed %s\n\t got side %s\n\t   listed %s",
				name, w, d.Want, g, d.Got)
		case !listed && w != g:
			complain("%s:\n\twant %s\n\tgot  %s", name, w, g)
		}
	}
	for name := range expected {
		complain("%s: a difference is listed for a step that neither comes to", name)
	}
	return complaints
}

// namesOf returns the names of all steps, in their order.
func namesOf(want, got []step) (names []string) {
	for _, s := range slices.Concat(want, got) {
		if !slices.Contains(names, s.name) {
			names = append(names, s.name)
		}
	}
	return names
}

func byName(steps []step) map[string]string {
	m := make(map[string]string, len(steps))
	for _, s := range steps {
		m[s.name] = s.saw
	}
	return m
}

func orAbsent(m map[string]string, name string) string {
	if saw, ok := m[name]; ok {
		return saw
	}
	return absent
}

// CheckCases reports what is wrong with the tables themselves: names used twice, and differences of no case.
func CheckCases(cases []Case, allowed []Difference) error {
	names := map[string]bool{}
	for _, c := range cases {
		if names[c.Name] {
			return fmt.Errorf("two cases are named %q", c.Name)
		}
		names[c.Name] = true
	}
	for _, d := range allowed {
		if !names[d.Case] {
			return fmt.Errorf("a difference is listed for %q, which is no case", d.Case)
		}
		if d.Reason == "" {
			return fmt.Errorf("a difference of %q has no reason", d.Case)
		}
	}
	return nil
}
