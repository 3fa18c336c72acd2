package priority_test

import (
	"context"
	"fmt"

	"github.com/poolsql/poolsql/priority"
)

// A context carries what a call says about itself to wherever it matters.
func ExampleFromContext() {
	ctx := priority.WithClass(context.Background(), priority.High)
	ctx = priority.WithLabel(ctx, "checkout")
	ctx = priority.WithTenant(ctx, "acme")
	ctx = priority.WithUser(ctx, "ada")
	ctx = priority.WithRetries(ctx, 3)
	ctx = priority.WithAffinity(ctx, "acme")
	o, _ := priority.FromContext(ctx)
	fmt.Println(o.Class, o.Label, o.Tenant, o.User, o.Retries, o.Affinity)

	_, ok := priority.FromContext(context.Background())
	fmt.Println(ok)
	// Output:
	// high checkout acme ada 3 acme
	// false
}

// Middleware sets all of it at once.
func ExampleNewContext() {
	ctx := priority.NewContext(context.Background(), priority.Options{Class: priority.Low, Label: "export"})
	o, _ := priority.FromContext(ctx)
	fmt.Println(o.Class, o.Label)
	// Output: low export
}

func ExampleParseClass() {
	class, err := priority.ParseClass("High")
	fmt.Println(class, err)
	_, err = priority.ParseClass("highest")
	fmt.Println(err)
	// Output:
	// high <nil>
	// priority: "highest" is no class: want high, normal or low
}

// What is meant to take long has no limits but those of its context.
func ExampleWithoutLimits() {
	o, _ := priority.FromContext(priority.WithoutLimits(context.Background()))
	fmt.Println(o.Exempt, o.Timeout == priority.NoTimeout)
	// Output: true true
}

// Goroutines that run beside the one that has an owner belong to none.
func ExampleWithOwner() {
	ctx := priority.WithOwner(context.Background())
	o, _ := priority.FromContext(ctx)
	beside, _ := priority.FromContext(priority.WithoutOwner(ctx))
	fmt.Println(o.Owner != nil, beside.Owner != nil)
	// Output: true false
}

// A user's session, in which each read sees what was written before.
func ExampleWithBookmark() {
	session := priority.NewBookmark(priority.Now()) // as if something had been written just now
	ctx := priority.WithBookmark(context.Background(), session)
	ctx = priority.WithReadOnly(ctx)
	o, _ := priority.FromContext(ctx)
	fmt.Println(o.ReadOnly, o.Wrote() == session.Wrote())

	o, _ = priority.FromContext(priority.WithRoute(ctx, "reports"))
	fmt.Println(o.Route)
	// Output:
	// true true
	// reports
}

// Of two settings of one name the last counts.
func ExampleWithSetting() {
	ctx := priority.WithSetting(context.Background(), "app.region", "eu")
	ctx = priority.WithSetting(ctx, "app.region", "us")
	o, _ := priority.FromContext(ctx)
	fmt.Println(o.Settings.Name, o.Settings.Value, o.Settings.Next == nil)
	// Output: app.region us true
}

func ExampleWithCoalescing() {
	ctx := priority.WithCoalescing(context.Background(), priority.Coalescing{MaxWaiters: 100})
	o, _ := priority.FromContext(ctx)
	fmt.Println(o.Coalescing.MaxWaiters)
	o, _ = priority.FromContext(priority.WithoutCoalescing(ctx))
	fmt.Println(o.Coalescing == nil)
	// Output:
	// 100
	// true
}
