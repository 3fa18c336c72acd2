package pooldriver

import "sync/atomic"

// A Budget keeps retries from becoming the load: when most of what is tried fails, to try it all again doubles what the
// server has to bear. Each operation earns a part of a retry, up to a reserve, and each retry costs a whole one. It is the
// scheme of Finagle's and gRPC's retry budgets. Safe for concurrent use. Init fills it.
type Budget struct{ credit atomic.Int64 }

const (
	retryCost    = 10
	retryEarned  = 2               // an operation's: at most one retry to five operations
	retryReserve = 100 * retryCost // what the first retries after a quiet time may take
)

// Init fills the reserve.
func (b *Budget) Init() { b.credit.Store(retryReserve) }

// earn books an operation whose caller declared it repeatable.
func (b *Budget) earn() {
	for {
		has := b.credit.Load()
		if has >= retryReserve || b.credit.CompareAndSwap(has, min(has+retryEarned, retryReserve)) {
			return
		}
	}
}

// spend books a retry, and reports whether there was credit for it.
func (b *Budget) spend() bool {
	for {
		has := b.credit.Load()
		if has < retryCost {
			return false
		}
		if b.credit.CompareAndSwap(has, has-retryCost) {
			return true
		}
	}
}
