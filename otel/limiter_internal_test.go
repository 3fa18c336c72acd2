package poolotel

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"
)

func newNames(n int) *limiter[string] {
	return newLimiter(n, func(shown string) *string { return &shown })
}

func TestTheFirstNamesAreKeptAndTheRestIsOther(t *testing.T) {
	l := newNames(2)
	for _, c := range []struct{ name, shown string }{
		{"", ""},
		{"a", "a"},
		{other, other}, // takes no place
		{strings.Repeat("x", maxNameBytes+1), other},
		{"b", "b"},
		{"c", other},
		{"a", "a"},
		{"", ""},
	} {
		if got := *l.of(c.name); got != c.shown {
			t.Errorf("%.10q is shown as %q, want %q", c.name, got, c.shown)
		}
	}
}

func TestALimitOfNothingKeepsNothing(t *testing.T) {
	l := newNames(0)
	if got := *l.of("a"); got != other {
		t.Errorf("it is shown as %q", got)
	}
	if got := *l.of(""); got != "" {
		t.Errorf("no name is shown as %q", got)
	}
}

// Two series with the same labels would break the scrape, so names that look the same are one.
func TestNamesThatLookTheSameShareASeries(t *testing.T) {
	l := newNames(10)
	a, b := l.of("a\xff"), l.of("a\xfe")
	if a != b {
		t.Errorf("%q and %q are two", *a, *b)
	}
	if *a != "a\uFFFD" {
		t.Errorf("it is shown as %q", *a)
	}
	for _, name := range []string{"\x00", "tab\t", "line\nbreak", "\x7f", "\xed\xa0\x80", "\u0085"} {
		if got := *l.of(name); !utf8.ValidString(got) || strings.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("%q is shown as %q", name, got)
		}
	}
	for i := range 100 {
		l.of(fmt.Sprintf("%c\xff%d", 0, i))
	}
	if n := len(*l.byName.Load()); n > 11 {
		t.Errorf("%d names are kept, of at most 10 and %q", n, other)
	}
}

// Whoever comes first at once with others: as many are kept as there is room for, and each always gets the same.
func TestALimiterIsBoundedWhateverComesAtOnce(t *testing.T) {
	const room, names, callers = 50, 200, 8
	l := newNames(room)
	var got [callers][names]*string
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range names {
				n := (i*7 + c*31) % names
				v := l.of(fmt.Sprint("label ", n))
				if got[c][n] = v; *v != other && *v != fmt.Sprint("label ", n) {
					t.Errorf("label %d is shown as %q", n, *v)
				}
			}
		})
	}
	wg.Wait()
	kept := 0
	for n := range names {
		last := l.of(fmt.Sprint("label ", n))
		if *last != other {
			kept++
		}
		for c := range callers {
			if got[c][n] != last {
				t.Errorf("label %d was %q, then %q", n, *got[c][n], *last)
			}
		}
	}
	if kept != room {
		t.Errorf("%d are kept, want %d", kept, room)
	}
	all := 0
	l.each(func(*string) { all++ })
	if all != room+2 {
		t.Errorf("each has %d, want %d, none and %q", all, room, other)
	}
}

func TestToLookUpANameAllocatesNothing(t *testing.T) {
	l := newNames(1)
	l.of("kept")
	for _, name := range []string{"", "kept", "too late", other} {
		if n := testing.AllocsPerRun(100, func() { l.of(name) }); n != 0 {
			t.Errorf("%q: %v allocations", name, n)
		}
	}
}

func TestErrorsAreBoundedOverAllLabels(t *testing.T) {
	r, s := keptBy(WithMaxErrorSeries(3))
	for _, e := range []struct{ label, code string }{
		{"a", "23505"}, {"a", "40001"}, {"b", "23505"}, {"b", "40001"}, {"c", "23505"},
		{"a", "23505"}, {"a", "what a server says"}, {"a", "other"}, {"b", "timeout"},
	} {
		r.labels.of(e.label).failed(nobody, 1, 1, e.code)
	}
	counts := map[string]uint64{}
	for _, h := range s.all[idOpDuration] {
		label, _ := h.attrs.Value(keySummary)
		if kind, ok := h.attrs.Value(keyErrorType); ok {
			if _, n, _ := h.read(); n > 0 {
				counts[label.AsString()+" "+kind.AsString()] += n
			}
		}
	}
	for series, want := range map[string]uint64{
		"a 23505": 2, "a 40001": 1, "b 23505": 1, "a _OTHER": 2, "b _OTHER": 2, "c _OTHER": 1,
	} {
		if counts[series] != want {
			t.Errorf("%s: %d, want %d", series, counts[series], want)
		}
		delete(counts, series)
	}
	if len(counts) > 0 {
		t.Errorf("besides: %v", counts)
	}
}
