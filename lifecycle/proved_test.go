package lifecycle_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
	"github.com/poolsql/poolsql/priority"
)

// A leaver is the context of a caller who leaves when it has just been granted what it waits for.
type leaver struct {
	context.Context
	granted func() bool
	asked   int
	over    chan struct{}
}

// Done is asked for before the caller queues, and again when it begins to wait.
func (l *leaver) Done() <-chan struct{} {
	if l.asked++; l.asked == 1 {
		return make(chan struct{})
	}
	if l.asked == 2 {
		for !l.granted() {
			time.Sleep(time.Millisecond)
		}
		close(l.over)
	}
	return l.over
}

func (l *leaver) Err() error {
	if l.asked < 2 {
		return nil
	}
	return context.Canceled
}

// Whoever leaves at the instant of the grant has not validated what he was granted. That falls to the next.
func TestServerIsKnownToServeAgainThoughTheFirstWhoWasGrantedSomethingLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		left := 0
		for range 40 { // whether the grant or the end of the context is seen first is chosen at random
			j := &judge{bad: map[int]bool{1: true}}
			p := newPool(t, &works{}, lifecycle.Config[*thing]{Max: 1, Validate: j.validate})
			_ = call(t.Context(), p, priority.Options{}).refused(t)
			if p.Stats().Failure == nil {
				t.Fatal("what fails its first validation is no failure")
			}
			ctx := &leaver{Context: t.Context(), granted: func() bool { return p.Stats().InUse == 1 }, over: make(chan struct{})}
			h, err := p.AcquireFor(ctx, &lifecycle.Request{Options: priority.Options{Retries: 1}})
			if err == nil {
				h.Release()
				continue
			}
			left++
			h = take(t, p, "")
			h.Release()
			if failure := p.Stats().Failure; failure != nil {
				t.Fatalf("after a lending that went well: %v", failure)
			}
		}
		if left == 0 {
			t.Error("nobody left")
		}
	})
}
