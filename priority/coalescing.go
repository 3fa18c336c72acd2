package priority

import (
	"context"
	"errors"
	"strings"
	"time"
)

// Coalescing says how a call shares the executions of a read with identical calls that run at the same time. That a context
// carries one is the caller's word that its queries are reads whose result may be given to all who ask the same: that
// nothing in them, a volatile function say, is to happen once a call.
//
// The zero value has the pool's defaults, and is as strict as a call of its own: a call never gets a result that was
// computed before it began.
type Coalescing struct {
	// MaxAge allows a call to get the result of an execution that began before the call, by that much at most. Without it a
	// call that comes while an execution runs waits for the next one. Zero is the pool's default, which is none; negative
	// is none.
	MaxAge time.Duration
	// MaxWaiters is how many calls may share one execution. Zero is the pool's default.
	MaxWaiters int
	// MaxBytes is how large a result may become that is shared, as it is kept in memory, about. Of the calls of one
	// execution the one that allows most counts. Zero is the pool's default.
	MaxBytes int
	// AtCap says what becomes of a call for which one of these is exceeded.
	AtCap AtCap
	// Key is what else must be the same of two calls, beside their statements, arguments, tenants, users, settings and limits: whatever
	// the result depends on and none of these says.
	Key string
}

// AtCap says what becomes of a call that cannot share because the cap on calls, or on the size of the result, is reached.
type AtCap uint8

// What may become of it.
const (
	AtCapDefault AtCap = iota // the pool's default, which is RunAlone
	RunAlone                  // it runs by itself
	Refuse                    // it fails
)

// String returns run or fail, and nothing for the default.
func (a AtCap) String() string {
	switch a {
	case RunAlone:
		return "run"
	case Refuse:
		return "fail"
	default:
		return ""
	}
}

// MarshalText implements encoding.TextMarshaler.
func (a AtCap) MarshalText() ([]byte, error) { return []byte(a.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler. It takes run, fail, and nothing.
func (a *AtCap) UnmarshalText(text []byte) error {
	switch strings.ToLower(string(text)) {
	case "":
		*a = AtCapDefault
	case "run":
		*a = RunAlone
	case "fail":
		*a = Refuse
	default:
		return errors.New("want run or fail")
	}
	return nil
}

// WithCoalescing returns a context whose reads share executions with identical ones. It is a declaration: see
// [Coalescing].
func WithCoalescing(ctx context.Context, c Coalescing) context.Context {
	return change(ctx, func(o *Options) { o.Coalescing = &c })
}

// WithoutCoalescing returns a context whose calls run by themselves.
func WithoutCoalescing(ctx context.Context) context.Context {
	if o := Peek(ctx); o == nil || o.Coalescing == nil {
		return ctx
	}
	return change(ctx, func(o *Options) { o.Coalescing = nil })
}

// Or returns c with what is zero in it as it is in defaults.
func (c Coalescing) Or(defaults Coalescing) Coalescing {
	if c.MaxAge == 0 {
		c.MaxAge = defaults.MaxAge
	}
	if c.MaxWaiters <= 0 || defaults.MaxWaiters < 0 {
		c.MaxWaiters = defaults.MaxWaiters
	}
	if c.MaxBytes <= 0 {
		c.MaxBytes = defaults.MaxBytes
	}
	if c.AtCap == AtCapDefault {
		c.AtCap = defaults.AtCap
	}
	return c
}
