package priority

import "context"

// An Owner stands for one line of execution: code that runs one call after the other, on one goroutine or handed from
// one to the next. A call that carries an owner tells the pool who waits while who holds, so that the pool can tell a
// wait that must end from one that cannot: code that holds a connection and asks for a second one may wait for itself.
//
// What the pool concludes rests on this: while one of an owner's calls waits, nobody gives back what the owner holds.
// Goroutines that work side by side need an owner each, or none: see [WithoutOwner].
//
// Owners are told apart by their addresses. One may be used with any number of pools, and by any goroutine.
type Owner struct {
	bookmark Bookmark // of what its calls have written; not empty, as two values of a type without size may have one address
}

// WithOwner returns a context whose calls belong to one [Owner]: the one that ctx carries, else a new one. That it keeps
// an owner that is there is the point: code that runs inside the call of another belongs to the same line of execution,
// whoever marks it once more.
func WithOwner(ctx context.Context) context.Context {
	if o := Peek(ctx); o != nil && o.Owner != nil {
		return ctx
	}
	return change(ctx, func(o *Options) { o.Owner = new(Owner) })
}

// WithoutOwner returns a context whose calls belong to no [Owner]. It is for a goroutine that runs beside the one that
// ctx comes from, and that a [WithOwner] of its own may follow.
func WithoutOwner(ctx context.Context) context.Context {
	if o := Peek(ctx); o == nil || o.Owner == nil {
		return ctx
	}
	return change(ctx, func(o *Options) { o.Owner = nil })
}
