package lifecycle_test

import (
	"go/ast"
	"go/doc"
	"go/doc/comment"
	"go/parser"
	"go/token"
	"os"
	"regexp"
	"strings"
	"testing"
)

// readDoc returns the documentation of the package in this folder.
func readDoc(t *testing.T) *doc.Package {
	t.Helper()
	entries, err := os.ReadDir(".")
	if err != nil {
		t.Fatal(err)
	}
	fset := token.NewFileSet()
	var files []*ast.File
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), ".go") || strings.HasSuffix(e.Name(), "_test.go") {
			continue
		}
		f, err := parser.ParseFile(fset, e.Name(), nil, parser.ParseComments)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	p, err := doc.NewFromFiles(fset, files, "github.com/poolsql/poolsql/lifecycle")
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// docs returns the comment of each exported name, fields and constants included.
func docs(p *doc.Package) map[string]string {
	all := map[string]string{"package": p.Doc}
	values := func(vs []*doc.Value) {
		for _, v := range vs {
			for _, spec := range v.Decl.Specs {
				spec := spec.(*ast.ValueSpec)
				for _, name := range spec.Names {
					if name.IsExported() {
						all[name.Name] = v.Doc + spec.Doc.Text() + spec.Comment.Text()
					}
				}
			}
		}
	}
	funcs := func(of string, fs []*doc.Func) {
		for _, f := range fs {
			all[of+f.Name] = f.Doc
		}
	}
	values(p.Consts)
	values(p.Vars)
	funcs("", p.Funcs)
	for _, t := range p.Types {
		all[t.Name] = t.Doc
		values(t.Consts)
		values(t.Vars)
		funcs("", t.Funcs)
		funcs(t.Name+".", t.Methods)
	}
	return all
}

func TestEveryExportedNameIsDocumentedAndEachLinkLeadsSomewhere(t *testing.T) {
	p := readDoc(t)
	all := docs(p)
	if len(all) < 90 {
		t.Errorf("only %d names were found", len(all))
	}
	unresolved := regexp.MustCompile(`\[\*?[A-Za-z]+(\.[A-Za-z]+)*\]`)
	for name, text := range all {
		short := name[strings.LastIndexByte(name, '.')+1:]
		if strings.TrimSpace(text) == "" {
			t.Errorf("%s has no comment", name)
		}
		if _, isFunc := lookup(p, name); isFunc && !strings.HasPrefix(text, short+" ") {
			t.Errorf("%s's comment begins otherwise: %q", name, text)
		}
		for _, block := range p.Parser().Parse(text).Content {
			paragraph, ok := block.(*comment.Paragraph)
			if !ok {
				continue
			}
			for _, part := range paragraph.Text {
				if plain, ok := part.(comment.Plain); ok && unresolved.MatchString(string(plain)) {
					t.Errorf("%s: a link leads nowhere: %q", name, unresolved.FindString(string(plain)))
				}
			}
		}
	}
}

// lookup finds a function or method by the name that docs gives it.
func lookup(p *doc.Package, name string) (*doc.Func, bool) {
	all := p.Funcs
	typ, method, isMethod := strings.Cut(name, ".")
	for _, t := range p.Types {
		if !isMethod {
			all = append(all, t.Funcs...)
		} else if t.Name == typ {
			all, name = t.Methods, method
		}
	}
	for _, f := range all {
		if f.Name == name {
			return f, true
		}
	}
	return nil, false
}
