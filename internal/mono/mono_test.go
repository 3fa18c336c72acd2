package mono_test

import (
	"math"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
)

func TestTimeCountsWhatPasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := mono.Now()
		time.Sleep(3 * time.Second)
		if got := mono.Since(began); got.Round(time.Microsecond) != 3*time.Second {
			t.Errorf("3 s passed, and the clock says %s", got)
		}
		if got := began.Wall(); time.Since(got).Round(time.Microsecond) != 3*time.Second {
			t.Errorf("3 s ago it was %s by the wall clock, now it is %s", got, time.Now())
		}
		if got := began.Add(time.Minute).Sub(began); got != time.Minute {
			t.Errorf("a minute later is %s later", got)
		}
	})
}

func TestNowIsNeverNever(t *testing.T) {
	for range 1000 {
		if mono.Now() == 0 {
			t.Fatal("the time is 0, which stands for never")
		}
	}
}

func TestAddDoesNotRunBackwardsBeyondTheEndOfTime(t *testing.T) {
	if got := mono.Now().Add(math.MaxInt64); got != math.MaxInt64 {
		t.Errorf("for ever from now is %d", got)
	}
	if got := mono.Time(5).Add(-3); got != 2 {
		t.Errorf("3 ns before 5 is %d", got)
	}
}
