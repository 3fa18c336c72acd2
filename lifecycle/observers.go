package lifecycle

import (
	"slices"
	"sync"
	"sync/atomic"
)

// A Selective observer is told of some kinds of events only. It is asked once for each kind, when it is added; events that
// nobody wants are not even made, so an observer of rare events does not make the common ones dearer.
type Selective interface {
	Observer
	// Wants reports whether the observer is to be told of events of kind k.
	Wants(k Kind) bool
}

// Observers are those who are told what happens to a pool. They may come and go while it is in use. The zero value is
// nobody, and so is a nil *Observers, to which nobody can be added. Added to others, they count as who wants everything,
// since nobody knows who will come. Safe for concurrent use.
type Observers struct {
	mu      sync.Mutex // held to exchange the audience, while nobody is called
	present atomic.Pointer[audience]
	edit    func(*Event) // of events with an error or a detail; nil is as they are
}

// NewObservers returns Observers, nobody as yet, who are told of events as edit leaves them: it is called for each with an
// error, or with a detail, on whatever goroutine that happens.
func NewObservers(edit func(*Event)) *Observers { return &Observers{edit: edit} }

// audienceOf returns o as Observers: itself, if it is that already, so that whoever made it can add to it.
func audienceOf(o Observer) *Observers {
	if l, ok := o.(*Observers); ok {
		return l
	}
	l := new(Observers)
	l.Add(o)
	return l
}

// joined are Observers to whom nobody is added any more, so that what they want together is settled.
type joined struct{ *Observers }

// An audience is who listens at one time. It does not change.
type audience struct {
	members []*member
	wants   kindSet // of all of them
}

// A member is one of an audience.
type member struct {
	Observer
	wants kindSet
}

// A kindSet is a set of kinds.
type kindSet uint64

var _ [64 - numKinds]struct{} // a kindSet has a bit for each

func (s kindSet) has(k Kind) bool { return s&(1<<k) != 0 }

// wishes returns the kinds that o wants. Others may be added to an *Observers when it has been asked.
func wishes(o Observer) kindSet {
	selective, ok := o.(Selective)
	if _, open := o.(*Observers); open || !ok {
		return ^kindSet(0)
	}
	var s kindSet
	for k := Kind(1); k < numKinds; k++ {
		if selective.Wants(k) {
			s |= 1 << k
		}
	}
	return s
}

// Add has o told of what happens from now on, until remove is called. An event that is under way when remove returns may
// still be told. A nil o is nobody.
func (l *Observers) Add(o Observer) (remove func()) {
	if o == nil {
		return func() {}
	}
	m := &member{o, wishes(o)}
	l.change(func(members []*member) []*member { return append(slices.Clip(members), m) })
	return func() {
		l.change(func(members []*member) []*member {
			return slices.DeleteFunc(slices.Clone(members), func(other *member) bool { return other == m })
		})
	}
}

func (l *Observers) change(f func([]*member) []*member) {
	l.mu.Lock()
	defer l.mu.Unlock()
	next := &audience{}
	if before := l.present.Load(); before != nil {
		next.members = before.members
	}
	next.members = f(next.members)
	for _, m := range next.members {
		next.wants |= m.wants
	}
	l.present.Store(next)
}

// Wants reports whether anybody wants events of kind k.
func (l *Observers) Wants(k Kind) bool {
	if l == nil {
		return false
	}
	a := l.present.Load()
	return a != nil && a.wants.has(k)
}

// Observe tells e to those who want its kind, in the order in which they were added. It must not be called with a lock
// held.
func (l *Observers) Observe(e Event) {
	if l == nil {
		return
	}
	a := l.present.Load()
	if a == nil {
		return
	}
	if l.edit != nil && (e.Err != nil || e.Detail != "") && a.wants.has(e.Kind) {
		e = edited(l.edit, e)
	}
	for _, m := range a.members {
		if m.wants.has(e.Kind) {
			m.Observe(e)
		}
	}
}

// edited returns e as edit leaves it. It is on its own since its e is on the heap, and that of the common case is not.
//
//go:noinline
func edited(edit func(*Event), e Event) Event {
	edit(&e)
	return e
}
