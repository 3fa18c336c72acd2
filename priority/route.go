package priority

import (
	"context"
	"sync/atomic"
)

// WithRoute returns a context whose calls are served by the route of that name, where there are routes to choose from.
func WithRoute(ctx context.Context, name string) context.Context {
	return change(ctx, func(o *Options) { o.Route = name })
}

// WithReadOnly returns a context whose calls only read, so that a replica may serve them. It is the caller's word: nobody
// looks whether it is true.
func WithReadOnly(ctx context.Context) context.Context {
	return change(ctx, func(o *Options) { o.ReadOnly = true })
}

// WithBookmark returns a context whose calls see what each of them has written: whoever serves a read among them has what
// was written by those that ended before it began. A nil b takes the bookmark off that ctx carries.
func WithBookmark(ctx context.Context, b *Bookmark) context.Context {
	return change(ctx, func(o *Options) { o.Bookmark = b })
}

// A Bookmark is how far the writes of some calls have come: of one user's session, say, whose requests share it. The zero
// value is one of nobody who has written. It is of one process. Safe for concurrent use; it must not be copied.
type Bookmark struct{ wrote atomic.Int64 }

// NewBookmark returns a bookmark of who wrote last at that time.
func NewBookmark(wrote Time) *Bookmark {
	b := new(Bookmark)
	b.wrote.Store(int64(wrote))
	return b
}

// Mark notes that something was written by now.
func (b *Bookmark) Mark() {
	now := int64(Now())
	for {
		before := b.wrote.Load()
		if before != 0 && before >= now || b.wrote.CompareAndSwap(before, now) {
			return
		}
	}
}

// Wrote returns when something was written last, the zero Time if never.
func (b *Bookmark) Wrote() Time { return Time(b.wrote.Load()) }

// bookmark returns the call's bookmark, or its owner's: what runs one call after the other expects to see what it wrote.
func (o *Options) bookmark() *Bookmark {
	if o.Bookmark == nil && o.Owner != nil {
		return &o.Owner.bookmark
	}
	return o.Bookmark
}

// Wrote returns when something was written last that the call must see, the zero Time if nothing was.
func (o *Options) Wrote() Time {
	if b := o.bookmark(); b != nil {
		return b.Wrote()
	}
	return 0
}

// MarkWrite notes that the call has written something, for those after it that must see it.
func (o *Options) MarkWrite() {
	if b := o.bookmark(); b != nil {
		b.Mark()
	}
}
