package docscheck

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// An entry point is what a reader of a package's documentation begins with: what makes something, opens it, finds it, marks a
// context or chooses. Methods are found from what these return, and types by using them.
var entryPoint = regexp.MustCompile(`^(New|Open|From|With|Without|Register|Run|Parse|By|Optimal|Handler|Error|Status|Track|Timings|Join|Savepoint|Comments)`)

// inner are entry points that only whoever builds another pool of these parts would use: their doc comments have to do.
var inner = map[string][]string{
	"driver":   {"NewCoalescer", "NewSession", "Open"},
	"priority": {"NewWaiter"},
}

// publicFolders returns the folders of the packages that users may import.
func publicFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		name := entry.Name()
		if path != root && (name[0] == '.' && name != ".." || name == "internal" || name == "examples" || name == "docs" || name == "testdata") {
			return filepath.SkipDir
		}
		if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) > 0 {
			folders = append(folders, path)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

// withoutExample returns the entry points of a package that none of its examples calls. files are its files, tests included.
func withoutExample(files map[string]*ast.File) []string {
	var entries []string
	shown := make(map[string]bool)
	for name, file := range files {
		isTest := strings.HasSuffix(name, "_test.go")
		for _, decl := range file.Decls {
			f, ok := decl.(*ast.FuncDecl)
			switch {
			case !ok || f.Recv != nil || f.Body == nil:
			case isTest && strings.HasPrefix(f.Name.Name, "Example"):
				ast.Inspect(f.Body, func(n ast.Node) bool {
					if s, ok := n.(*ast.SelectorExpr); ok {
						shown[s.Sel.Name] = true
					}
					return true
				})
			case !isTest && f.Name.IsExported() && entryPoint.MatchString(f.Name.Name):
				entries = append(entries, f.Name.Name)
			}
		}
	}
	entries = slices.DeleteFunc(entries, func(name string) bool { return shown[name] })
	slices.Sort(entries)
	return entries
}

func TestEveryEntryPointHasAnExample(t *testing.T) {
	folders := publicFolders(t)
	if len(folders) < 8 {
		t.Fatalf("%d packages: %q", len(folders), folders)
	}
	for _, folder := range folders {
		files := make(map[string]*ast.File)
		names, err := filepath.Glob(filepath.Join(folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range names {
			if files[name], err = parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution); err != nil {
				t.Fatal(err)
			}
		}
		folder = strings.TrimPrefix(filepath.ToSlash(folder), root)
		for _, name := range withoutExample(files) {
			if !slices.Contains(inner[folder], name) {
				t.Errorf("%s: no Example of the package calls %s", folder, name)
			}
		}
	}
}

// TestTheExampleCheckSeesWhatIsMissing proves that the test above can fail.
func TestTheExampleCheckSeesWhatIsMissing(t *testing.T) {
	files := make(map[string]*ast.File)
	for name, text := range map[string]string{
		"a.go":      "func NewThing() {}\nfunc OpenThing() {}\nfunc newThing() {}\nfunc Thing() {}\nfunc (t T) WithThing() {}\ntype T int",
		"a_test.go": "func ExampleNewThing() { x.NewThing() }\nfunc TestOpenThing() { x.OpenThing() }",
	} {
		file, err := parser.ParseFile(token.NewFileSet(), name, "package x\n"+text, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files[name] = file
	}
	if got := fmt.Sprint(withoutExample(files)); got != "[OpenThing]" {
		t.Errorf("got %s", got)
	}
}
