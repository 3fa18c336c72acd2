package testdb

import (
	"fmt"
	"runtime"
	"strings"
	"testing"
)

// fakeTB records what a test would report. Cleanup functions run when told.
type fakeTB struct {
	testing.TB
	cleanups []func()
	errors   []string
	fatal    bool
}

// run calls test, and then what it has registered with Cleanup. When the real
// test has failed meanwhile, it ends here.
func (f *fakeTB) run(test func(t testing.TB)) {
	done := make(chan struct{})
	go func() { // Fatal ends a goroutine
		defer close(done)
		defer f.runCleanups()
		test(f)
	}()
	<-done
	if f.Failed() {
		f.FailNow()
	}
}

func (f *fakeTB) runCleanups() {
	for len(f.cleanups) > 0 {
		last := f.cleanups[len(f.cleanups)-1]
		f.cleanups = f.cleanups[:len(f.cleanups)-1]
		last()
	}
}

func (f *fakeTB) report() string { return strings.Join(f.errors, "\n") }

func (f *fakeTB) Helper()               {}
func (f *fakeTB) Setenv(string, string) {}
func (f *fakeTB) Cleanup(c func())      { f.cleanups = append(f.cleanups, c) }
func (f *fakeTB) Error(args ...any)     { f.errors = append(f.errors, fmt.Sprint(args...)) }
func (f *fakeTB) Errorf(format string, args ...any) {
	f.errors = append(f.errors, fmt.Sprintf(format, args...))
}

func (f *fakeTB) Fatal(args ...any) {
	f.Error(args...)
	f.fatal = true
	runtime.Goexit()
}
