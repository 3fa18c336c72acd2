package priority

import (
	"context"
	"time"
)

// NoTimeout as a call's timeout lifts the pool's default.
const NoTimeout time.Duration = -1

// Options are what one call says about itself. A context carries them to wherever they matter.
// The zero value asks for nothing special.
type Options struct {
	// Class is how much the call matters. Defaults to Normal.
	Class Class
	// Timeout bounds each statement of the call, in place of the pool's default. Zero leaves it to the pool's default;
	// NoTimeout lifts the pool's default. The context bounds the call all the same.
	Timeout time.Duration
	// Exempt says that the call is meant to take long, as a migration is: the pool's limits for transactions and for
	// idling in one do not end it, and holding a connection for long is not reported as a leak. Timeout and the context
	// hold all the same.
	Exempt bool
	// Retries, above zero, asks to wait, until the acquire timeout, for what cannot be had at present: for a database
	// that is down, where others are turned away at once. How often is the pool's affair.
	Retries int
	// Label names the call for people: in errors, events, metrics and the list of who holds what. It should come from
	// the program's text, not from its data.
	Label string
	// Statement tells calls without a label apart, where it is learned what calls take: the text of what they run, say.
	Statement string
	// Tenant is on whose behalf the call runs. Inside a class the tenants share by the time that they use; the calls without a
	// tenant are together one of them.
	Tenant string
	// Affinity asks for the connection that last served a call with the same key, where it is idle. Nobody waits for it.
	Affinity string
	// Owner is the line of execution that the call belongs to, nil if that is not known. See [Owner].
	Owner *Owner
	// Coalescing, if set, says how the call's reads share executions with identical ones. It must not be changed.
	Coalescing *Coalescing
	// User is on whose behalf inside the tenant the call runs, for people: in events and in the list of who holds what.
	User string
	// Route names the route that is to serve the call, where there are several. Empty leaves the choice open.
	Route string
	// ReadOnly says that the call only reads, so that a replica may serve it.
	ReadOnly bool
	// Bookmark, if set, is shared by calls of which each is to see what those before it have written. Calls that have an
	// Owner and no Bookmark share one of the owner's.
	Bookmark *Bookmark
	// Settings are what the call's statements are to find set on the server's session: see [WithSetting].
	Settings *Setting
}

// Particular reports whether it matters which permit the call gets, or that it is this call that gets it: whether there is
// an affinity key or an owner.
func (o *Options) Particular() bool { return o.Affinity != "" || o.Owner != nil }

// ctxKey is the one key under which a context carries its Options.
type ctxKey struct{}

// NewContext returns a context that carries o in place of what ctx carried.
func NewContext(ctx context.Context, o Options) context.Context {
	return context.WithValue(ctx, ctxKey{}, &o)
}

// FromContext returns the options that ctx carries, and whether it carries any. Without any they are the zero value.
func FromContext(ctx context.Context) (Options, bool) {
	if o, ok := ctx.Value(ctxKey{}).(*Options); ok {
		return *o, true
	}
	return Options{}, false
}

// Peek returns the options that ctx carries, nil if it carries none, without copying them. They must not be changed.
func Peek(ctx context.Context) *Options {
	o, _ := ctx.Value(ctxKey{}).(*Options)
	return o
}

// change returns a context with a changed copy of ctx's options: whoever holds the old context keeps the old ones.
func change(ctx context.Context, set func(*Options)) context.Context {
	o, _ := FromContext(ctx)
	set(&o)
	return NewContext(ctx, o)
}

// WithClass returns a context whose calls are of class c.
func WithClass(ctx context.Context, c Class) context.Context {
	return change(ctx, func(o *Options) { o.Class = c })
}

// WithTimeout returns a context whose statements may take at most d each. With [NoTimeout] the pool's default does not
// bound them.
func WithTimeout(ctx context.Context, d time.Duration) context.Context {
	return change(ctx, func(o *Options) { o.Timeout = d })
}

// WithRetries returns a context whose calls wait for what cannot be had at present. See [Options.Retries].
func WithRetries(ctx context.Context, n int) context.Context {
	return change(ctx, func(o *Options) { o.Retries = n })
}

// WithLabel returns a context whose calls are named label.
func WithLabel(ctx context.Context, label string) context.Context {
	return change(ctx, func(o *Options) { o.Label = label })
}

// WithTenant returns a context whose calls run on behalf of tenant.
func WithTenant(ctx context.Context, tenant string) context.Context {
	return change(ctx, func(o *Options) { o.Tenant = tenant })
}

// WithUser returns a context whose calls run on behalf of user.
func WithUser(ctx context.Context, user string) context.Context {
	return change(ctx, func(o *Options) { o.User = user })
}

// WithAffinity returns a context whose calls prefer the connection that last served a call with the same key.
func WithAffinity(ctx context.Context, key string) context.Context {
	return change(ctx, func(o *Options) { o.Affinity = key })
}

// WithoutLimits returns a context for calls that are meant to take long, such as a migration: neither the pool's
// statement timeout nor its limits for transactions end them, and nobody reports them as a leak. What the context allows
// bounds them still, and so does a timeout that is set afterwards.
func WithoutLimits(ctx context.Context) context.Context {
	return change(ctx, func(o *Options) { o.Timeout, o.Exempt = NoTimeout, true })
}
