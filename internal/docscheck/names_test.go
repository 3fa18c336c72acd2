package docscheck

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// root is where the documents are.
const root = "../../"

// documents returns the names of all pages of prose.
func documents(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md", ".github/*.md", "examples/*/*.md"} {
		found, err := filepath.Glob(root + pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("%s: %d pages, %v", pattern, len(found), err)
		}
		for _, path := range found {
			all = append(all, filepath.ToSlash(strings.TrimPrefix(path, filepath.Clean(root)+"/")))
		}
	}
	return all
}

var (
	// link matches the target of a Markdown link that is neither another site nor a heading.
	link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	// testName matches the name of a test, a benchmark, a fuzz target or an example, in backquotes.
	testName = regexp.MustCompile("`((?:Test|Benchmark|Fuzz|Example)[A-Z_][A-Za-z0-9_]*)`")
	// testFunc matches the declaration of one.
	testFunc = regexp.MustCompile(`(?m)^func ((?:Test|Benchmark|Fuzz|Example)[A-Za-z0-9_]*)\(`)
)

// missing returns which of the files that a document at name links to, and of the tests that it names, do not exist.
func missing(name, document string, exists func(path string) bool, tests map[string]bool) []string {
	var faults []string
	for _, m := range link.FindAllStringSubmatch(document, -1) {
		if target := filepath.Join(filepath.Dir(name), m[1]); !exists(target) {
			faults = append(faults, fmt.Sprintf("%s links to %s, which does not exist", name, m[1]))
		}
	}
	for _, m := range testName.FindAllStringSubmatch(document, -1) {
		if !tests[m[1]] {
			faults = append(faults, fmt.Sprintf("%s names %s, which no test file declares", name, m[1]))
		}
	}
	return faults
}

func TestWhatTheDocumentsNameExists(t *testing.T) {
	tests := declaredTests(t)
	exists := func(path string) bool {
		_, err := os.Stat(root + path)
		return err == nil
	}
	for _, name := range documents(t) {
		document, err := os.ReadFile(root + name)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, fault := range missing(name, string(document), exists, tests) {
			t.Error(fault)
		}
	}
}

// declaredTests returns the names of all test functions of the tree.
func declaredTests(t *testing.T) map[string]bool {
	t.Helper()
	tests := make(map[string]bool)
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() && entry.Name() == ".git" {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, "_test.go") {
			return nil
		}
		source, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range testFunc.FindAllStringSubmatch(string(source), -1) {
			tests[m[1]] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return tests
}

// TestTheNameCheckSeesWhatIsMissing proves that the test above can fail.
func TestTheNameCheckSeesWhatIsMissing(t *testing.T) {
	document := "See [there](there.md), [here](../here.md#part), [a site](https://go.dev/), [below](#below) and\n" +
		"`TestReal`, `TestImagined`, TestNotQuoted."
	exists := func(path string) bool { return path == "here.md" }
	got := missing("docs/a.md", document, exists, map[string]bool{"TestReal": true})
	want := []string{
		"docs/a.md links to there.md, which does not exist",
		"docs/a.md names TestImagined, which no test file declares",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}
