package priority_test

import (
	"context"
	"fmt"
	"runtime"
	"sync"

	"github.com/poolsql/poolsql/priority"
)

// One permit, an elephant with thirty callers who wait, and a mouse that comes last: it does not wait for the thirty.
func ExampleWithTenant() {
	sem, err := priority.NewSemaphore(priority.Limits{Permits: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	elephant := priority.WithTenant(context.Background(), "elephant")
	held, err := sem.Acquire(elephant)
	if err != nil {
		fmt.Println(err)
		return
	}

	var served []string // by whoever has the permit
	var all sync.WaitGroup
	wait := func(ctx context.Context, name string, waiting int) {
		all.Go(func() {
			permit, err := sem.Acquire(ctx)
			if err != nil {
				fmt.Println(err)
				return
			}
			served = append(served, name)
			permit.Release()
		})
		for sem.Stats().Waiting < waiting {
			runtime.Gosched()
		}
	}
	for i := range 30 {
		wait(elephant, "elephant", i+1)
	}
	wait(priority.WithTenant(context.Background(), "mouse"), "mouse", 31)
	held.Release()
	all.Wait()

	for place, name := range served {
		if name == "mouse" {
			fmt.Println("the mouse was among the first three:", place < 3)
		}
	}
	// Output: the mouse was among the first three: true
}
