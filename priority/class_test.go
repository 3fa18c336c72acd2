package priority_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/priority"
)

func TestClassesAreNormalByDefaultAndOrderedByHowMuchTheyMatter(t *testing.T) {
	var zero priority.Class
	if zero != priority.Normal {
		t.Errorf("the zero value is %v, want normal", zero)
	}
	if !(priority.High > priority.Normal && priority.Normal > priority.Low) {
		t.Error("want High > Normal > Low")
	}
	all := priority.Classes()
	if want := [priority.NumClasses]priority.Class{priority.High, priority.Normal, priority.Low}; all != want {
		t.Errorf("Classes() = %v, want %v", all, want)
	}
}

func TestClassSurvivesItsTextForms(t *testing.T) {
	for _, class := range priority.Classes() {
		if !class.Valid() {
			t.Errorf("%v is not valid", class)
		}
		for _, s := range []string{class.String(), strings.ToUpper(class.String()), " " + class.String() + "\n"} {
			got, err := priority.ParseClass(s)
			if err != nil || got != class {
				t.Errorf("ParseClass(%q) = %v, %v; want %v", s, got, err, class)
			}
		}
		text, err := class.MarshalText()
		if err != nil {
			t.Fatal(err)
		}
		var back priority.Class
		if err := back.UnmarshalText(text); err != nil || back != class {
			t.Errorf("UnmarshalText(%q) = %v, %v; want %v", text, back, err, class)
		}
	}
}

func TestClassWorksInJSONAndFlags(t *testing.T) {
	type config struct{ Class priority.Class }
	data, err := json.Marshal(config{priority.High})
	if err != nil || string(data) != `{"Class":"high"}` {
		t.Fatalf("Marshal = %s, %v", data, err)
	}
	var back config
	if err := json.Unmarshal([]byte(`{"Class":"Low"}`), &back); err != nil || back.Class != priority.Low {
		t.Errorf("Unmarshal = %v, %v; want low", back.Class, err)
	}
	if err := json.Unmarshal([]byte(`{"Class":"urgent"}`), &back); err == nil || back.Class != priority.Low {
		t.Errorf("Unmarshal of a bad class = %v, %v; want an error and the value kept", back.Class, err)
	}

	flags := flag.NewFlagSet("test", flag.ContinueOnError)
	var class priority.Class
	flags.TextVar(&class, "class", priority.Normal, "")
	if err := flags.Parse([]string{"-class", "high"}); err != nil || class != priority.High {
		t.Errorf("flag gave %v, %v; want high", class, err)
	}
}

func TestParseClassTakesEmptyForNormalAndRefusesTheRest(t *testing.T) {
	if got, err := priority.ParseClass(""); err != nil || got != priority.Normal {
		t.Errorf(`ParseClass("") = %v, %v; want normal`, got, err)
	}
	for _, s := range []string{"hi", "medium", "1", "high,low", "hoch", "\x00"} {
		got, err := priority.ParseClass(s)
		if err == nil {
			t.Errorf("ParseClass(%q) = %v, want an error", s, got)
			continue
		}
		if got != priority.Normal {
			t.Errorf("ParseClass(%q) = %v beside its error, want normal", s, got)
		}
		if !strings.Contains(err.Error(), fmt.Sprintf("%q", s)) || !strings.Contains(err.Error(), "high, normal or low") {
			t.Errorf("ParseClass(%q): %v: want what was given and what is possible", s, err)
		}
	}
}

func TestValueThatIsNoClassIsVisibleAndServedAsTheNearest(t *testing.T) {
	for bad, nearest := range map[priority.Class]priority.Class{
		-2: priority.Low, -128: priority.Low, 2: priority.High, 127: priority.High,
	} {
		if bad.Valid() {
			t.Errorf("%v is valid", bad)
		}
		if want := fmt.Sprintf("Class(%d)", int8(bad)); bad.String() != want {
			t.Errorf("String() = %q, want %q", bad.String(), want)
		}
		if text, err := bad.MarshalText(); err == nil {
			t.Errorf("MarshalText of %v = %q, want an error", bad, text)
		}
		sem := newSemaphore(t, priority.Limits{Permits: 1})
		permit, err := sem.Acquire(priority.WithClass(t.Context(), bad))
		if err != nil {
			t.Fatal(err)
		}
		if held := sem.Stats().Class(nearest).Held; held != 1 {
			t.Errorf("%v is held as class %v %d times, want once", bad, nearest, held)
		}
		permit.Release()
		if held := sem.Stats().InUse; held != 0 {
			t.Errorf("%d permits of %v are out after the release", held, bad)
		}
	}
}
