package lifecycle_test

import (
	"context"
	"testing"
	"time"

	"github.com/poolsql/poolsql/lifecycle"
)

// A caller who leaves during the first validation of a resource says nothing of the resource: others are served.
func TestLeavingDuringTheFirstValidationIsNoFailedCreation(t *testing.T) {
	entered := make(chan struct{}, 1)
	p, err := lifecycle.NewPool(lifecycle.Config[int]{
		Max:     1,
		Create:  func(context.Context) (int, error) { return 1, nil },
		Destroy: func(context.Context, int) error { return nil },
		Validate: func(ctx context.Context, _ int, _ time.Duration, _ bool) error {
			if ctx.Done() == nil {
				return nil
			}
			entered <- struct{}{}
			<-ctx.Done()
			return ctx.Err()
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { p.Close(); <-p.Done() }()
	ctx, cancel := context.WithCancel(context.Background())
	left := make(chan error, 1)
	go func() { _, err := p.Acquire(ctx); left <- err }()
	<-entered
	cancel()
	if err := <-left; err == nil {
		t.Error("served a caller who had left")
	}
	h, err := p.Acquire(context.Background())
	if err != nil {
		t.Fatalf("the next caller: %v", err)
	}
	h.Release()
}
