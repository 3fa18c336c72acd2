package health

import (
	"math/bits"
	"sync/atomic"
	"time"
)

// waits count how long callers waited for a connection, in buckets. Each power of two has eight, so that a quantile is off
// by an eighth at most. Those who did not wait are not in it: the pool counts all callers.
//
// The counts may wrap around: only differences over a window mean something.
type waits [waitBuckets]atomic.Uint32

const (
	// leastWait is where the first bucket begins, as a power of two of nanoseconds: 131 µs. What is shorter is a goroutine's
	// wake-up and not a queue.
	leastWait = 17
	// mostWait is where the last bucket begins: 137 s.
	mostWait    = 37
	waitBuckets = (mostWait-leastWait)*8 + 1
)

// add counts one, if it is a wait.
func (w *waits) add(d time.Duration) { w.addAll(d, 1) }

// addAll counts n of the same length.
func (w *waits) addAll(d time.Duration, n uint64) {
	if d >= 1<<leastWait {
		w[waitBucket(d)].Add(uint32(n))
	}
}

// waitBucket returns the bucket of a wait of at least the least.
func waitBucket(d time.Duration) int {
	if d >= 1<<mostWait {
		return waitBuckets - 1
	}
	power := bits.Len64(uint64(d)) - 1
	return (power-leastWait)*8 + int(uint64(d)>>(power-3)&7)
}

// waitBounds returns where a bucket begins and ends.
func waitBounds(bucket int) (from, to time.Duration) {
	if bucket == waitBuckets-1 {
		return 1 << mostWait, 1 << (mostWait + 1)
	}
	power, eighth := leastWait+bucket/8, bucket%8
	width := time.Duration(1) << (power - 3)
	from = time.Duration(8+eighth) * width
	return from, from + width
}

// waitCounts are what was counted up to one instant, or between two.
type waitCounts [waitBuckets]uint32

func (w *waits) read(to *waitCounts) {
	for i := range w {
		to[i] = w[i].Load()
	}
}

func (c *waitCounts) since(before *waitCounts) (diff waitCounts) {
	for i := range c {
		diff[i] = c[i] - before[i]
	}
	return diff
}

// quantile returns the wait that the given part of so many callers did not exceed. Those of them who are not in c did not wait.
func (c *waitCounts) quantile(q float64, callers uint64) time.Duration {
	waited := uint64(0)
	for _, n := range c {
		waited += uint64(n)
	}
	callers = max(callers, waited)
	rank := q*float64(callers) - float64(callers-waited)
	if rank <= 0 {
		return 0
	}
	for i, n := range c {
		if rank <= float64(n) {
			from, to := waitBounds(i)
			return from + time.Duration(rank/float64(n)*float64(to-from))
		}
		rank -= float64(n)
	}
	return 1 << (mostWait + 1) // unreachable but for rounding
}
