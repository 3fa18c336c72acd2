package pooldriver_test

import (
	"sync/atomic"
	"testing"
	"time"
)

// late is for how long, all in all, the machine has not let this process run when it was time to: what is measured
// while other programs want the processors too is longer by something like that.
var late atomic.Int64

// watchTheMachine counts what is late, for as long as the process lives.
func watchTheMachine() {
	const turn = 5 * time.Millisecond
	for {
		began := time.Now()
		time.Sleep(turn)
		if d := time.Since(began) - turn; d > turn {
			late.Add(int64(d))
		}
	}
}

// A stopwatch measures what must not take long.
type stopwatch struct {
	began time.Time
	late  int64
}

func startWatch() stopwatch { return stopwatch{time.Now(), late.Load()} }

// within reports an error if more than limit has passed, and more than the machine is to blame for.
func (w stopwatch) within(t *testing.T, limit time.Duration, what string) {
	t.Helper()
	took, blame := time.Since(w.began), time.Duration(late.Load()-w.late)
	if took > limit+blame {
		t.Errorf("%s took %s, want %s at most; the machine was late by %s", what, took, limit, blame)
	}
}
