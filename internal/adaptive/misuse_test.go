package adaptive_test

import (
	"slices"
	"testing"
	"time"

	"github.com/poolsql/poolsql/internal/adaptive"
)

// What docs/adaptive.md calls the worst misuse: holders who wait for something else than the database, so that more at once always get
// more done. The limit goes to its maximum, and no further; when all of them come back to compute, it comes down again.
func TestHoldersWhoWaitForSomethingElseDriveTheLimitToItsMaximumAndNoFurther(t *testing.T) {
	for seed := range seeds() {
		w := newWorld(latencyBound(100*time.Millisecond), seed)
		w.spread = 0.1
		l := adaptive.New(adaptive.Bounds{Min: 1, Max: most}, w.now)
		w.run(l, 40*time.Second)
		if top := slices.Max(w.limits); top > most || l.Limit() < most*3/4 {
			t.Errorf("seed %d: the limit is %d and was %d; want near %d, and never above", seed, l.Limit(), top, most)
		}
		w.law = lockBound(8, 5*time.Millisecond)
		w.run(l, 20*time.Second)
		if l.Limit() > most/4 {
			t.Errorf("seed %d: 20 s after they began to compute, the limit is %d", seed, l.Limit())
		}
	}
}
