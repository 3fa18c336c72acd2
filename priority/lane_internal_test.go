package priority

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

// A counter is a desk with one permit, at which the callers of tenants wait, and where time is what the test says.
type counter struct {
	*desk
	now mono.Time
}

func newCounter(t *testing.T) *counter {
	return &counter{desk: newDesk(t, Limits{Permits: 1}), now: mono.Now()}
}

func (c *counter) come(tenant string) {
	c.queueWith(context.Background(), tenant, Options{Class: High, Tenant: tenant}, c.now)
}

// serve has the permit given back, and the next served, whose use of it takes so long.
func (c *counter) serve(took time.Duration) (tenant string) {
	c.t.Helper()
	c.sched.Release(High)
	var batch Batch
	w := c.sched.Next(c.now, &batch)
	if w == nil {
		c.t.Fatal("nobody was next")
	}
	use := w.Use()
	batch.Add(w)
	tenant = c.wake(&batch)[0]
	c.now = c.now.Add(took)
	c.sched.Reckon(use, "", took)
	return tenant
}

// Whoever comes for the first time begins at the lane's clock. Were that to stand still while some who began there wait, all
// who come would go before the one who has had something, for ever.
func TestNewcomersWithoutEndDoNotKeepThoseWaitingWhoAreThere(t *testing.T) {
	for name, took := range map[string]time.Duration{"who take what was expected": guessUnknown, "who take longer": 50 * guessUnknown} {
		t.Run(name, func(t *testing.T) {
			c := newCounter(t)
			newcomers, between, worst, served := 0, 0, 0, 0
			welcome := func() {
				newcomers++
				c.come(fmt.Sprint("newcomer ", newcomers))
			}
			c.come("stays")
			c.come("stays")
			welcome()
			welcome()
			for range 200 {
				c.sched.costs = newCosts() // each is the first of its kind
				if c.serve(took) == "stays" {
					served++
					between = 0
					c.come("stays")
				} else {
					between++
					worst = max(worst, between)
					welcome()
				}
			}
			if worst > 4 || served < 40 { // three wait at any time
				t.Errorf("up to %d newcomers went before the one who was there, who was served %d times of 200", worst, served)
			}
		})
	}
}

// What a tenant has had counts against it as long as others want the same; what nobody else wanted does not, after a while.
func TestDebtsAreKeptForAWhileAndThenForgotten(t *testing.T) {
	for _, tt := range []struct {
		pause time.Duration
		want  string
	}{
		{debtKept / 2, "b"},
		{debtKept + 1, "a"},
	} {
		c := newCounter(t)
		for _, tenant := range []string{"a", "b", "c"} {
			c.come(tenant)
		}
		c.serve(50 * guessUnknown)
		c.serve(guessUnknown)
		c.serve(guessUnknown)
		c.now = c.now.Add(-guessUnknown) // when the last was granted
		c.now = c.now.Add(tt.pause)
		c.come("a")
		c.come("b")
		if got := c.serve(0); got != tt.want {
			t.Errorf("after %s %q is first, want %q: a has had more than its share, and came first", tt.pause, got, tt.want)
		}
	}
}
