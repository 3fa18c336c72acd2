package pooldriver

import (
	"context"
	"reflect"
	"testing"

	"github.com/poolsql/poolsql/priority"
)

// A keySource is a source, or a router, of whom only a key is wanted.
type keySource struct {
	Router
	opts *Options
}

func (k keySource) Options() *Options          { return k.opts }
func (k keySource) Holds(*priority.Owner) bool { return false }

// keyOf returns what a call under ctx is known by, if it may share.
func keyOf(t *testing.T, opts *Options, routed bool, ctx context.Context) (readKey, bool) {
	t.Helper()
	s := &Session{home: keySource{opts: opts}}
	if routed {
		s.router = keySource{opts: opts}
	}
	key, _, ok := s.readOf(priority.Peek(ctx), opts, &caller{want: priority.Coalescing{MaxWaiters: 2}}, "select 1", nil, nil)
	return key, ok
}

// An option keeps calls apart unless somebody has decided that it does not matter, and why.
func TestWhatAContextCarriesKeepsCallsApart(t *testing.T) {
	elsewhere := map[string]string{
		"Class": "the highest counts", "Label": "names the call for people", "Affinity": "nobody waits for it",
		"Owner": "who holds something does not share", "Coalescing": "each call has caps of its own",
		"Bookmark": "readKey.wrote", "Settings": "readKey.carried",
	}
	of := reflect.TypeFor[priority.Options]()
	for i := range of.NumField() {
		field := of.Field(i)
		var o priority.Options
		v := reflect.ValueOf(&o).Elem().Field(i)
		switch {
		case v.Kind() == reflect.Pointer:
			v.Set(reflect.New(field.Type.Elem()))
		case v.Kind() == reflect.String:
			v.SetString("x")
		case v.Kind() == reflect.Bool:
			v.SetBool(true)
		default:
			v.SetInt(1)
		}
		same := sharedBy(&o) == sharedBy(&priority.Options{})
		if _, known := elsewhere[field.Name]; known != same {
			t.Errorf("calls that differ in %s alone: share is %t, want %t", field.Name, same, known)
		}
	}
}

func TestSettingsThatTheServerIsToldKeepCallsApartByWhatTheySay(t *testing.T) {
	told := &Options{Carried: []Carried{{Name: "app.region"}, {Name: "application_name", From: FromLabel, Default: "shop"}}}
	region := func(value string) context.Context { return priority.WithSetting(t.Context(), "app.region", value) }
	key := func(opts *Options, ctx context.Context) readKey {
		k, ok := keyOf(t, opts, false, ctx)
		if !ok {
			t.Fatal("it does not share")
		}
		return k
	}
	if north, again := key(told, region("north")), key(told, region("north")); north != again {
		t.Error("two contexts that say the same do not share")
	}
	if key(told, region("north")) == key(told, region("south")) {
		t.Error("two regions share")
	}
	named := func(label string) context.Context { return priority.WithLabel(t.Context(), label) }
	if key(told, named("a")) == key(told, named("b")) {
		t.Error("two labels share that the server is told")
	}
	if key(&Options{}, named("a")).call != key(&Options{}, named("b")).call {
		t.Error("two labels do not share that nobody is told")
	}
	for _, wrong := range []context.Context{region("a\x00b"), priority.WithSetting(t.Context(), "app.other", "x")} {
		if _, ok := keyOf(t, told, false, wrong); ok {
			t.Error("a setting that cannot be told is shared")
		}
	}
	if _, ok := keyOf(t, &Options{}, false, region("north")); ok {
		t.Error("a setting of a pool that tells none is shared")
	}
}

func TestWhoMustSeeAWriteDoesNotShareWithWhoNeedNot(t *testing.T) {
	opts := new(Options)
	key := func(routed bool, ctx context.Context) readKey {
		k, _ := keyOf(t, opts, routed, ctx)
		return k
	}
	nobody := priority.WithLabel(t.Context(), "x")
	owner, other := priority.WithOwner(nobody), priority.WithOwner(nobody)
	for _, routed := range []bool{true, false} {
		if key(routed, owner) != key(routed, other) || key(routed, owner) != key(routed, nobody) {
			t.Error("two owners who have written nothing do not share")
		}
	}
	priority.Peek(owner).MarkWrite()
	if key(true, owner) == key(true, nobody) {
		t.Error("an owner who has written shares with somebody who has not")
	}
	if key(false, owner) != key(false, nobody) {
		t.Error("where there are no routes, who has written does not share")
	}
	var b priority.Bookmark
	one, two := priority.WithBookmark(owner, &b), priority.WithBookmark(other, &b)
	b.Mark()
	before := key(true, one)
	if before != key(true, two) || before.wrote != b.Wrote() {
		t.Error("two calls with one bookmark do not share")
	}
	for b.Wrote() == before.wrote {
		b.Mark()
	}
	if key(true, one) == before {
		t.Error("a call after another write shares with one before it")
	}
}
