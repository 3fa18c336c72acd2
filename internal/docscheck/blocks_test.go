package docscheck

import (
	"bufio"
	"bytes"
	"fmt"
	"go/ast"
	"go/format"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// A block is a fenced piece of code.
type block struct {
	file string
	line int // of its first line
	text string
}

// goBlocks returns the blocks of a document that are marked as Go.
func goBlocks(name, document string) []block {
	var blocks []block
	var current *block
	lines := bufio.NewScanner(strings.NewReader(document))
	for n := 1; lines.Scan(); n++ {
		switch line := lines.Text(); {
		case current == nil && line == "```go":
			current = &block{file: name, line: n + 1}
		case current != nil && line == "```":
			blocks = append(blocks, *current)
			current = nil
		case current != nil:
			current.text += line + "\n"
		}
	}
	return blocks
}

// checker type-checks blocks against the packages as they are built now.
type checker struct {
	tokens   *token.FileSet
	imported types.Importer
}

// newChecker builds the packages that blocks may use, which is quick when the tests were.
func newChecker(t *testing.T) *checker {
	t.Helper()
	list := exec.CommandContext(t.Context(), "go", "list", "-export", "-deps", "-f", "{{.ImportPath}}\t{{.Export}}")
	list.Args = append(list.Args, slices.Sorted(maps.Values(packages))...)
	var complaints bytes.Buffer
	list.Stderr = &complaints
	out, err := list.Output()
	if err != nil {
		t.Fatalf("%v: %v\n%s", list, err, complaints.String())
	}
	exports := make(map[string]string)
	for line := range strings.Lines(string(out)) {
		path, file, _ := strings.Cut(strings.TrimSpace(line), "\t")
		exports[path] = file
	}
	c := &checker{tokens: token.NewFileSet()}
	c.imported = importer.ForCompiler(c.tokens, "gc", func(path string) (io.ReadCloser, error) {
		if exports[path] == "" {
			return nil, fmt.Errorf("%s is not among the packages that a block may use", path)
		}
		return os.Open(exports[path])
	})
	return c
}

// check returns what the compiler would say to a block: as it is if it is a whole file, else with the imports that it
// lacks, and, if it is no list of declarations, as the body of a function. Of such a piece it is no fault that a
// variable is not used: the reader goes on from there.
func (c *checker) check(b block) []string {
	if strings.HasPrefix(strings.TrimSpace(b.text), "package ") {
		return c.compile(b, b.text, 0, false)
	}
	var imports strings.Builder
	for _, name := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(&imports, "import %s %q; ", name, packages[name])
	}
	asFile := "package block; " + imports.String() + "\n" + b.text
	if _, err := parser.ParseFile(token.NewFileSet(), b.file, asFile, parser.SkipObjectResolution); err == nil {
		return c.compile(b, asFile, 1, true)
	}
	// The braces inside let the block declare what it is given.
	asBody := "package block; " + imports.String() + "\nfunc _(" + given + ") error { {\n" + b.text + "}\nreturn nil }\n"
	return c.compile(b, asBody, 2, true)
}

// compile parses and type-checks text, whose first lines are not the block's.
func (c *checker) compile(b block, text string, before int, partial bool) []string {
	var faults []string
	at := func(p token.Position) string { return fmt.Sprintf("%s:%d", b.file, b.line+p.Line-1-before) }
	file, err := parser.ParseFile(c.tokens, b.file, text, parser.SkipObjectResolution)
	if err != nil {
		return []string{fmt.Sprintf("%s:%d: %v", b.file, b.line, err)}
	}
	conf := types.Config{
		Importer: c.imported,
		Error: func(err error) {
			fault, ok := err.(types.Error)
			if ok && fault.Soft && partial {
				return
			}
			faults = append(faults, at(fault.Fset.Position(fault.Pos))+": "+fault.Msg)
		},
	}
	conf.Check("block", c.tokens, []*ast.File{file}, nil) // its error is the first that Error was told
	return faults
}

func TestEveryGoBlockCompiles(t *testing.T) {
	var blocks []block
	for _, name := range documents(t) {
		document, err := os.ReadFile(root + name)
		if err != nil {
			t.Fatal(err)
		}
		found := goBlocks(name, string(document))
		if n := strings.Count(string(document), "```go"); len(found) != n {
			t.Fatalf("%s: found %d blocks of %d", name, len(found), n)
		}
		blocks = append(blocks, found...)
	}
	if len(blocks) < 20 {
		t.Fatalf("found %d blocks in all", len(blocks))
	}
	c := newChecker(t)
	for _, b := range blocks {
		for _, fault := range c.check(b) {
			t.Error(fault)
		}
		if formatted, err := format.Source([]byte(b.text)); err == nil && string(formatted) != b.text {
			t.Errorf("%s:%d: not as gofmt has it; that is\n%s", b.file, b.line, formatted)
		}
	}
}

// TestTheBlockCheckSeesWhatIsWrong proves that the test above can fail.
func TestTheBlockCheckSeesWhatIsWrong(t *testing.T) {
	c := newChecker(t)
	for _, tt := range []struct{ name, text, fault string }{
		{"statements", "row := db.QueryRowContext(ctx, \"select 1\")\n", ""},
		{"statements that return", "if err := db.PingContext(ctx); err != nil {\n\treturn err\n}\n", ""},
		{"declarations", "func f() time.Duration { return poolsql.None }\n", ""},
		{"whole program", "package main\n\nimport \"fmt\"\n\nfunc main() { fmt.Println() }\n", ""},
		{"method that does not exist", "db, err := poolsql.Open(poolsql.Config{})\ndb.Drain()\n", "doc.md:8: db.Drain undefined"},
		{"field that does not exist", "var cfg = poolsql.Config{Dns: \"\"}\n", "doc.md:7: unknown field Dns"},
		{"wrong type", "poolsql.Open(dsn)\n", "doc.md:7: cannot use dsn"},
		{"unknown package", "x := nosuch.Thing()\n", "undefined: nosuch"},
		{"syntax", "if {\n", "doc.md"},
		{"whole program that lacks an import", "package main\n\nfunc main() { fmt.Println() }\n", "doc.md:9: undefined: fmt"},
		{"whole program with an unused variable", "package main\n\nfunc main() { x := 1 }\n", "declared and not used"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			faults := c.check(block{file: "doc.md", line: 7, text: tt.text})
			switch {
			case tt.fault == "" && len(faults) > 0:
				t.Errorf("found fault with what is right: %q", faults)
			case tt.fault != "" && !slices.ContainsFunc(faults, func(s string) bool { return strings.Contains(s, tt.fault) }):
				t.Errorf("got %q, want one that says %q", faults, tt.fault)
			}
		})
	}
}

func TestGoBlocksAreFoundWithTheirLines(t *testing.T) {
	got := goBlocks("doc.md", "text\n```go\na\nb\n```\n```sh\nc\n```\n\n```go\nd\n```\n")
	want := []block{{"doc.md", 3, "a\nb\n"}, {"doc.md", 11, "d\n"}}
	if !slices.Equal(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
