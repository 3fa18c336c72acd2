package lifecycle

import "strconv"

// A State is where in its life a resource is.
//
//	Creating ──▶ Idle ◀──▶ InUse ──▶ Closing ──▶ (gone)
//	   │          │                    ▲
//	   │          └────────────────────┤ idle timeout, lifetime, eviction, reset, shrinking, drain
//	   └──▶ (gone, creation failed)    │
//	   └───────────────────────────────┘ the pool was closed or reset meanwhile
//
// Draining is InUse seen from outside when it is settled that the resource will be closed at its release.
type State uint8

// The states.
const (
	Creating State = iota + 1
	Idle
	InUse
	Draining
	Closing
)

// String returns the state's name.
func (s State) String() string {
	switch s {
	case Creating:
		return "creating"
	case Idle:
		return "idle"
	case InUse:
		return "in use"
	case Draining:
		return "draining"
	case Closing:
		return "closing"
	default:
		return "State(" + strconv.Itoa(int(s)) + ")"
	}
}

// An EndReason says why a resource ended.
type EndReason uint8

// The reasons for an end.
const (
	EndNone        EndReason = iota
	EndIdleTimeout           // idle for longer than the idle timeout
	EndMaxLifetime           // reached its maximum age
	EndEvicted               // somebody evicted this one
	EndReset                 // somebody retired all
	EndShrunk                // the maximum was lowered
	EndInvalid               // failed its validation
	EndBroken                // its holder found it broken
	EndBusy                  // its holder left it in the middle of something
	EndPanicked              // its holder panicked
	EndClosed                // the pool was drained or closed
	numEndReasons
)

var endNames = [numEndReasons]string{
	"none", "idle timeout", "max lifetime", "evicted", "reset", "shrunk", "invalid", "broken", "busy", "panicked", "closed",
}

// orBroken returns r if it is a reason to end something, and EndBroken if it is none: who says that a resource is to be
// destroyed, for whatever reason, must not have it lent on.
func (r EndReason) orBroken() EndReason {
	if r == EndNone || r >= numEndReasons {
		return EndBroken
	}
	return r
}

// String returns the reason in words.
func (r EndReason) String() string {
	if r < numEndReasons {
		return endNames[r]
	}
	return "EndReason(" + strconv.Itoa(int(r)) + ")"
}
