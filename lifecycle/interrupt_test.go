package lifecycle_test

import (
	"context"
	"errors"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// A hurry is what a pool interrupts.
type hurry struct {
	*lifecycle.Pool[*thing]
	hs   []lifecycle.Handle[*thing]
	told []int // the things that were interrupted
}

// newHurry returns a pool with two holders. Both obey an interrupt, or only the second, after this time; 0 is never.
func newHurry(t *testing.T, both bool, after time.Duration) *hurry {
	t.Helper()
	u := &hurry{}
	u.Pool = newPool(t, &works{}, lifecycle.Config[*thing]{Name: "db", Max: 2, Interrupt: func(th *thing) {
		_ = u.Stats() // no lock is held
		u.told = append(u.told, th.id)
		if after > 0 && (both || th.id == 2) {
			time.AfterFunc(after, func() { u.hs[th.id-1].Release() })
		}
	}})
	u.hs = []lifecycle.Handle[*thing]{take(t, u.Pool, "holder 1")}
	time.Sleep(time.Second)
	u.hs = append(u.hs, take(t, u.Pool, "holder 2"))
	return u
}

func TestDrainInterruptsThoseWhoAreLateAndNamesThem(t *testing.T) {
	for name, c := range map[string]struct {
		both  bool
		after time.Duration
		took  time.Duration
		left  int
	}{
		"both obey":   {true, 500 * time.Millisecond, 1500 * time.Millisecond, 0},
		"one obeys":   {false, 500 * time.Millisecond, 3 * time.Second, 1},
		"nobody does": {false, 0, 3 * time.Second, 2},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				u := newHurry(t, c.both, c.after)
				why := errors.New("the process ends")
				ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, why)
				defer cancel()
				start := time.Now()
				err := u.Drain(ctx)
				var e *lifecycle.DrainError
				if !errors.As(err, &e) || !errors.Is(err, why) || len(e.Stragglers) != 2 || e.Interrupted != 2 || e.Left != c.left {
					t.Errorf("Drain said %+v", err)
				}
				if took := time.Since(start); took != c.took {
					t.Errorf("it took %s, want %s", took, c.took)
				}
				slices.Sort(u.told)
				if !slices.Equal(u.told, []int{1, 2}) {
					t.Errorf("interrupted were %v", u.told)
				}
				if want := `poolsql: pool "db": drain ended with 2 still held: "holder 1" (normal) for 2s, "holder 2" (normal) ` +
					`for 1s: the process ends; 2 were interrupted, 1 are held still`; c.left == 1 && err.Error() != want {
					t.Errorf("it says\n%s\nwant\n%s", err, want)
				}
				for i := range u.hs {
					if c.after == 0 || !c.both && i == 0 {
						u.hs[i].Release()
					}
				}
			})
		})
	}
}

func TestDrainInterruptsNobodyWhoIsInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		u := newHurry(t, true, 0)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		time.AfterFunc(999*time.Millisecond, func() { giveAll(u.hs) })
		if err := u.Drain(ctx); err != nil || len(u.told) != 0 {
			t.Errorf("%v; interrupted were %v", err, u.told)
		}
	})
}
