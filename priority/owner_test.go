package priority_test

import (
	"context"
	"testing"

	"github.com/poolsql/poolsql/priority"
)

func ownerOf(ctx context.Context) *priority.Owner {
	o, _ := priority.FromContext(ctx)
	return o.Owner
}

func TestEachMarkMakesAnOwnerOfItsOwn(t *testing.T) {
	base := priority.WithLabel(context.Background(), "l")
	a, b := priority.WithOwner(base), priority.WithOwner(base)
	if ownerOf(a) == nil || ownerOf(b) == nil || ownerOf(a) == ownerOf(b) {
		t.Errorf("the owners are %p and %p", ownerOf(a), ownerOf(b))
	}
	if o, _ := priority.FromContext(a); o.Label != "l" || ownerOf(base) != nil {
		t.Errorf("the new context carries %+v, the old one an owner: %t", o, ownerOf(base) != nil)
	}
	if ownerOf(priority.WithOwner(context.Background())) == nil {
		t.Error("a context without options got no owner")
	}
}

func TestMarkOfOuterCodeIsKeptByInnerCode(t *testing.T) {
	outer := priority.WithOwner(context.Background())
	inner := priority.WithOwner(priority.WithClass(outer, priority.High))
	if ownerOf(inner) != ownerOf(outer) {
		t.Error("marking once more made another owner")
	}
}

func TestGoroutineBesideGetsAnOwnerOfItsOwn(t *testing.T) {
	ctx := priority.WithOwner(priority.WithTenant(context.Background(), "a"))
	beside := priority.WithoutOwner(ctx)
	if o, _ := priority.FromContext(beside); o.Owner != nil || o.Tenant != "a" {
		t.Errorf("without owner: %+v", o)
	}
	if marked := priority.WithOwner(beside); ownerOf(marked) == nil || ownerOf(marked) == ownerOf(ctx) {
		t.Error("it got no owner of its own")
	}
	if plain := context.Background(); priority.WithoutOwner(plain) != plain {
		t.Error("a context without owner was changed")
	}
}

func TestWhoeverHasAKeyOrAnOwnerIsParticular(t *testing.T) {
	for o, want := range map[*priority.Options]bool{
		{}: false,
		{Class: priority.High, Label: "l", Tenant: "t", Retries: 1, Timeout: 1, Exempt: true}: false,
		{Affinity: "k"}:              true,
		{Owner: new(priority.Owner)}: true,
	} {
		if got := o.Particular(); got != want {
			t.Errorf("%+v is particular: %t", o, got)
		}
	}
}
