package poolsql_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// A sourceFile is what the rules are about.
type sourceFile struct {
	path   string // from the root, with slashes
	syntax *ast.File
	tokens *token.FileSet
}

func (f *sourceFile) dir() string {
	if d := path.Dir(f.path); d != "." {
		return d
	}
	return ""
}

func (f *sourceFile) isTest() bool { return strings.HasSuffix(f.path, "_test.go") }

func (f *sourceFile) at(n ast.Node) string {
	return fmt.Sprintf("%s:%d", f.path, f.tokens.Position(n.Pos()).Line)
}

// within reports whether dir is root or below it.
func within(dir, root string) bool { return dir == root || strings.HasPrefix(dir, root+"/") }

// scaffoldOf returns the scaffold that dir belongs to.
func scaffoldOf(dir string) (string, bool) { return longest(scaffolds, dir) }

// apartOf returns the module of its own that dir belongs to.
func apartOf(dir string) (string, bool) { return longest(apart, dir) }

// longest returns the innermost of the roots that dir is in.
func longest(roots map[string][]string, dir string) (string, bool) {
	found, ok := "", false
	for root := range roots {
		if within(dir, root) && len(root) > len(found) {
			found, ok = root, true
		}
	}
	return found, ok
}

// partOf returns the part that dir belongs to, nil if there is none.
func partOf(dir string) *part {
	for i := range parts {
		if p := &parts[i]; p.dir == dir || (p.dir != "" && within(dir, p.dir)) {
			return p
		}
	}
	return nil
}

// checkImports returns what is wrong with the imports of f.
func checkImports(f *sourceFile) []string {
	if !known(f.dir()) {
		return []string{fmt.Sprintf("%s: the folder %q is in none of this test's tables: decide what it may know", f.path, f.dir())}
	}
	var wrong []string
	for _, spec := range f.syntax.Imports {
		target, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			wrong = append(wrong, fmt.Sprintf("%s: import %s: %v", f.at(spec), spec.Path.Value, err))
			continue
		}
		if why := forbidden(f, target); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", f.at(spec), target, why))
		}
		if why := badAlias(spec, target); why != "" {
			wrong = append(wrong, fmt.Sprintf("%s imports %s: %s", f.at(spec), target, why))
		}
	}
	return wrong
}

// known reports whether dir is in one of the tables.
func known(dir string) bool {
	_, scaffold := scaffoldOf(dir)
	_, other := apartOf(dir)
	return scaffold || other || partOf(dir) != nil
}

// forbidden says why f may not import target, "" if it may.
func forbidden(f *sourceFile, target string) string {
	dir := f.dir()
	own, isOurs := strings.CutPrefix(target, module)
	isOurs = isOurs && (own == "" || own[0] == '/')
	own = strings.TrimPrefix(own, "/")
	if isOurs && own == dir {
		return "" // its external test
	}
	if f.isTest() && allowedForTest(dir, target, own, isOurs) {
		return ""
	}
	if root, ok := apartOf(dir); ok {
		return forbiddenApart(root, apart[root], own, isOurs)
	}
	if root, ok := scaffoldOf(dir); ok {
		if !isOurs && isExternal(target) && !within(target, pgxModule) {
			return fmt.Sprintf("%q may import of others only pgx: a library's go.mod raises its users' versions", root)
		}
		return forbiddenApart(root, scaffolds[root], own, isOurs)
	}
	p := partOf(dir)
	switch {
	case isOurs:
		return forbiddenOurs(p, own)
	case isExternal(target):
		if !underAny(target, p.external) {
			return fmt.Sprintf("%q may import of others only %v", p.dir, p.external)
		}
	case underAny(target, p.never):
		return fmt.Sprintf("%q must not know it", p.dir)
	}
	return ""
}

// forbiddenOurs says why the part p may not import the folder own.
func forbiddenOurs(p *part, own string) string {
	if root, ok := scaffoldOf(own); ok {
		return root + " is for tests and examples"
	}
	if root, ok := apartOf(own); ok {
		return root + " is a module of its own"
	}
	q := partOf(own)
	switch {
	case q == nil:
		return fmt.Sprintf("the folder %q is in none of this test's tables: decide who may know it", own)
	case q == p:
		return "" // folders below it
	case q.rank >= p.rank:
		return fmt.Sprintf("%q has rank %d and may import lower ranks only; %q has %d", p.dir, p.rank, q.dir, q.rank)
	}
	return ""
}

// forbiddenApart says why root, which may import the folders in list, may not import the folder own.
func forbiddenApart(root string, list []string, own string, isOurs bool) string {
	if !isOurs || within(own, root) {
		return ""
	}
	for _, allowed := range list {
		if allowed == public && isPublic(own) || within(own, allowed) {
			return ""
		}
	}
	return fmt.Sprintf("%q may import of this module only %v", root, list)
}

// isPublic reports whether dir is a part that users may import.
func isPublic(dir string) bool {
	return partOf(dir) != nil && !slices.Contains(strings.Split(dir, "/"), "internal")
}

// allowedForTest reports whether tests in dir may import target though the folder's other files may not.
func allowedForTest(dir, target, own string, isOurs bool) bool {
	if _, ok := scaffoldOf(own); ok && isOurs {
		return true
	}
	for _, allowed := range allowedInTests[dir] {
		if isOurs && own == allowed || !isOurs && allowed != "" && within(target, allowed) {
			return true
		}
	}
	return false
}

// isExternal reports whether target is neither ours nor the standard library's.
func isExternal(target string) bool {
	first, _, _ := strings.Cut(target, "/")
	return strings.Contains(first, ".")
}

func underAny(target string, roots []string) bool {
	return slices.ContainsFunc(roots, func(root string) bool { return within(target, root) })
}

// badAlias says what is wrong with the name under which spec imports target.
func badAlias(spec *ast.ImportSpec, target string) string {
	name := ""
	if spec.Name != nil {
		name = spec.Name.Name
	}
	if want, ok := aliases[target]; ok {
		switch {
		case name == want || name == "_":
			return ""
		case want == "":
			return fmt.Sprintf("it keeps its own name everywhere and is not called %q", name)
		default:
			return fmt.Sprintf("write the alias %s", want)
		}
	}
	if name == "" {
		name = path.Base(target)
	}
	if name == "driver" || name == "otel" {
		return fmt.Sprintf("the name %q is taken in every file", name)
	}
	return ""
}

// checkNames returns the local variables of f that shadow one of our packages in the reader's mind.
func checkNames(f *sourceFile) []string {
	var wrong []string
	check := func(names ...*ast.Ident) {
		for _, n := range names {
			if n.Name == "driver" || n.Name == "connector" || n.Name == "priority" {
				wrong = append(wrong, fmt.Sprintf("%s: a variable is called %s, like a package", f.at(n), n.Name))
			}
		}
	}
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.AssignStmt:
			if n.Tok == token.DEFINE {
				check(identsOf(n.Lhs)...)
			}
		case *ast.RangeStmt:
			if n.Tok == token.DEFINE {
				check(identsOf([]ast.Expr{n.Key, n.Value})...)
			}
		case *ast.ValueSpec:
			check(n.Names...)
		case *ast.FuncType:
			for _, list := range []*ast.FieldList{n.Params, n.Results} {
				if list == nil {
					continue
				}
				for _, field := range list.List {
					check(field.Names...)
				}
			}
		}
		return true
	})
	return wrong
}

func identsOf(exprs []ast.Expr) []*ast.Ident {
	var idents []*ast.Ident
	for _, e := range exprs {
		if id, ok := e.(*ast.Ident); ok {
			idents = append(idents, id)
		}
	}
	return idents
}

// checkPackages returns what is wrong with the clauses and the package comments of the folders.
func checkPackages(files []*sourceFile) []string {
	var wrong []string
	docs := make(map[string][]string) // by folder, where they stand
	for _, f := range files {
		dir, clause := f.dir(), f.syntax.Name.Name
		if want := clauseOf(dir); clause != "main" && strings.TrimSuffix(clause, "_test") != want {
			wrong = append(wrong, fmt.Sprintf("%s: the package is %s and should be %s", f.path, clause, want))
		}
		if f.isTest() {
			continue
		}
		if f.syntax.Doc == nil {
			docs[dir] = slices.Clip(docs[dir]) // an entry for the folder, so that one without any is seen
			continue
		}
		docs[dir] = append(docs[dir], f.path)
		begin := "Package " + clause + " "
		if clause == "main" {
			begin = "Command " + path.Base(dir) + " "
		}
		if text := strings.ReplaceAll(f.syntax.Doc.Text(), "\n", " "); !strings.HasPrefix(text, begin) {
			wrong = append(wrong, fmt.Sprintf("%s: the package comment should begin with %q", f.path, begin))
		}
	}
	for dir, where := range docs {
		if len(where) != 1 {
			wrong = append(wrong, fmt.Sprintf("the folder %q has %d package comments, and should have one: %v", dir, len(where), where))
		}
	}
	slices.Sort(wrong)
	return wrong
}

// clauseOf returns the name of the package in dir.
func clauseOf(dir string) string {
	for _, p := range parts {
		if p.dir == dir && p.name != "" {
			return p.name
		}
	}
	return path.Base(dir)
}

// sourceFiles returns every Go file of the tree, whatever system it is for.
func sourceFiles(t *testing.T) []*sourceFile {
	t.Helper()
	tokens := token.NewFileSet()
	var files []*sourceFile
	err := filepath.WalkDir(".", func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := entry.Name()
		if entry.IsDir() {
			if name != "." && (base[0] == '.' || base[0] == '_' || base == "testdata") {
				return filepath.SkipDir
			}
			return nil
		}
		if filepath.Ext(name) != ".go" || base[0] == '.' || base[0] == '_' {
			return nil
		}
		syntax, err := parser.ParseFile(tokens, name, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		files = append(files, &sourceFile{path: filepath.ToSlash(name), syntax: syntax, tokens: tokens})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}
