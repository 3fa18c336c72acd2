package pooldriver

import (
	"context"
	"database/sql/driver"
	"hash/maphash"
	"math"
	"sync"
	"time"

	"github.com/poolsql/poolsql/internal/mono"
	"github.com/poolsql/poolsql/priority"
)

// A Coalescer knows which reads are under way that others may share. Of each there is at most one execution that runs, and
// one that does not yet: whoever comes while the first runs waits for the second, so that nobody gets a result that was
// computed before he asked. What nobody waits for is forgotten, so it holds no more than there are callers. Safe for
// concurrent use. NewCoalescer makes it.
type Coalescer struct {
	mu      sync.Mutex
	reads   map[readKey]*read
	waiting int
	avoided map[uint64]avoidance // by the hash of the key
	stats   CoalescerStats

	seed maphash.Seed
}

// CoalescerStats are the numbers of a [Coalescer]. The counters count from the start.
type CoalescerStats struct {
	// Executions counts those that were begun for calls that share, Coalesced the calls that were answered without one of
	// their own. Alone counts calls that were to share, and ran by themselves all the same; Refused those that
	// failed instead, at a cap.
	Executions, Coalesced, Alone, Refused uint64
	// Waiting is how many calls wait for an execution at present, Keys how many different ones.
	Waiting, Keys int
}

// NewCoalescer returns a Coalescer that knows of nothing.
func NewCoalescer() *Coalescer {
	return &Coalescer{
		reads: make(map[readKey]*read), avoided: make(map[uint64]avoidance), seed: maphash.MakeSeed(),
	}
}

// Stats returns the numbers of the instant.
func (c *Coalescer) Stats() CoalescerStats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	s.Waiting, s.Keys = c.waiting, len(c.reads)
	return s
}

// A readKey is what must be the same of calls that share an execution. It holds the texts themselves, and no hashes: two
// that differ never meet.
type readKey struct {
	query, args string
	prepared    bool
	own         string           // priority.Coalescing.Key
	carried     string           // what is told the server of the call, its label if that is, as it is told
	wrote       mono.Time        // what its route must have; 0 if that is nothing, or there are no routes
	call        priority.Options // but for what may differ, so that an option that is new keeps calls apart
	pool        *Options         // the configuration in force
}

// sharedBy returns of a call's options what must be the same of those who share. Of a bookmark that is the time of the last write,
// and of settings what they say: readKey has both.
func sharedBy(o *priority.Options) priority.Options {
	call := *o
	call.Class = priority.Normal // the highest counts
	call.Label, call.Affinity = "", ""
	call.Owner, call.Coalescing = nil, nil
	call.Bookmark, call.Settings = nil, nil
	return call
}

// A read is what is under way for one key. It is there while something is.
type read struct {
	running *execution // was sent; nil if none was
	next    *execution // will be: waits for its connection, or for running to end; nil if nobody asked for it
}

// An execution is a read that is shared.
type execution struct {
	c    *Coalescer
	key  readKey
	src  Source
	args []driver.NamedValue
	st   *stmt
	base context.Context  // of the call that began it, without its end
	opts priority.Options // of that call, but for the class

	maxBytes int       // the most that a caller allows; grows, under mu
	callers  int       // how many wait; under mu
	begun    bool      // has a goroutine; under mu
	dropped  bool      // is none of its read any more: nobody waits for it; under mu
	sent     mono.Time // when it was closed to those who come, 0 if it is not; under mu
	joined   mono.Time // when the first caller came
	ctx      context.Context
	cancel   context.CancelCauseFunc

	// done is closed when the rest is written, or when the callers have gone over to another.
	done     chan struct{}
	moved    *execution
	result   *result
	err      error
	panicked *PanicError
}

// A caller is a call that is to share.
type caller struct {
	ctx   context.Context
	class priority.Class
	want  priority.Coalescing
}

// join finds the caller an execution, made by begin if there is none. It returns nil if there are as many callers as may
// be.
func (c *Coalescer) join(key readKey, who *caller, begin func() *execution) *execution {
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	r := c.reads[key]
	if r == nil {
		r = &read{}
		c.reads[key] = r
	}
	e := r.next
	switch {
	case r.running != nil && who.want.MaxAge > 0 && now.Sub(r.running.sent) <= who.want.MaxAge &&
		r.running.callers < who.want.MaxWaiters:
		e = r.running
	case e == nil:
		e = begin()
		e.joined = now
		r.next = e
	case e.callers >= who.want.MaxWaiters:
		return nil
	case e.begun && who.class > e.opts.Class:
		e = c.promoteLocked(r, who.class)
	}
	e.callers++
	c.waiting++
	e.maxBytes = max(e.maxBytes, who.want.MaxBytes)
	if !e.begun {
		e.opts.Class = max(e.opts.Class, who.class)
		if r.running == nil {
			e.beginLocked()
		}
	}
	return e
}

// promoteLocked has the callers of an execution that queues for its connection go over to one that does so in a higher
// class: whoever just came would else wait in the lower one.
func (c *Coalescer) promoteLocked(r *read, class priority.Class) *execution {
	old := r.next
	e := &execution{
		c: c, key: old.key, src: old.src, args: old.args, st: old.st, base: old.base, opts: old.opts,
		callers: old.callers, maxBytes: old.maxBytes, joined: old.joined, done: make(chan struct{}),
	}
	e.opts.Class = class
	r.next = e
	old.moved, old.callers, old.dropped = e, 0, true
	old.cancel(errMoved)
	close(old.done)
	return e
}

// beginLocked starts the execution.
func (e *execution) beginLocked() {
	e.begun = true
	e.c.stats.Executions++
	ctx := priority.NewContext(e.base, e.opts)
	ctx, e.cancel = context.WithCancelCause(ctx)
	e.ctx = ctx // without a deadline: it ends when the last caller leaves, and who looked at one would hold later callers to it
	go e.run()
}

// send notes that the execution is about to be sent, so that it is closed to those who come from now on. It returns false
// if it must not be: nobody waits for it any more.
func (e *execution) send() bool {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	if e.dropped {
		return false
	}
	if r := e.c.reads[e.key]; r.running != e { // else it is tried again, and next is one that waits for its end
		r.next, r.running = nil, e
	}
	e.sent = mono.Now()
	return true
}

// room reports whether a result may be that large.
func (e *execution) room(size int) bool {
	e.c.mu.Lock()
	defer e.c.mu.Unlock()
	return size <= e.maxBytes
}

// finish hands over what came of the execution, and begins the next.
func (c *Coalescer) finish(e *execution) (callers int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e.cancel(nil)
	if e.dropped {
		return 0
	}
	c.waiting -= e.callers
	if !alone(e.err) {
		c.stats.Coalesced += uint64(e.callers - 1)
	}
	c.removeLocked(e)
	e.dropped = true
	close(e.done)
	return e.callers
}

// leave takes a caller off the execution that he waits for. The last one to leave ends it.
func (c *Coalescer) leave(e *execution) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for e.moved != nil {
		e = e.moved
	}
	if e.dropped { // it has just ended
		return
	}
	e.callers--
	c.waiting--
	if e.callers > 0 {
		return
	}
	e.dropped = true
	if e.begun {
		e.cancel(errNobodyWaits)
	}
	c.removeLocked(e)
}

// removeLocked takes e off its read, begins the one that waited for it to end, and forgets the read if there is nothing.
func (c *Coalescer) removeLocked(e *execution) {
	r := c.reads[e.key]
	if r.running == e {
		r.running = nil
	}
	if r.next == e {
		r.next = nil
	}
	switch {
	case r.running != nil:
	case r.next == nil:
		delete(c.reads, e.key)
	case !r.next.begun:
		r.next.beginLocked()
	}
}

// An avoidance is why calls with a key do not even try to share.
type avoidance struct {
	until mono.Time
	bytes int // results of up to so many were too large
}

const (
	avoidFor   = time.Minute
	maxAvoided = 1024
)

// avoid notes that the result of a key could not be shared, though it may have been of so many bytes: to try that each time
// would double the work. What is noted is a hash, and so it may meet another key, which then is not shared for a while.
func (c *Coalescer) avoid(key readKey, bytes int) {
	hash := maphash.Comparable(c.seed, key)
	now := mono.Now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.avoided) >= maxAvoided {
		for h, a := range c.avoided {
			if now > a.until {
				delete(c.avoided, h)
			}
		}
	}
	if len(c.avoided) >= maxAvoided {
		clear(c.avoided)
	}
	c.avoided[hash] = avoidance{until: now.Add(avoidFor), bytes: bytes}
}

// avoids reports whether results of a key are not to be shared with those who allow so many bytes.
func (c *Coalescer) avoids(key readKey, bytes int) bool {
	c.mu.Lock()
	none := len(c.avoided) == 0
	c.mu.Unlock()
	if none {
		return false
	}
	hash := maphash.Comparable(c.seed, key)
	c.mu.Lock()
	defer c.mu.Unlock()
	a, ok := c.avoided[hash]
	if ok && mono.Now() > a.until {
		delete(c.avoided, hash)
		ok = false
	}
	return ok && bytes <= a.bytes
}

// ranAlone counts a call that was to share, and does not.
func (c *Coalescer) ranAlone() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Alone++
}

// refused counts a call that was to share, could not, and fails for it.
func (c *Coalescer) refused() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stats.Refused++
}

const noSize = math.MaxInt // what no result may be that cannot be shared at all
