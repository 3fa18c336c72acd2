package testdb

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"runtime/pprof"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// ownerLabel is the profiler's label of the goroutines of one test.
const ownerLabel = "poolsql-test"

var lastOwner atomic.Int64

// NoLeaksInParallel is NoLeaks for a test that others run beside. The goroutines
// that the test starts, and those that they start, bear a label of the profiler,
// by which they are told from those of others. What a timer starts bears none,
// as nobody's goroutine started it: Main finds it at the end of all tests.
//
// It does not make the test parallel. A subtest that calls it has a label, and
// databases, of its own.
func NoLeaksInParallel(t testing.TB) {
	t.Helper()
	startCheck(t, &leakCheck{goroutineGrace: goroutineGrace, backendGrace: backendGrace, owner: mark(t)})
}

// mark gives the test's goroutine a label that no other has, and returns it.
func mark(t testing.TB) (owner string) {
	owner = strconv.FormatInt(lastOwner.Add(1), 10) + " " + t.Name()
	pprof.SetGoroutineLabels(pprof.WithLabels(context.Background(), pprof.Labels(ownerLabel, owner)))
	return owner
}

// Main runs the tests of a package, of which so many run at once as parallel
// says, unless -parallel says something else: where tests wait for a server, it
// may be more than there are processors. With tests that have all passed, a
// goroutine that is left at their end is a failure. To be called by TestMain.
func Main(m *testing.M, parallel int) (exitCode int) {
	flag.Parse()
	said := false
	flag.Visit(func(f *flag.Flag) { said = said || f.Name == "test.parallel" })
	if !said {
		if err := flag.Set("test.parallel", strconv.Itoa(parallel)); err != nil {
			panic(err) // it is a flag of the testing package
		}
	}
	before := goroutineIDs()
	if code := m.Run(); code != 0 {
		return code
	}
	if left := goroutinesLeft(before, goroutineGrace); len(left) > 0 {
		fmt.Fprintf(os.Stderr, "testdb: %d goroutines left by some of the tests:\n\n%s\n", len(left), strings.Join(left, "\n\n"))
		return 1
	}
	return 0
}

// ownedLeft is the stacks of the goroutines of that owner which are still there
// at the end of the grace.
func ownedLeft(owner string, grace time.Duration) (left []string) {
	_ = poll(grace, func() (bool, error) { // the function never fails
		left = owned(owner)
		return len(left) == 0, nil
	})
	return left
}

// owned reads the profile in the form for people, in which each stack is told
// with its labels; equal stacks are told once.
func owned(owner string) (stacks []string) {
	var profile bytes.Buffer
	if err := pprof.Lookup("goroutine").WriteTo(&profile, 1); err != nil {
		return []string{"the profile of the goroutines: " + err.Error()}
	}
	label := strconv.Quote(ownerLabel) + ":" + strconv.Quote(owner)
	for stack := range strings.SplitSeq(profile.String(), "\n\n") {
		if strings.Contains(stack, label) && !permanentInProfile(stack) {
			stacks = append(stacks, stack)
		}
	}
	return stacks
}

// permanentInProfile is goroutine.permanent for a profile, in which it is not
// told who created a goroutine: tests and the one that looks are known by name.
func permanentInProfile(stack string) bool {
	for _, mark := range []string{
		"\ttesting.tRunner+",
		"/internal/testdb.owned+",
		"\tos/signal.loop+",
		"/internal/testdb.(*process).waitForExit+",
	} {
		if strings.Contains(stack, mark) {
			return true
		}
	}
	return false
}
