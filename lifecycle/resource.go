package lifecycle

import (
	"slices"
	"sync/atomic"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// A resource is one thing that the pool made. All of it but value, proved and rested is guarded by the pool's mu; value is written
// before the resource first becomes idle, and belongs to the holder while it is held.
type resource[T any] struct {
	id    uint64
	value T

	state      State
	epoch      uint64 // counts lendings: a handle of an earlier one is stale
	generation uint64 // the pool's when its creation began
	doom       EndReason
	uses       uint64
	created    mono.Time
	expires    mono.Time // 0 is never
	since      mono.Time // when it entered its state
	affinity   string    // the last key that it served

	req   *Request       // the holder's; nil while nobody holds it
	class priority.Class // of the permit that is out for it, whatever its holder does to req
	use   priority.Use   // of that permit

	owner    *priority.Owner // its holder's; nil while nobody holds it, or none who has an owner
	done     <-chan struct{} // of the context that it was acquired under, if owner is set
	reported uint64          // the epoch of the last lending that was reported as a leak

	proved  bool          // it has passed a validation; the holder's, as value is
	rested  time.Duration // how long it had been idle when it was lent; the holder's, as value is
	waited  time.Duration // how long its holder had waited for it; the holder's too
	suspect atomic.Bool   // it must prove itself at its next validation
}

func (r *resource[T]) holder(now mono.Time) Holder {
	return Holder{
		Resource: r.id, Class: r.class, Label: r.req.Label, Tenant: r.req.Tenant, Held: now.Sub(r.since),
		Stack: slices.Clone(r.req.Stack), // the request is its holder's again when the resource is back
	}
}

// A Request says on whose behalf a resource is acquired and what for. The pool reads it, under its lock, for as long as
// the resource is held, so that its holder need not pay for a copy: it must not be changed until then, but by the
// handle's Describe and Detach.
type Request struct {
	priority.Options
	// Detail is what the holder is about to do, for the list of who holds what: a statement's text, say.
	Detail string
	// Stack, if set, are the program counters of whoever acquires, as runtime.Callers gives them: for those who look for
	// a leak. They cost a walk along the stack, so the pool does not note them by itself.
	Stack []uintptr

	done <-chan struct{} // of the context of the call under way, if Owner is set
}

// A Handle is the right to use one resource until it is released. Of the copies of a handle only the first to be
// released counts, and a handle released cannot touch the resource in its next holder's hands. The zero value holds
// nothing. Used by one goroutine at a time.
type Handle[T any] struct {
	pool  *Pool[T]
	res   *resource[T]
	epoch uint64
}

// Held reports whether h was acquired and not released through this very variable.
func (h *Handle[T]) Held() bool { return h.res != nil }

// Value returns the resource. It panics on a handle that holds nothing; it does not notice that a copy of the handle was
// released.
func (h *Handle[T]) Value() T { return h.res.value }

// ID returns the resource's id, 0 on a handle that holds nothing.
func (h *Handle[T]) ID() uint64 {
	if h.res == nil {
		return 0
	}
	return h.res.id
}

// Uses returns how often the resource was lent, this time included. Only its holder may ask.
func (h *Handle[T]) Uses() uint64 { return h.res.uses }

// Describe says what the holder is about to do now, for the list of who holds what.
func (h *Handle[T]) Describe(detail string) {
	if h.res == nil {
		return
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.res.epoch == h.epoch && h.res.req != nil {
		h.res.req.Detail = detail
	}
}

// Detach makes the pool go on with a copy of the request that the resource was acquired for, with another detail, so
// that the request may be used anew while the resource is held. The resource does not count as its [priority.Owner]'s
// any more: who holds it now is somebody who gives it back whatever the owner waits for.
func (h *Handle[T]) Detach(detail string) {
	if h.res == nil {
		return
	}
	h.pool.mu.Lock()
	defer h.pool.mu.Unlock()
	if h.res.epoch == h.epoch && h.res.req != nil {
		req := *h.res.req
		req.Detail, req.Owner = detail, nil
		if h.res.owner != nil {
			h.pool.disownLocked(h.res)
		}
		h.res.req = &req
	}
}

// Generation returns the generation that the resource is of; see [Pool.RetireOlder]. It is 0 on a handle that holds
// nothing.
func (h *Handle[T]) Generation() uint64 {
	if h.res == nil {
		return 0
	}
	return h.res.generation
}

// Since returns when the resource was lent. Only its holder may ask.
func (h *Handle[T]) Since() mono.Time { return h.res.since }

// Waited returns how long the holder waited in the queue for the resource, 0 if it got it at once. Only its holder may ask.
func (h *Handle[T]) Waited() time.Duration { return h.res.waited }

// Epoch numbers the lendings of one resource. Only its holder may ask.
func (h *Handle[T]) Epoch() uint64 { return h.epoch }

// Release gives the resource back, to whoever should be next. It does not block. Releasing what is not held, or not any
// more, changes nothing and is told to the observer as KindReleaseUnknown.
func (h *Handle[T]) Release() { h.end(EndNone) }

// Destroy gives the resource back to be destroyed, for reason. It does not block: the destruction is the pool's affair.
func (h *Handle[T]) Destroy(reason EndReason) { h.end(reason.orBroken()) }

func (h *Handle[T]) end(reason EndReason) {
	r, p := h.res, h.pool
	h.res = nil
	if r == nil {
		if p != nil {
			p.emit(Event{Kind: KindReleaseUnknown})
		}
		return
	}
	p.giveBack(r, h.epoch, reason, true)
}
