package lifecycle_test

import (
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// flood has twice as many callers of a class come for so long as one resource can serve, and returns when all have left.
func flood(t *testing.T, p *lifecycle.Pool[*thing], class priority.Class, d time.Duration) {
	t.Helper()
	var callers sync.WaitGroup
	for end := time.Now().Add(d); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		c := call(t.Context(), p, priority.Options{Class: class, Label: "x"})
		callers.Go(func() {
			if <-c.done; c.err == nil {
				time.Sleep(20 * time.Millisecond)
				c.h.Release()
			}
		})
	}
	callers.Wait()
}

// Whoever reads the log, or looks at a dashboard when all is over, sees when it began, when it ended, and what it cost.
func TestOverloadIsToldAtItsBeginAndAtItsEnd(t *testing.T) {
	for _, mode := range []priority.Shedding{priority.ShedOn, priority.ShedDryRun} {
		t.Run(mode.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var told recorder
				p := newPool(t, &works{}, lifecycle.Config[*thing]{Name: "p", Max: 1, Observer: &told, Rules: lifecycle.Rules{Shedding: mode}})
				for range 10 {
					h := call(t.Context(), p, priority.Options{Class: priority.Low, Label: "x"}).served(t)
					time.Sleep(20 * time.Millisecond)
					h.Release()
				}
				began := time.Now()
				flood(t, p, priority.Low, 3*time.Second)
				s := p.Stats()
				class := s.Class(priority.Low)
				if begun := told.all(lifecycle.KindOverload); len(begun) != 1 || begun[0].Class != priority.Low || begun[0].Code != mode.String() || begun[0].Pool != "p" {
					t.Fatalf("told of its begin: %v", begun)
				}
				if since := class.OverloadedSince; !class.Overloaded || since.Before(began) || time.Since(since) < time.Second {
					t.Errorf("overloaded: %t, since %v after the begin", class.Overloaded, since.Sub(began))
				}
				time.Sleep(time.Minute) // in which nobody comes who could find that it is over
				ended := told.all(lifecycle.KindRelief)
				if len(ended) != 1 {
					t.Fatalf("told of its end: %v", ended)
				}
				shed := class.Refused[priority.Shed] + class.WouldRefuse[priority.Shed]
				if e := ended[0]; e.Count != int(shed) || shed == 0 || e.Duration < time.Second || e.Duration > 15*time.Second || e.Code != mode.String() {
					t.Errorf("its end: %+v; want %d shed, and some seconds", e, shed)
				}
				s = p.Stats()
				if class := s.Class(priority.Low); class.Overloaded || !class.OverloadedSince.IsZero() {
					t.Error("it is overloaded still")
				}
			})
		})
	}
}

func TestAnOverloadThatNobodyLooksForAnyMoreIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told recorder
		p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, Observer: &told, Rules: lifecycle.Rules{Shedding: priority.ShedOn}})
		for range 10 {
			h := call(t.Context(), p, priority.Options{Label: "x"}).served(t)
			time.Sleep(20 * time.Millisecond)
			h.Release()
		}
		flood(t, p, priority.Normal, 2*time.Second)
		configure(t, p, func(s *lifecycle.Settings) { s.Shedding = priority.ShedOff })
		if n := len(told.all(lifecycle.KindRelief)); n != 1 {
			t.Errorf("it was told %d times that it is over", n)
		}
	})
}
