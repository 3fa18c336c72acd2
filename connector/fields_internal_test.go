package connector

import (
	"encoding"
	"reflect"
	"testing"
	"time"
)

// A field that is in none of the tables could be neither said in a DSN nor printed, and nobody would notice.
func TestEachFieldOfAConfigHasATextFormOrIsKnownToHaveNone(t *testing.T) {
	var cfg Config
	value := reflect.ValueOf(&cfg).Elem()
	tables := make(map[string]int)
	names := make(map[string]bool)
	for i := range fields {
		f := &fields[i]
		tables[f.goName]++
		checkNames(t, names, f.name, f.goName)
		at := reflect.ValueOf(f.at(&cfg))
		if is := value.FieldByName(f.goName); !is.IsValid() || at.Pointer() != is.Addr().Pointer() {
			t.Errorf("%s: at points to another field", f.goName)
		}
		switch at.Interface().(type) {
		case *string, *[]string, *int, *bool:
		case *time.Duration:
			if f.zero == zeroIsNone && !f.none {
				t.Errorf("%s: 0 is None, and None is none of its values", f.goName)
			}
		default:
			if _, ok := at.Interface().(encoding.TextUnmarshaler); !ok {
				t.Errorf("%s has a type without a text form, %s", f.goName, at.Type())
			} else if _, ok := at.Interface().(encoding.TextMarshaler); !ok {
				t.Errorf("%s can be read from text and not written", f.goName)
			} else if f.want == "" {
				t.Errorf("%s: nobody says what it should be", f.goName)
			}
		}
	}
	for _, o := range others {
		tables[o.goName]++
		checkNames(t, names, o.name, o.goName)
		if o.show(&cfg) != "" {
			t.Errorf("%s is shown where it is not set", o.goName)
		}
	}
	for _, f := range reflect.VisibleFields(value.Type()) {
		if tables[f.Name] != 1 {
			t.Errorf("Config.%s is in the tables %d times, want once: in fields, or in others if it has no text form", f.Name, tables[f.Name])
		}
		delete(tables, f.Name)
	}
	for name := range tables {
		t.Errorf("there is no Config.%s", name)
	}
}

func checkNames(t *testing.T, seen map[string]bool, name, goName string) {
	t.Helper()
	if fold(name) != fold(goName) || !isName(name) || seen[name] {
		t.Errorf("%s is %q in text: want the same words, once", goName, name)
	}
	seen[name] = true
}
