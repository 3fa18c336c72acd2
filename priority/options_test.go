package priority_test

import (
	"context"
	"testing"
	"time"

	"github.com/poolsql/poolsql/priority"
)

func TestContextWithoutOptionsAsksForNothing(t *testing.T) {
	if o, ok := priority.FromContext(context.Background()); ok || o != (priority.Options{}) {
		t.Errorf("FromContext = %+v, %t; want the zero value and false", o, ok)
	}
}

func TestNewContextReplacesEverythingAtOnce(t *testing.T) {
	first := priority.Options{Class: priority.High, Tenant: "a", Label: "l", Retries: 3}
	ctx := priority.NewContext(context.Background(), first)
	second := priority.Options{Affinity: "k"}
	replaced := priority.NewContext(ctx, second)
	if o, ok := priority.FromContext(replaced); !ok || o != second {
		t.Errorf("FromContext = %+v, %t; want %+v", o, ok, second)
	}
	if o, _ := priority.FromContext(ctx); o != first {
		t.Errorf("the old context now carries %+v, want %+v", o, first)
	}
}

func TestOptionsChangedAfterNewContextDoNotReachTheContext(t *testing.T) {
	o := priority.Options{Tenant: "a"}
	ctx := priority.NewContext(context.Background(), o)
	o.Tenant = "b"
	got, _ := priority.FromContext(ctx)
	if got.Tenant != "a" {
		t.Errorf("tenant is %q, want a", got.Tenant)
	}
	got.Tenant = "c"
	if again, _ := priority.FromContext(ctx); again.Tenant != "a" {
		t.Errorf("tenant is %q after a copy was changed, want a", again.Tenant)
	}
}

func TestEachWithChangesItsFieldAndNoOther(t *testing.T) {
	base := priority.Options{
		Class: priority.Low, Timeout: time.Second, Retries: 1, Label: "l", Tenant: "t", Affinity: "k",
		Owner: new(priority.Owner),
	}
	shared := new(priority.Bookmark)
	for _, tt := range []struct {
		name string
		with func(context.Context) context.Context
		want func(*priority.Options)
	}{
		{
			"WithClass",
			func(ctx context.Context) context.Context { return priority.WithClass(ctx, priority.High) },
			func(o *priority.Options) { o.Class = priority.High },
		},
		{
			"WithTimeout",
			func(ctx context.Context) context.Context { return priority.WithTimeout(ctx, time.Minute) },
			func(o *priority.Options) { o.Timeout = time.Minute },
		},
		{
			"WithRetries",
			func(ctx context.Context) context.Context { return priority.WithRetries(ctx, 7) },
			func(o *priority.Options) { o.Retries = 7 },
		},
		{
			"WithLabel",
			func(ctx context.Context) context.Context { return priority.WithLabel(ctx, "other") },
			func(o *priority.Options) { o.Label = "other" },
		},
		{
			"WithTenant",
			func(ctx context.Context) context.Context { return priority.WithTenant(ctx, "other") },
			func(o *priority.Options) { o.Tenant = "other" },
		},
		{
			"WithAffinity",
			func(ctx context.Context) context.Context { return priority.WithAffinity(ctx, "other") },
			func(o *priority.Options) { o.Affinity = "other" },
		},
		{
			"WithUser",
			func(ctx context.Context) context.Context { return priority.WithUser(ctx, "other") },
			func(o *priority.Options) { o.User = "other" },
		},
		{
			"WithRoute",
			func(ctx context.Context) context.Context { return priority.WithRoute(ctx, "other") },
			func(o *priority.Options) { o.Route = "other" },
		},
		{"WithReadOnly", priority.WithReadOnly, func(o *priority.Options) { o.ReadOnly = true }},
		{
			"WithBookmark",
			func(ctx context.Context) context.Context { return priority.WithBookmark(ctx, shared) },
			func(o *priority.Options) { o.Bookmark = shared },
		},
		{
			"WithoutLimits", priority.WithoutLimits,
			func(o *priority.Options) { o.Timeout, o.Exempt = priority.NoTimeout, true },
		},
		{
			"WithTimeout after WithoutLimits",
			func(ctx context.Context) context.Context {
				return priority.WithTimeout(priority.WithoutLimits(ctx), time.Minute)
			},
			func(o *priority.Options) { o.Timeout, o.Exempt = time.Minute, true },
		},
		{"WithoutOwner", priority.WithoutOwner, func(o *priority.Options) { o.Owner = nil }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, before := range []priority.Options{{}, base} {
				old := context.Background()
				if before != (priority.Options{}) {
					old = priority.NewContext(old, before)
				}
				changed := tt.with(old)
				want := before
				tt.want(&want)
				if got, ok := priority.FromContext(changed); ok != (changed != context.Background()) || got != want {
					t.Errorf("new context carries %+v, %t; want %+v", got, ok, want)
				}
				if got, _ := priority.FromContext(old); got != before {
					t.Errorf("old context carries %+v, want %+v as before", got, before)
				}
			}
		})
	}
}

func TestOptionsTravelThroughDerivedContexts(t *testing.T) {
	type other struct{}
	ctx := priority.WithClass(context.Background(), priority.High)
	ctx = context.WithValue(ctx, other{}, 1)
	ctx, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	ctx = priority.WithTenant(ctx, "a")
	want := priority.Options{Class: priority.High, Tenant: "a"}
	if got, ok := priority.FromContext(ctx); !ok || got != want {
		t.Errorf("FromContext = %+v, %t; want %+v", got, ok, want)
	}
}

func TestPeekShowsWhatFromContextCopies(t *testing.T) {
	if o := priority.Peek(context.Background()); o != nil {
		t.Errorf("Peek of a context without options = %+v, want nil", o)
	}
	want := priority.Options{Class: priority.Low, Tenant: "a"}
	ctx := priority.NewContext(context.Background(), want)
	if o := priority.Peek(ctx); o == nil || *o != want {
		t.Errorf("Peek = %+v, want %+v", o, want)
	}
}

func TestReadingOptionsAllocatesNothing(t *testing.T) {
	ctx, cancel := context.WithCancel(priority.WithTenant(context.Background(), "a"))
	defer cancel()
	for name, ctx := range map[string]context.Context{"with": ctx, "without": context.Background()} {
		var sink priority.Options
		if n := testing.AllocsPerRun(100, func() { sink, _ = priority.FromContext(ctx) }); n != 0 {
			t.Errorf("%s options: FromContext makes %v allocations, want 0", name, n)
		}
		_ = sink
		var peeked *priority.Options
		if n := testing.AllocsPerRun(100, func() { peeked = priority.Peek(ctx) }); n != 0 {
			t.Errorf("%s options: Peek makes %v allocations, want 0", name, n)
		}
		_ = peeked
	}
}
