package short_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/examples/internal/program"
	"github.com/poolsql/poolsql/examples/internal/short"
)

// A flag that counts for nothing would leave somebody to believe that his own database was shown something.
func TestAnExampleWithItsOwnServersRefusesArguments(t *testing.T) {
	shown := 0
	show := func(_ context.Context, out, _ io.Writer) error {
		shown++
		_, err := io.WriteString(out, "shown")
		return err
	}
	for _, c := range []struct {
		args []string
		said string
	}{
		{[]string{"-dsn", "postgres://app:secret@h/d"}, "flag provided but not defined: -dsn"},
		{[]string{"postgres://app:secret@h/d"}, "takes no arguments"},
	} {
		var out, said bytes.Buffer
		if status := short.RunAlone(t.Context(), "alone", show, c.args, &out, &said); status != program.Usage {
			t.Errorf("%q: status %d", c.args, status)
		}
		if !strings.Contains(said.String(), c.said) || strings.Contains(said.String(), "secret") || out.Len() > 0 || shown > 0 {
			t.Errorf("%q: said %q, wrote %q, shown %d times", c.args, &said, &out, shown)
		}
	}
	var out, said bytes.Buffer
	if status := short.RunAlone(t.Context(), "alone", show, nil, &out, &said); status != program.OK || out.String() != "shown" {
		t.Errorf("without arguments: status %d, wrote %q, said %q", status, &out, &said)
	}
}
