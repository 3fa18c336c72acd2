package priority_test

import (
	"context"
	"testing"

	"github.com/poolsql/poolsql/priority"
)

func TestABookmarkKnowsTheLastWrite(t *testing.T) {
	var b priority.Bookmark
	o := priority.Options{Bookmark: &b}
	if o.Wrote() != 0 {
		t.Error("written before anything was")
	}
	before := priority.Now()
	o.MarkWrite()
	first := o.Wrote()
	if first < before {
		t.Errorf("written at %d, that was before %d", first, before)
	}
	for o.Wrote() == first {
		o.MarkWrite()
	}
	if o.Wrote() < first {
		t.Error("it ran backwards")
	}
	var nobody priority.Options
	nobody.MarkWrite()
	if nobody.Wrote() != 0 {
		t.Error("nobody has written")
	}
	owned, _ := priority.FromContext(priority.WithOwner(context.Background()))
	owned.MarkWrite()
	other, _ := priority.FromContext(priority.WithOwner(context.Background()))
	if owned.Wrote() == 0 || other.Wrote() != 0 {
		t.Error("an owner has a bookmark of his own")
	}
}

func TestOfTwoSettingsOfOneNameTheLastCounts(t *testing.T) {
	ctx := priority.WithSetting(context.Background(), "a", "1")
	ctx = priority.WithSetting(ctx, "b", "2")
	before, _ := priority.FromContext(ctx)
	after, _ := priority.FromContext(priority.WithSetting(ctx, "a", "3"))
	collect := func(s *priority.Setting) (text string) {
		for ; s != nil; s = s.Next {
			text += s.Name + s.Value + " "
		}
		return text
	}
	if got := collect(after.Settings); got != "a3 b2 " {
		t.Errorf("after: %s", got)
	}
	if got := collect(before.Settings); got != "b2 a1 " {
		t.Errorf("the old context has now: %s", got)
	}
}
