package program_test

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/poolsql/poolsql/examples/internal/program"
)

func TestTheUserIsToldHowAProgramEnded(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	cut, left := errors.New("cut short"), program.LeftBehind(errors.New("a schema"))
	for _, c := range []struct {
		story  string
		ctx    context.Context
		err    error
		status int
		said   string
	}{
		{"well", t.Context(), nil, program.OK, ""},
		{"failed", t.Context(), cut, program.Failed, "x: cut short\n"},
		{"nothing to mark", t.Context(), program.LeftBehind(nil), program.OK, ""},
		{"failed, and left something behind", t.Context(), errors.Join(cut, left), program.Failed, "x: cut short\na schema\n"},
		{"stopped", stopped, cut, program.Interrupted, "x: stopped before the end; nothing is left behind\n"},
		{"stopped, and left something behind", stopped, errors.Join(cut, fmt.Errorf("at the end: %w", left)), program.Interrupted,
			"x: stopped, but not everything is cleaned up: a schema\n"},
	} {
		var stderr strings.Builder
		if status := program.End(c.ctx, "x", c.err, &stderr); status != c.status || stderr.String() != c.said {
			t.Errorf("%s: status %d, %q; want %d, %q", c.story, status, &stderr, c.status, c.said)
		}
	}
}

func TestToAskForHelpIsNoFailure(t *testing.T) {
	if status := program.BadFlags(fmt.Errorf("flags: %w", flag.ErrHelp)); status != program.OK {
		t.Errorf("status %d", status)
	}
	if status := program.BadFlags(errors.New("no such flag")); status != program.Usage {
		t.Errorf("status %d", status)
	}
}
