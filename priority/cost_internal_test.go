package priority

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

// A label made of data is what docs/cost.md warns of: nothing is learned of it, nothing is kept, and what is learned of the others
// stays.
func TestLabelsMadeOfDataAreForgottenAndMakeNobodySlowOrLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		sem, err := NewSemaphore(Limits{Permits: 1, Shedding: ShedOn, SlowAfter: 50 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		use := func(label string, d time.Duration) {
			t.Helper()
			permit, err := sem.Acquire(WithLabel(t.Context(), label))
			if err != nil {
				t.Fatal(err)
			}
			time.Sleep(d)
			permit.Release()
		}
		for i := range 10 * maxLabels {
			use(fmt.Sprint("order ", i), 100*time.Millisecond) // slow, if anybody could know
			if i%50 == 0 {
				use("report", 200*time.Millisecond)
			}
		}

		costs := sem.sched.Costs()
		if len(costs) > 1+maxLabels {
			t.Errorf("%d labels are kept, want at most %d", len(costs)-1, maxLabels)
		}
		report := false
		for _, c := range costs[1:] {
			switch {
			case c.Label == "report":
				report = c.Slow && c.Uses >= costKnown
			case c.Slow:
				t.Errorf("%q is slow after %d uses", c.Label, c.Uses)
			}
		}
		if !report {
			t.Error("what was seen all the time is not known any more")
		}

		held, err := sem.Acquire(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer held.Release()
		hurried, cancel := context.WithTimeout(WithLabel(t.Context(), "order x"), 5*time.Millisecond)
		defer cancel()
		if _, err := sem.Acquire(hurried); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrOverloaded) {
			t.Errorf("a caller of whose label nothing is known: %v; want it to have waited until its deadline", err)
		}
	})
}
