package display_test

import (
	"os"
	"testing"
	"time"

	"github.com/poolsql/poolsql/examples/internal/display"
)

func TestNumbersAreWrittenForPeople(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{display.Number(0), "0"}, {display.Number(999), "999"}, {display.Number(1000), "1,000"},
		{display.Number(-1234567), "-1,234,567"}, {display.Number(int64(-100)), "-100"},
		{display.Milliseconds(410 * time.Microsecond), "0.41 ms"}, {display.Milliseconds(9_999 * time.Microsecond), "10.0 ms"},
		{display.Milliseconds(99_990 * time.Microsecond), "100 ms"}, {display.Milliseconds(1170 * time.Millisecond), "1,170 ms"},
		{display.Rate(9.96), "10.0"}, {display.Rate(1234.5), "1,235"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

func TestAFileIsNoTerminal(t *testing.T) {
	f, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if display.IsTerminal(f) {
		t.Error("a file is taken for a terminal")
	}
}
