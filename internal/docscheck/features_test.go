package docscheck

import (
	"regexp"
	"strings"
	"testing"
)

// features are what can be switched on for overload, tenants and routes, by their pages.
var features = map[string]string{
	"shedding":        "docs/overload.md",
	"fair queuing":    "docs/tenants.md",
	"adaptive limit":  "docs/adaptive.md",
	"cost":            "docs/cost.md",
	"coalescing":      "docs/coalescing.md",
	"routes":          "docs/routes.md",
	"affinity":        "docs/affinity.md",
	"tags":            "docs/tags.md",
	"statement cache": "docs/statements.md",
	"prewarming":      "docs/prewarming.md",
}

var (
	exampleNamed = regexp.MustCompile("`Example[A-Z]")
	testNamed    = regexp.MustCompile("`Test[A-Z]")
)

// lacks returns what a page of a feature does not have. That what it names exists is for another test.
func lacks(page string) []string {
	var faults []string
	_, misuse, ok := strings.Cut(page, "\n## Worst misuse\n")
	misuse, _, _ = strings.Cut(misuse, "\n## ")
	if !ok || !testNamed.MatchString(misuse) {
		faults = append(faults, "a section on its worst misuse that names a test")
	}
	_, held, ok := strings.Cut(page, "\n## Example and tests\n")
	held, _, _ = strings.Cut(held, "\n## ")
	if !ok || !exampleNamed.MatchString(held) {
		faults = append(faults, "an example that runs")
	}
	if !ok || !testNamed.MatchString(held) {
		faults = append(faults, "a test of what it promises")
	}
	if !strings.Contains(page, "```go\n") {
		faults = append(faults, "code by which it is switched on")
	}
	return faults
}

func TestEachFeatureHasAPageWithAnExampleAndTestsOfPromiseAndMisuse(t *testing.T) {
	for feature, name := range features {
		for _, fault := range lacks(readFile(t, name)) {
			t.Errorf("%s: %s lacks %s", feature, name, fault)
		}
	}
}

// TestTheFeatureCheckSeesWhatIsMissing proves that the test above can fail.
func TestTheFeatureCheckSeesWhatIsMissing(t *testing.T) {
	const whole = "# A\n```go\nf()\n```\n## Worst misuse\nB: `TestB`.\n## Example and tests\n`ExampleA`, `TestA`.\n"
	if got := lacks(whole); len(got) > 0 {
		t.Errorf("found fault with what is right: %q", got)
	}
	for _, gone := range []string{"```go\n", "## Worst misuse\n", "`TestB`", "`ExampleA`", "`TestA`"} {
		if got := lacks(strings.Replace(whole, gone, "", 1)); len(got) == 0 {
			t.Errorf("without %q nothing is missed", gone)
		}
	}
}
