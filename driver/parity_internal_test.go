package pooldriver

import (
	"database/sql/driver"
	"fmt"
	"go/importer"
	"go/token"
	"go/types"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5/stdlib"
)

// contract is every interface of database/sql/driver with its methods, as reflect prints them.
type contract map[string]map[string]string

// readContract reads the interfaces from the source of the Go in use, so that one that a later version adds takes part
// without being listed here.
func readContract(t *testing.T) contract {
	t.Helper()
	c, err := theContract()
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// theContract is read once, as it takes a while.
var theContract = sync.OnceValues(func() (contract, error) {
	pkg, err := importer.ForCompiler(token.NewFileSet(), "source", nil).Import("database/sql/driver")
	if err != nil {
		return nil, err
	}
	all := contract{}
	for _, name := range pkg.Scope().Names() {
		obj, isType := pkg.Scope().Lookup(name).(*types.TypeName)
		if !isType || !obj.Exported() {
			continue
		}
		iface, isInterface := obj.Type().Underlying().(*types.Interface)
		if !isInterface || iface.NumMethods() == 0 {
			continue
		}
		methods := map[string]string{}
		for m := range iface.Methods() {
			methods[m.Name()] = signature(m.Signature())
		}
		all[name] = methods
	}
	return all, nil
})

// signature is a method's type as reflect prints it, without the receiver.
func signature(s *types.Signature) string {
	list := func(tuple *types.Tuple) []string {
		var texts []string
		for v := range tuple.Variables() {
			text := types.TypeString(v.Type(), func(p *types.Package) string { return p.Name() })
			texts = append(texts, strings.ReplaceAll(text, "any", "interface {}"))
		}
		return texts
	}
	return render(list(s.Params()), list(s.Results()))
}

func render(in, out []string) string {
	return fmt.Sprintf("(%s) (%s)", strings.Join(in, ", "), strings.Join(out, ", "))
}

// implements returns which interfaces of the contract t has, sorted.
func (c contract) implements(t reflect.Type) []string {
	var names []string
	for name, methods := range c {
		if has(t, methods) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func has(t reflect.Type, methods map[string]string) bool {
	for name, want := range methods {
		m, ok := t.MethodByName(name)
		if !ok {
			return false
		}
		var in, out []string
		first := 1 // after the receiver
		if t.Kind() == reflect.Interface {
			first = 0
		}
		for i := first; i < m.Type.NumIn(); i++ {
			in = append(in, strings.ReplaceAll(m.Type.In(i).String(), "[]uint8", "[]byte"))
		}
		for i := range m.Type.NumOut() {
			out = append(out, m.Type.Out(i).String())
		}
		if render(in, out) != want {
			return false
		}
	}
	return true
}

// Lacks is for the test of the connector, which this package may not import.
func Lacks(t *testing.T, ours, theirs reflect.Type) []string {
	return readContract(t).lacks(ours, theirs)
}

// lacks returns what theirs implements and ours does not.
func (c contract) lacks(ours, theirs reflect.Type) []string {
	have := c.implements(ours)
	return slices.DeleteFunc(c.implements(theirs), func(name string) bool { return slices.Contains(have, name) })
}

func TestWhateverPgxImplementsIsImplementedHereToo(t *testing.T) {
	t.Parallel()
	c := readContract(t)
	for _, pair := range []struct {
		name         string
		ours, theirs reflect.Type
		atLeast      string // proof that the comparison sees anything
	}{
		{"connection", reflect.TypeFor[*Session](), reflect.TypeFor[*stdlib.Conn](), "SessionResetter"},
		{"statement", reflect.TypeFor[*stmt](), reflect.TypeFor[*stdlib.Stmt](), "StmtQueryContext"},
		{"rows", reflect.TypeFor[*rows](), reflect.TypeFor[*stdlib.Rows](), "RowsColumnTypePrecisionScale"},
		{"transaction", reflect.TypeFor[*tx](), reflect.TypeFor[driver.Tx](), "Tx"},
	} {
		if theirs := c.implements(pair.theirs); !slices.Contains(theirs, pair.atLeast) {
			t.Errorf("%s: pgx's is found to implement only %q", pair.name, theirs)
		}
		if lacks := c.lacks(pair.ours, pair.theirs); len(lacks) > 0 {
			t.Errorf("%s: ours lacks %q", pair.name, lacks)
		}
	}
	if !slices.Contains(c.implements(reflect.TypeFor[*Session]()), "Validator") {
		t.Error("a session is no driver.Validator, so that no check-in would be seen")
	}
}

// All methods of the concrete type are there too, as those who look behind database/sql may ask for more than its own
// interfaces.
func TestRowsHaveEveryMethodOfPgxRows(t *testing.T) {
	t.Parallel()
	ours, theirs := reflect.TypeFor[*rows](), reflect.TypeFor[*stdlib.Rows]()
	for i := range theirs.NumMethod() {
		name := theirs.Method(i).Name
		if _, ok := ours.MethodByName(name); !ok {
			t.Errorf("rows lack %s", name)
		}
	}
}

// Whatever moves on to the next row is ours, and not only pgx's shown through: database/sql of a later version calls another
// method for it, where there is one, and nobody would hear of the rows.
func TestRowsAreSteppedThroughHere(t *testing.T) {
	ours, seen := reflect.TypeFor[*rows](), 0
	for i := range ours.NumMethod() {
		m := ours.Method(i)
		if !strings.HasPrefix(m.Name, "Next") {
			continue
		}
		seen++
		pc := m.Func.Pointer()
		if file, _ := runtime.FuncForPC(pc).FileLine(pc); file == "<autogenerated>" {
			t.Errorf("%s is pgx's", m.Name)
		}
	}
	if seen == 0 {
		t.Error("rows have no method to step through them")
	}
}

// A comparison that finds nothing proves nothing, unless it finds what is known to be missing.
func TestParityTestSeesWhatANarrowWrapperLoses(t *testing.T) {
	t.Parallel()
	c := readContract(t)
	lost := c.lacks(reflect.TypeFor[struct{ driver.Rows }](), reflect.TypeFor[*stdlib.Rows]())
	want := []string{
		"RowsColumnTypeDatabaseTypeName", "RowsColumnTypeLength", "RowsColumnTypePrecisionScale", "RowsColumnTypeScanType",
	}
	for _, name := range want {
		if !slices.Contains(lost, name) {
			t.Errorf("not seen: a wrapper of driver.Rows loses %s", name)
		}
	}
	lost = c.lacks(reflect.TypeFor[struct{ driver.Conn }](), reflect.TypeFor[*stdlib.Conn]())
	for _, name := range []string{
		"ConnBeginTx", "ConnPrepareContext", "ExecerContext", "NamedValueChecker", "Pinger", "QueryerContext", "SessionResetter",
	} {
		if !slices.Contains(lost, name) {
			t.Errorf("not seen: a wrapper of driver.Conn loses %s", name)
		}
	}
}
