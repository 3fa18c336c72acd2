package lifecycle

import (
	"fmt"
	"path"
	"runtime"
	"strings"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// A Holder is somebody who holds a resource.
type Holder struct {
	Resource      uint64
	Class         priority.Class
	Label, Tenant string
	// Held is for how long.
	Held time.Duration
	// Stack are the program counters of whoever acquired it, if they were noted. See [FormatStack].
	Stack []uintptr
}

// String returns the holder as an error message names it, with the place that acquired it if that is known.
func (h Holder) String() string {
	name := "unlabeled"
	if h.Label != "" {
		name = fmt.Sprintf("%q", h.Label)
	}
	if h.Tenant != "" {
		name += fmt.Sprintf(" of %q", h.Tenant)
	}
	s := fmt.Sprintf("%s (%s) for %s", name, h.Class, h.Held.Round(time.Microsecond))
	if len(h.Stack) > 0 {
		f, _ := runtime.CallersFrames(h.Stack).Next()
		s += fmt.Sprintf(" since %s at %s:%d", path.Base(f.Function), path.Base(f.File), f.Line)
	}
	return s
}

// maxHolders is how many holders an error names: those who have held longest. An error is read by a person.
const maxHolders = 8

// listHolders appends the first of these holders to s, and how many there are besides.
func listHolders(s *strings.Builder, holders []Holder) {
	for i, h := range holders {
		if i == maxHolders {
			fmt.Fprintf(s, " and %d more", len(holders)-i)
			return
		}
		if i == 0 {
			s.WriteString(": ")
		} else {
			s.WriteString(", ")
		}
		s.WriteString(h.String())
	}
}

// FormatStack returns the program counters that a [Request], a [Holder] or an [Event] has as text: of each call, the
// innermost first, a line with the function and a line with its place. Of none it returns the empty string.
func FormatStack(stack []uintptr) string {
	if len(stack) == 0 {
		return ""
	}
	var s strings.Builder
	frames := runtime.CallersFrames(stack)
	for {
		f, more := frames.Next()
		fmt.Fprintf(&s, "%s\n\t%s:%d\n", f.Function, f.File, f.Line)
		if !more {
			return s.String()
		}
	}
}
