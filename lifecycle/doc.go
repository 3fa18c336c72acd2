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
// # Pauses, owners, leaks
//
// [Pool.Suspend] keeps everything and lends nothing until [Pool.Resume]; [Pool.Quiesce] also waits until nothing is in use.
//
// A call may name its [priority.Owner]. The pool counts what each owner holds and whether it waits, and turns away, at
// once, the caller whose wait would complete a deadlock: when everything that could serve him is held by owners who
// themselves wait. As long as there is one other way, nobody is turned away for it.
//
// What is held for longer than a threshold is told to the observer, once. A lending costs nothing for that: who looks is a
// timer, which finds each in time if it looks once a threshold.
//
// # Lock
//
// A pool has one mutex. It guards the scheduler that says who goes next, the stack, the counts and every resource's
// state, so that a permit, the resource that goes with it and the caller who gets both change in one step, and a snapshot
// is consistent. Creating, destroying, validating, observing, waking and waiting happen without it. Methods whose names
// end in Locked are called with it held.
package lifecycle
