package testdb

import (
	"runtime"
	"strings"
	"time"
)

// goroutine is one stack of runtime.Stack.
type goroutine struct {
	id    string
	stack string
}

// goroutines lists all but the caller's, which comes first.
func goroutines() []goroutine {
	buf := make([]byte, 64<<10)
	n := runtime.Stack(buf, true)
	for n == len(buf) { // full: perhaps cut
		buf = make([]byte, 2*len(buf))
		n = runtime.Stack(buf, true)
	}
	var all []goroutine
	for _, stack := range strings.Split(strings.TrimSpace(string(buf[:n])), "\n\n")[1:] {
		id, _, _ := strings.Cut(strings.TrimPrefix(stack, "goroutine "), " ")
		all = append(all, goroutine{id: id, stack: stack})
	}
	return all
}

func goroutineIDs() map[string]bool {
	ids := map[string]bool{}
	for _, g := range goroutines() {
		ids[g.id] = true
	}
	return ids
}

// goroutinesLeft is the stacks of those that were not there before and are
// still there at the end of the grace.
func goroutinesLeft(before map[string]bool, grace time.Duration) (left []string) {
	_ = poll(grace, func() (bool, error) { // the function never fails
		left = nil
		for _, g := range goroutines() {
			if !before[g.id] && !g.permanent() {
				left = append(left, g.stack)
			}
		}
		return len(left) == 0, nil
	})
	return left
}

// permanent tells goroutines that live as long as the process, whoever happened
// to be first to need them.
func (g goroutine) permanent() bool {
	for _, mark := range []string{
		"\ncreated by testing.",
		"\ncreated by runtime.",
		"\ncreated by os/signal.",
		"/internal/testdb.(*process).waitForExit(", // the shared server's
	} {
		if strings.Contains(g.stack, mark) {
			return true
		}
	}
	return false
}
