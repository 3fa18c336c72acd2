// Package lifecycle keeps things that are dear to make: it creates them, lends each to one holder at a time, takes them
// back, and ends them, and knows at any time what state each is in, since when, and why it ended. It knows nothing of
// SQL.
//
// [Pool] is the keeper. It can be used on its own for any kind of resource; the connections of poolsql are kept by it.
// What observes it does so through two things: each [Event] that it tells its [Observer], and the snapshots that
// [Pool.Stats] and [Pool.Resources] return.
//
// # How a resource lives
//
//	 Creating ──▶ Idle ◀──▶ InUse ──▶ Closing ──▶ (gone)
//
//	- Creating: begun because somebody waits or the minimum is not met; on a goroutine and with a context of the pool, so
//	  that a caller who leaves wastes nothing. A caller is not tied to the creation that it caused: it takes whatever is
//	  free first. Few run at once.
//	- Idle: on a stack. The last to come back is the first to be lent, so that the others can age and be ended.
//	- InUse: lent to one holder, through a [Handle] that works once.
//	- Closing: counts against the maximum until its destruction has returned.
//
// While creations fail, one at a time is tried, after a pause; as long as there is no resource at all, callers are turned
// away at once with what the last try said, unless they asked for retries.
//
// # Lock
//
// A pool has one mutex. It guards the scheduler that says who goes next, the stack, the counts and every resource's
// state, so that a permit, the resource that goes with it and the caller who gets both change in one step, and a snapshot
// is consistent. Creating, destroying, validating, observing, waking and waiting happen without it. Methods whose names
// end in Locked are called with it held.
package lifecycle
