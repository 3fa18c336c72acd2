package priority_test

import (
	"context"
	"fmt"

	"github.com/poolsql/poolsql/priority"
)

func ExampleSemaphore() {
	sem, err := priority.NewSemaphore(priority.Limits{Permits: 8, Reserve: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := priority.WithClass(context.Background(), priority.High)
	permit, err := sem.Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer permit.Release()
	fmt.Println(permit.Class(), sem.Stats().InUse)
	// Output: high 1
}

func ExampleQueue() {
	queue, err := priority.NewQueue(priority.QueueConfig{Concurrency: 2})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := priority.WithLabel(context.Background(), "nightly report")
	err = queue.Do(priority.WithClass(ctx, priority.Low), func(context.Context) error {
		fmt.Println("running:", queue.Stats().Processing)
		return nil
	})
	fmt.Println(err)
	// Output:
	// running: 1
	// <nil>
}
