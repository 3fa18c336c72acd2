// Package priority decides who goes next and how many at once.
//
// It knows nothing of SQL or of connections. What it offers, from the outside in:
//
//   - [Options] are what one call says about itself: its [Class], tenant, label, timeout. A context carries them, under
//     one key, so that reading them is one lookup ([FromContext]).
//   - A [Semaphore] hands out a limited number of permits by class, and inside a class to one tenant after the other.
//   - A [Queue] runs functions by priority, at most so many at once, for those who have no use for permits.
//   - A [Scheduler] is the semaphore's brain without its lock, for an owner that keeps more state under the same lock.
//     The connection pool in package lifecycle is one: a permit and the connection that goes with it change hands in
//     one step.
//
// # Order
//
// A permit that becomes free goes to the highest class that waits; inside a class the tenants share by the time that they use
// and by weight, and inside a tenant the first to come is the first to go. Two rules temper the order of the classes:
//
//   - A reserve of permits is kept for High: the classes below it together never hold more than the limit less the
//     reserve (but always may hold one).
//   - Aging: a class that waits while higher ones are served gets one grant in every [DefaultAgingShare] that pass it
//     over. It is a share of the grants, never a promotion: a promotion would make High queue behind every Low that is
//     old enough, which is worst when it hurts most.
//
// Further rules are off unless [Limits] have them: turning callers away when more comes than can be served ([Shedding]), caps for
// each tenant, and a share for calls that take long.
//
// Nobody whose context has ended is ever granted a permit, and nobody who left keeps a place in the queue.
//
// # Locks
//
// A Scheduler holds no lock: its owner does, for every call. A Semaphore has one mutex, which guards its Scheduler and
// nothing else; it is never held during a call to foreign code, a channel send or a wait. [Waiter] says which of its
// fields belong to whom at what time.
package priority
