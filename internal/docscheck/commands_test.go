package docscheck

import (
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// commandWords begin what a reader is told to type.
var commandWords = []string{"go", "bash", "make", "docker"}

// inline matches a piece of code inside a line.
var inline = regexp.MustCompile("`([^`\n]+)`")

// commands returns the command lines of a document: those of its blocks of sh, and those in its text.
func commands(document string) []string {
	var found []string
	text := ""
	fence := ""
	joined := strings.ReplaceAll(document, "\\\n", " ")
	for line := range strings.Lines(joined) {
		trimmed := strings.TrimSpace(line)
		switch {
		case strings.HasPrefix(trimmed, "```"):
			if fence == "" {
				fence = trimmed
			} else {
				fence = ""
			}
		case fence == "```sh" && trimmed != "":
			found = append(found, trimmed)
		case fence == "":
			text += line
		}
	}
	for _, m := range inline.FindAllStringSubmatch(text, -1) {
		if words := split(m[1]); len(words) > 1 && slices.Contains(commandWords, words[0]) {
			found = append(found, m[1])
		} else if strings.HasPrefix(m[1], "POOLSQL_") {
			found = append(found, m[1])
		}
	}
	return found
}

// split splits a command into its words, as a shell does, without its comment.
func split(line string) []string {
	var words []string
	word, in, quote := "", false, rune(0)
	for _, r := range line + " " {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word += string(r)
		case r == '\'' || r == '"':
			quote, in = r, true
		case r == '#' && !in:
			return words
		case r == ' ' || r == '\t':
			if in {
				words = append(words, word)
			}
			word, in = "", false
		default:
			word += string(r)
			in = true
		}
	}
	return words
}

// setting matches what stands before a command for its environment.
var setting = regexp.MustCompile(`^([A-Z_]+)=`)

// fault returns what is wrong with a command, nothing if nothing is. What is not ours, git for example, is not looked at.
func (c *commandCheck) fault(line string) error {
	words := split(line)
	for len(words) > 0 {
		m := setting.FindStringSubmatch(words[0])
		if m == nil {
			break
		}
		if strings.HasPrefix(m[1], "POOLSQL_") && !c.variables[m[1]] {
			return fmt.Errorf("nothing reads %s", m[1])
		}
		words = words[1:]
	}
	if len(words) < 2 {
		return nil
	}
	switch words[0] + " " + words[1] {
	case "go run", "go test", "go doc", "go generate", "go build":
		return c.goCommand(words[1], words[2:])
	case "bash .ci/run":
		for _, step := range words[2:] {
			if step != "-l" && !slices.Contains(c.steps, step) {
				return fmt.Errorf(".ci/run has no step %s", step)
			}
		}
	case "docker compose":
		if at := slices.Index(words, "-f"); at > 0 && at+1 < len(words) && !isThere(words[at+1]) {
			return fmt.Errorf("there is no %s", words[at+1])
		}
	}
	if words[0] == "make" {
		for _, target := range words[1:] {
			if !slices.Contains(c.targets, target) && !setting.MatchString(target) {
				return fmt.Errorf("the Makefile has no target %s", target)
			}
		}
	}
	return nil
}

// goCommand looks at folders and flags.
func (c *commandCheck) goCommand(verb string, words []string) error {
	dir, patterns, flags := "", []string(nil), []string(nil)
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case strings.HasPrefix(word, "./"):
			dir = strings.TrimSuffix(word, "/...")
			if word != "./..." && !isThere(dir) {
				return fmt.Errorf("there is no folder %s", dir)
			}
		case strings.HasPrefix(word, "github.com/poolsql/poolsql/"):
			dir = strings.TrimSuffix(strings.TrimPrefix(word, "github.com/poolsql/poolsql/"), "...")
			if !isThere(dir) {
				return fmt.Errorf("there is no package %s", word)
			}
		case len(word) > 1 && word[0] == '-':
			flags = append(flags, strings.TrimLeft(word, "-"))
			if i+1 < len(words) && (word == "-run" || word == "-bench") {
				i++
				patterns = append(patterns, words[i])
			}
		}
	}
	if dir == "" {
		return nil
	}
	known, err := declared(dir)
	if err != nil {
		return err
	}
	if verb == "run" {
		if !known.isMain {
			return fmt.Errorf("%s is no program", dir)
		}
		for _, name := range flags {
			if !known.literals[name] {
				return fmt.Errorf("%s has no flag -%s", dir, name)
			}
		}
	}
	for _, pattern := range patterns {
		if pattern == "xxx" || pattern == "-" || pattern == "^$" { // none is meant
			continue
		}
		match, err := regexp.Compile(pattern)
		if err != nil {
			return err
		}
		names := known.tests
		if verb == "run" {
			names = known.literals
		}
		found := false
		for name := range names {
			// What the comparison has in a group is named by group/experiment.
			found = found || match.MatchString(name) || verb == "run" && match.MatchString(name+"/")
		}
		if !found {
			return fmt.Errorf("nothing in %s matches %s", dir, pattern)
		}
	}
	return nil
}

// A folder is what is known of the Go files of one.
type folder struct {
	isMain   bool
	literals map[string]bool // strings of its code, among them the names of flags
	tests    map[string]bool
}

// declared reads the Go files of a folder. What the short examples have in common is theirs, too.
func declared(dir string) (folder, error) {
	f := folder{literals: map[string]bool{"race": true}, tests: make(map[string]bool)}
	names, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
	if err != nil || len(names) == 0 {
		return f, errors.Join(err, fmt.Errorf("there is no Go code in %s", dir))
	}
	short, err := filepath.Glob(filepath.Join(root, "examples/internal/short/*.go"))
	if err != nil {
		return f, err
	}
	for i, name := range append(names, short...) {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			return f, err
		}
		if i < len(names) && file.Name.Name == "main" {
			f.isMain = true
		}
		ast.Inspect(file, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BasicLit:
				if text, err := strconv.Unquote(n.Value); err == nil && n.Kind == token.STRING {
					f.literals[text] = true
				}
			case *ast.FuncDecl:
				f.tests[n.Name.Name] = true
			}
			return true
		})
	}
	return f, nil
}

func isThere(path string) bool {
	_, err := os.Stat(filepath.Join(root, path))
	return err == nil
}

// A commandCheck knows what commands can name.
type commandCheck struct {
	steps     []string        // of .ci/run
	targets   []string        // of the Makefile
	variables map[string]bool // of the environment that something of ours reads
}

func newCommandCheck(t *testing.T) *commandCheck {
	t.Helper()
	c := &commandCheck{variables: make(map[string]bool)}
	ci := readFile(t, ".ci/run")
	for _, m := range regexp.MustCompile(`(?m)^(?:steps|longer)=\((.*)\)$`).FindAllStringSubmatch(ci, -1) {
		c.steps = append(c.steps, strings.Fields(m[1])...)
	}
	makefile := readFile(t, "Makefile")
	for _, m := range regexp.MustCompile(`(?m)^([a-z]+):`).FindAllStringSubmatch(makefile, -1) {
		c.targets = append(c.targets, m[1])
	}
	variable := regexp.MustCompile(`POOLSQL_[A-Z_]+`)
	for _, name := range files(t, ".go") {
		if strings.HasPrefix(name, "internal/docscheck/") {
			continue // these tests name some that must not be there
		}
		for _, found := range variable.FindAllString(readFile(t, name), -1) {
			c.variables[found] = true
		}
	}
	for _, found := range variable.FindAllString(ci+makefile, -1) {
		c.variables[found] = true
	}
	if len(c.steps) < 10 || len(c.targets) < 5 || len(c.variables) < 5 {
		t.Fatalf("%d steps, %d targets, %d variables", len(c.steps), len(c.targets), len(c.variables))
	}
	return c
}

// usage matches a command in a comment of Go code.
var usage = regexp.MustCompile(`(?m)^//\t((?:POOLSQL_\S+ )*go (?:run|test) .*(?:\\\n//.*)*)$`)

func TestEveryCommandNamesWhatIsThere(t *testing.T) {
	c := newCommandCheck(t)
	n := 0
	look := func(name string, lines []string) {
		n += len(lines)
		for _, line := range lines {
			if err := c.fault(line); err != nil {
				t.Errorf("%s: %s: %v", name, line, err)
			}
		}
	}
	for _, name := range documents(t) {
		look(name, commands(readFile(t, name)))
	}
	for _, name := range files(t, ".go") {
		var lines []string
		for _, m := range usage.FindAllStringSubmatch(readFile(t, name), -1) {
			lines = append(lines, strings.ReplaceAll(m[1], "\\\n//", " "))
		}
		look(name, lines)
	}
	if n < 50 {
		t.Errorf("found %d commands in all", n)
	}
}

// TestTheCommandCheckSeesWhatIsWrong proves that the test above can fail.
func TestTheCommandCheckSeesWhatIsWrong(t *testing.T) {
	c := newCommandCheck(t)
	for line, want := range map[string]string{
		"go run ./examples/sql":                                  "",
		"go run ./examples/sql # a comment":                      "",
		"go run ./examples/sql -dsn \"$DATABASE_URL\"":           "",
		"go run ./examples/nosuch":                               "there is no folder",
		"go run ./examples/sql -dns x":                           "no flag -dns",
		"go run ./priority":                                      "is no program",
		"go run ./examples/compare -run '^I/'":                   "",
		"go run ./examples/compare -run '^Z/'":                   "nothing in",
		"go test ./driver -run xxx -bench AThousandIdentical":    "",
		"go test ./driver -bench NoSuchBenchmark":                "nothing in",
		"go test work":                                           "",
		"bash .ci/run fuzz bench":                                "",
		"bash .ci/run everything":                                "no step everything",
		"make help":                                              "",
		"make money":                                             "no target money",
		"POOLSQL_SUITES=all go test ./internal/suites":           "",
		"POOLSQL_SWEETS=all go test ./internal/suites":           "nothing reads POOLSQL_SWEETS",
		"docker compose -f examples/nosuch/compose.yaml up":      "there is no examples/nosuch",
		"go doc github.com/poolsql/poolsql/health":               "",
		"go doc github.com/poolsql/poolsql/wealth":               "there is no package",
		"git tag -s \"$version\" -m \"$version\"":                "",
		"go list -m \"github.com/poolsql/poolsql@$version\" # x": "",
	} {
		switch err := c.fault(line); {
		case want == "" && err != nil:
			t.Errorf("%s: found fault with what is right: %v", line, err)
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: got %v, want one that says %q", line, err, want)
		}
	}
	got := commands("Say `go run ./a -b`, `go.mod` or `make`.\n```sh\ngo test ./c \\\n\t-run D\n```\n```go\ngo f()\n```\n")
	if want := []string{"go test ./c  \t-run D", "go run ./a -b"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
