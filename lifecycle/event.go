package lifecycle

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/poolsql/poolsql/priority"
)

// A Kind says what an [Event] is about.
type Kind uint8

// The kinds of events. Each names the fields of Event that it fills, besides Kind, Pool and, where it is about one
// resource, Resource.
const (
	KindAcquire        Kind = iota + 1 // a resource was lent: Context, Class, Label, Tenant, Wait
	KindRelease                        // it came back: Class, Label, Tenant, Duration is how long it was held, Wait how long its holder had queued
	KindRefuse                         // a caller was turned away: Context, Class, Label, Tenant, Wait, Refusal, Err
	KindTimeout                        // the same, because time ran out: Context, Class, Label, Tenant, Wait, Refusal, Err
	KindCreate                         // a resource was created: Duration is how long that took
	KindCreateError                    // one could not be created: Duration, Err
	KindDestroy                        // a resource was destroyed: Reason, Duration is how old it was
	KindDestroyError                   // the same, but destroying it failed: Reason, Duration, Err
	KindInvalid                        // a resource was found to be of no use and is replaced: Reason, Err
	KindEviction                       // idle resources were evicted: Reason, Count
	KindReleaseUnknown                 // somebody released what he did not hold, any more
	KindInitialized                    // Initialize opened the minimum: Count
	KindWarmupComplete                 // Warmup reached its goal: Count
	KindResize                         // minimum and maximum changed: Count is the new maximum
	KindReset                          // every resource is being retired
	KindCleared                        // waiting callers were turned away: Count, Err
	KindDrainStarted                   // no new work is taken: Count is how many are still held
	KindDrainComplete                  // the last resource is gone
	KindClosed                         // the pool was closed
	KindOperation                      // an operation on a resource ended: Context, Class, Label, Tenant, Duration, Count is how many rows were read, -1 if it returns none
	KindError                          // the same, but it failed: besides these, Code
	KindRebound                        // a holder that nobody told of its check-in was found, and its resource taken back
	KindHealthCheck                    // health was judged: Count is the score, Code the status
	KindHealthWarning                  // health was found wanting: Count is the score, Code the status, Err why
	KindHealthError                    // the probe failed: Err
	KindLeak                           // a resource has been held for longer than LeakThreshold: Class, Label, Tenant, Duration, Detail, Stack
	KindNested                         // a caller whose owner holds something already asked for more: Class, Label, Tenant, Count is how much it holds
	KindSuspended                      // lending was suspended: Count is how many are still held
	KindResumed                        // lending was resumed: Count is how many waited for it
	KindRetired                        // a generation of resources was retired: Count is how many there were
	KindRetry                          // an operation is tried again: Context, Class, Label, Tenant, Count is which try it is, Code
	KindCancel                         // the server was asked to cancel an operation: Duration, Count is how often, Code and Err if that failed
	KindPooler                         // something like PgBouncer stands before the server: Code is how statements are run, Err what is wrong with that
	KindCoalesced                      // an operation was shared by several callers: Context, Class, Label, Tenant, Duration, Count is how many they are, Code
	KindRouteOut                       // a route is not chosen at present: Err is why
	KindRouteBack                      // it is chosen again
	KindLimit                          // how many may be lent at once has changed: Before, Count, Code is why
	KindRouteBehind                    // a route is not chosen at present, because it is behind: Duration is how far
	KindOverload                       // a class became overloaded: Class, Code is "on" or, if nobody is turned away for it, "dry-run"
	KindRelief                         // it is overloaded no more: Class, Code, Duration is for how long it was, Count is how many were, or would have been, shed
	numKinds
)

var kindNames = [numKinds]string{
	"", "acquire", "release", "refuse", "timeout", "create", "create-error", "destroy", "destroy-error", "invalid",
	"eviction", "release-unknown", "initialized", "warmup-complete", "resize", "reset", "cleared", "drain-started",
	"drain-complete", "closed", "operation", "error", "rebound", "health-check", "health-warning", "health-error",
	"leak", "nested", "suspended", "resumed", "retired", "retry", "cancel", "pooler", "coalesced",
	"route-out", "route-back", "limit", "route-behind", "overload", "relief",
}

// String returns the kind's name, such as "acquire" or "drain-started".
func (k Kind) String() string {
	if k > 0 && k < numKinds {
		return kindNames[k]
	}
	return "Kind(" + strconv.Itoa(int(k)) + ")"
}

// An Event tells what happened to a pool or to one of its resources. It is a small value: what a kind does not name is
// zero. It never holds an argument, a literal of a statement, a password or a DSN.
type Event struct {
	Kind    Kind
	Class   priority.Class
	Refusal priority.Reason
	Reason  EndReason
	// Context is the caller's, for what it carries: a span, say. It is nil where there is no caller, and may have ended.
	Context context.Context
	// Pool is the pool's name.
	Pool string
	// Resource is the resource's id; ids start at 1 and are never used again.
	Resource uint64
	// Label, Tenant and User are those of the caller; what names Tenant has User too.
	Label, Tenant, User string
	// Wait is how long the caller waited, Duration how long the thing took.
	Wait, Duration time.Duration
	Count          int
	// Before is what Count was.
	Before int
	// Code is the SQLSTATE or another short class of failure, where there is one.
	Code string
	Err  error
	// Detail is what the holder was about to do: Request.Detail.
	Detail string
	// Stack are the program counters of whoever acquired the resource, if they were noted: Request.Stack.
	Stack []uintptr
}

// An Observer is told what happens.
//
// Observe is called on the goroutine to which it happens, with no lock held, so it must be safe for concurrent use and
// should return soon: the caller of the database waits for it. It must not panic: some of these goroutines are the pool's
// own, where a panic ends the program. Events that happen on different goroutines have no order:
// of a resource that changes hands the new holder's acquire may be told before the old one's release.
type Observer interface {
	Observe(Event)
}

// ObserverFunc is a function as an [Observer].
type ObserverFunc func(Event)

// Observe calls f.
func (f ObserverFunc) Observe(e Event) { f(e) }

// Join returns an observer that tells all of these, in their order. Nil ones are left out; of none it returns nil.
func Join(observers ...Observer) Observer {
	observers = slices.DeleteFunc(slices.Clone(observers), func(o Observer) bool { return o == nil })
	switch len(observers) {
	case 0:
		return nil
	case 1:
		return observers[0]
	default:
		all := new(Observers)
		for _, o := range observers {
			all.Add(o)
		}
		return joined{all}
	}
}
