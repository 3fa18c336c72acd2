package conformance

import (
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestEveryUnlistedDifferenceAndEveryListedOneThatIsGoneIsAComplaint(t *testing.T) {
	allowed := []Difference{{Case: "c", Steps: []string{"listed"}, Modes: []pgx.QueryExecMode{pgx.QueryExecModeExec}, Want: "a", Got: "b", Reason: "r"}}
	saw := func(text string) []step { return []step{{"listed", text}, {"other", "same"}} }
	for _, c := range []struct {
		name      string
		mode      pgx.QueryExecMode
		want, got []step
		complaint string
	}{
		{"the listed difference", pgx.QueryExecModeExec, saw("a"), saw("b"), ""},
		{"gone", pgx.QueryExecModeExec, saw("a"), saw("a"), "does not show any more"},
		{"another one", pgx.QueryExecModeExec, saw("a"), saw("c"), "not the difference that is listed"},
		{"not listed in this mode", pgx.QueryExecModeSimpleProtocol, saw("a"), saw("b"), "want a"},
		{"equal in another mode", pgx.QueryExecModeSimpleProtocol, saw("a"), saw("a"), ""},
		{"step missing on one side", pgx.QueryExecModeSimpleProtocol, saw("a"), saw("a")[:1], "got  (absent)"},
		{"listed step missing on both", pgx.QueryExecModeExec, saw("a")[1:], saw("a")[1:], "neither comes to"},
	} {
		got := strings.Join(judge("c", c.mode, c.want, c.got, allowed), "\n")
		if (c.complaint == "") != (got == "") || !strings.Contains(got, c.complaint) {
			t.Errorf("%s: complaint %q, want %q", c.name, got, c.complaint)
		}
	}
	allowed[0].Rare = true
	for got, fine := range map[string]bool{"a": true, "b": true, "c": false} {
		if complaints := judge("c", pgx.QueryExecModeExec, saw("a"), saw(got), allowed); fine != (len(complaints) == 0) {
			t.Errorf("a rare difference between a and b, where %s was seen: %q", got, complaints)
		}
	}
}

func TestCasesAreNamedOnceAndDifferencesBelongToThem(t *testing.T) {
	if err := CheckCases(Cases(), PoolsqlDiffers); err != nil {
		t.Fatal(err)
	}
	if CheckCases([]Case{{Name: "a"}, {Name: "a"}}, nil) == nil || CheckCases(nil, PoolsqlDiffers) == nil {
		t.Error("a bad table passes")
	}
}
