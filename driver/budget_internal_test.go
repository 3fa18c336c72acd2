package pooldriver

import (
	"sync"
	"sync/atomic"
	"testing"
)

const reserve = retryReserve / retryCost

func TestBudgetHoldsRetriesToAFifthOfTheOperationsAndTheReserve(t *testing.T) {
	t.Parallel()
	var b Budget
	b.Init()
	const operations = 10_000
	spent := 0
	for range operations {
		b.earn()
		for range 3 { // each wants more than it can have
			if b.spend() {
				spent++
			}
		}
	}
	if limit := reserve + operations/5; spent > limit || spent < limit-1 {
		t.Errorf("%d retries for %d operations, want %d", spent, operations, limit)
	}
}

func TestBudgetKeepsNoMoreThanItsReserve(t *testing.T) {
	t.Parallel()
	var b Budget
	b.Init()
	for range 10_000 {
		b.earn()
	}
	spent := 0
	for b.spend() {
		spent++
	}
	if spent != reserve {
		t.Errorf("%d retries after a quiet time, want %d", spent, reserve)
	}
	for range retryCost / retryEarned {
		if b.spend() {
			t.Fatal("a retry that nothing had earned")
		}
		b.earn()
	}
	if !b.spend() {
		t.Error("no retry for what was earned")
	}
}

func TestBudgetHoldsForManyAtOnce(t *testing.T) {
	t.Parallel()
	var b Budget
	b.Init()
	const workers, each = 16, 5_000
	var spent atomic.Int64
	var all sync.WaitGroup
	for range workers {
		all.Go(func() {
			for range each {
				b.earn()
				if b.spend() {
					spent.Add(1)
				}
			}
		})
	}
	all.Wait()
	for b.spend() {
		spent.Add(1)
	}
	// What is earned while the reserve is full is not kept, so there may be a few less.
	limit := int64(reserve + workers*each/5)
	if n := spent.Load(); n > limit || n < limit-reserve {
		t.Errorf("%d retries, want %d at most and not many less", n, limit)
	}
	if has := b.credit.Load(); has < 0 || has >= retryCost {
		t.Errorf("%d of credit are left", has)
	}
}
