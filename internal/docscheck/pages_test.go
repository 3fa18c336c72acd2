package docscheck

import (
	"bufio"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/poolsql/poolsql"
)

// files returns the names of all files of the tree that end in suffix, but for what is made up for tests.
func files(t *testing.T, suffix string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == ".git" || entry.Name() == "testdata" || entry.Name() == "node_modules"):
			return filepath.SkipDir
		case !entry.IsDir() && strings.HasSuffix(path, suffix):
			all = append(all, filepath.ToSlash(strings.TrimPrefix(path, filepath.Clean(root)+"/")))
		}
		return nil
	})
	if err != nil || len(all) == 0 {
		t.Fatalf("%d files end in %s, %v", len(all), suffix, err)
	}
	return all
}

// readFile returns the text of a file.
func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(root + name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// anchors returns the names that GitHub gives the headings of a document.
func anchors(document string) map[string]bool {
	names := make(map[string]bool)
	fenced := false
	for line := range strings.Lines(document) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		hashes, heading, ok := strings.Cut(strings.TrimSpace(line), " ")
		if fenced || !ok || hashes == "" || strings.Trim(hashes, "#") != "" {
			continue
		}
		names[anchor(heading)] = true
	}
	return names
}

// anchor is lower case, with hyphens for spaces, and nothing else that is no letter or number.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r > 127:
			return r
		default:
			return -1
		}
	}, strings.ToLower(heading))
}

// toHeading matches a link that ends at a heading; the page is empty for one of the same page.
var toHeading = regexp.MustCompile(`\]\(([^)#:]*)#([^)]+)\)`)

func TestEveryLinkToAHeadingFindsIt(t *testing.T) {
	n := 0
	for _, name := range documents(t) {
		for _, m := range toHeading.FindAllStringSubmatch(readFile(t, name), -1) {
			n++
			page := name
			if m[1] != "" {
				page = filepath.Join(filepath.Dir(name), m[1])
			}
			if !strings.HasSuffix(page, ".md") || !isThere(page) {
				continue // another test says so
			}
			if !anchors(readFile(t, page))[m[2]] {
				t.Errorf("%s links to #%s of %s, which has no such heading", name, m[2], page)
			}
		}
	}
	if n < 20 {
		t.Errorf("found %d links to headings", n)
	}
}

// TestTheHeadingCheckSeesWhatIsMissing proves that the test above can fail.
func TestTheHeadingCheckSeesWhatIsMissing(t *testing.T) {
	got := anchors("# What `database/sql` cannot say\n```sh\n# no heading\n```\n## The live page\ntext # 3\n#! not one\n")
	if len(got) != 2 || !got["what-databasesql-cannot-say"] || !got["the-live-page"] {
		t.Errorf("got %v", got)
	}
}

// A reader of the README must be able to come to every page by one link, but for the runbooks, which have a page of their own.
func TestTheREADMELinksEveryPage(t *testing.T) {
	readme := readFile(t, "README.md")
	book := readFile(t, "docs/runbook/README.md")
	for _, name := range documents(t) {
		switch {
		case name == "README.md" || strings.HasPrefix(name, ".github/"):
		case strings.HasPrefix(name, "docs/runbook/P"):
			if !strings.Contains(book, "]("+filepath.Base(name)) {
				t.Errorf("docs/runbook/README.md does not link to %s", name)
			}
		case strings.HasPrefix(name, "examples/"):
			if !strings.Contains(readFile(t, "docs/observability.md"), name) {
				t.Errorf("docs/observability.md does not link to %s", name)
			}
		case !strings.Contains(readme, "]("+name):
			t.Errorf("the README does not link to %s", name)
		}
	}
}

// named matches a page of ours that something else than a page names.
var named = regexp.MustCompile(`\b(?:docs|examples)/[A-Za-z0-9_/.-]+\.(?:md|svg|png)\b`)

func TestPagesThatCodeNamesExist(t *testing.T) {
	n := 0
	for _, suffix := range []string{".go", ".yml", ".yaml", ".json"} {
		for _, name := range files(t, suffix) {
			if strings.HasPrefix(name, "internal/docscheck/") {
				continue
			}
			for _, page := range named.FindAllString(readFile(t, name), -1) {
				n++
				if !isThere(page) {
					t.Errorf("%s names %s, which does not exist", name, page)
				}
			}
		}
	}
	if n < 10 {
		t.Errorf("found %d names of pages", n)
	}
}

// picture matches a picture that is placed by HTML.
var picture = regexp.MustCompile(`<img src="([^"]+)"`)

func TestEveryPictureIsThere(t *testing.T) {
	for _, name := range documents(t) {
		for _, m := range picture.FindAllStringSubmatch(readFile(t, name), -1) {
			if !isThere(filepath.Join(filepath.Dir(name), m[1])) {
				t.Errorf("%s shows %s, which does not exist", name, m[1])
			}
		}
	}
}

// checkedElsewhere are kinds of blocks that another test compiles, runs or reads, or that nothing could: text is what programs
// print, and drawings.
var checkedElsewhere = []string{"go", "sh", "promql", "sql", "yaml", "mermaid", "text"}

// TestConfigurationsInBlocksAreRead reads what stands in blocks as JSON and as DSNs.
func TestConfigurationsInBlocksAreRead(t *testing.T) {
	read := 0
	for _, name := range documents(t) {
		kind := ""
		lines := bufio.NewScanner(strings.NewReader(readFile(t, name)))
		for n := 1; lines.Scan(); n++ {
			line := strings.TrimSpace(lines.Text())
			if after, ok := strings.CutPrefix(line, "```"); ok {
				switch {
				case kind != "":
					kind = ""
				case after != "json" && !slices.Contains(checkedElsewhere, after):
					t.Errorf("%s:%d: no test looks at blocks of %q", name, n, after)
					kind = "unknown"
				default:
					kind = after
				}
				continue
			}
			var cfg poolsql.Config
			switch {
			case kind == "json":
				if err := json.Unmarshal([]byte(line), &cfg); err != nil {
					t.Errorf("%s:%d: %v", name, n, err)
				}
			case kind == "text" && strings.Contains(line, "pool_") && (strings.HasPrefix(line, "postgres://") || strings.HasPrefix(line, "host=")):
				cfg.DSN = line
			default:
				continue
			}
			read++
			if err := cfg.Validate(); err != nil {
				t.Errorf("%s:%d: %v", name, n, err)
			}
		}
		if kind != "" {
			t.Errorf("%s: the last block has no end", name)
		}
	}
	if read < 3 {
		t.Errorf("read %d configurations", read)
	}
}

// Dependabot must know every module but the library's own of which it is told apart.
func TestEveryModuleIsKeptUpToDate(t *testing.T) {
	bot := readFile(t, ".github/dependabot.yml")
	for _, name := range files(t, "go.mod") {
		dir := "/" + strings.TrimSuffix(strings.TrimSuffix(name, "go.mod"), "/")
		if !regexp.MustCompile(`(?m)^\s+(- |directory: )` + regexp.QuoteMeta(dir) + `$`).MatchString(bot) {
			t.Errorf(".github/dependabot.yml does not list %s", dir)
		}
	}
}
