package priority_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// What takes 20 ms cannot be done in 5.
func ExampleShedding() {
	sem, err := priority.NewSemaphore(priority.Limits{Permits: 1, Shedding: priority.ShedOn})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := priority.WithLabel(context.Background(), "report")
	for range 10 { // from which it learns
		permit, err := sem.Acquire(ctx)
		if err != nil {
			fmt.Println(err)
			return
		}
		time.Sleep(20 * time.Millisecond)
		permit.Release()
	}
	permit, err := sem.Acquire(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer permit.Release()

	hurried, cancel := context.WithTimeout(ctx, 5*time.Millisecond)
	defer cancel()
	_, err = sem.Acquire(hurried)
	var refused *priority.RefusedError
	if errors.Is(err, priority.ErrOverloaded) && errors.As(err, &refused) {
		fmt.Println(refused.Reason, refused.RetryAfter > 0, hurried.Err())
	}
	// Output: too late true <nil>
}

func ExampleWeights() {
	sem, err := priority.NewSemaphore(priority.Limits{
		Permits: 10, TenantWeights: priority.Weights{"gold": 4}, TenantPermits: 3,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	ctx := priority.WithTenant(context.Background(), "gold")
	held := 0
	for {
		if _, ok := sem.TryAcquire(ctx); !ok {
			break
		}
		held++
	}
	fmt.Println(held, "of", sem.Stats().Limit)
	// Output: 3 of 10
}
