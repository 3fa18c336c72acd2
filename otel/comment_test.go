package poolotel_test

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	poolotel "github.com/poolsql/poolsql/otel"
	"github.com/poolsql/poolsql/priority"
)

// inSpan returns a context with a sampled span of another process.
func inSpan(ctx context.Context) context.Context {
	return trace.ContextWithRemoteSpanContext(ctx, trace.NewSpanContext(trace.SpanContextConfig{
		TraceID: trace.TraceID{0x4b, 0xf9, 15: 0x36}, SpanID: trace.SpanID{0x00, 0xf0, 7: 0xb7}, TraceFlags: 0xff,
	}))
}

const parentOfSpan = "00-4bf90000000000000000000000000036-00f00000000000b7-01"

func TestCommentsAreAsSqlcommenterHasThem(t *testing.T) {
	call := priority.NewContext(inSpan(t.Context()), priority.Options{
		Class: priority.High, Label: "check out/pay", Tenant: "acme",
	})
	for _, c := range []struct {
		name   string
		opts   []poolotel.CommentOption
		ctx    context.Context
		stable bool
		want   string
	}{
		{"nothing is known", nil, t.Context(), true, "class='normal'"},
		{"a call", nil, call, true, "class='high',label='check%20out%2Fpay'"},
		{
			"a call whose text is not kept", nil, call, false,
			"class='high',label='check%20out%2Fpay',traceparent='" + parentOfSpan + "'",
		},
		{"its tenant", []poolotel.CommentOption{poolotel.WithCommentTenants()}, call, false,
			"class='high',label='check%20out%2Fpay',tenant='acme',traceparent='" + parentOfSpan + "'"},
		{"its tenant where texts are kept", []poolotel.CommentOption{poolotel.WithCommentTenants()}, call, true,
			"class='high',label='check%20out%2Fpay'"},
		{"tags", []poolotel.CommentOption{
			poolotel.WithCommentTag("zone", "eu"), poolotel.WithCommentApplication("shop"), nil,
			poolotel.WithCommentTag("route", "/param first"), poolotel.WithCommentTag("", "no key"), poolotel.WithCommentTag("no value", ""),
		}, t.Context(), true, "application='shop',class='normal',route='%2Fparam%20first',zone='eu'"},
		{"tags in the place of ours", []poolotel.CommentOption{
			poolotel.WithCommentTag("class", "first"), poolotel.WithCommentTag("class", "second"),
			poolotel.WithCommentTag("label", ""), poolotel.WithCommentTag("traceparent", ""),
		}, call, false, "class='second'"},
		{"keys in the order of what is written", []poolotel.CommentOption{
			poolotel.WithCommentTag("a b", "1"), poolotel.WithCommentTag("a.b", "2"), poolotel.WithCommentTag("a%", "3"),
			poolotel.WithCommentTag("class", ""),
		}, t.Context(), true, "a%20b='1',a%25='3',a.b='2'"},
		{"the specification's value", []poolotel.CommentOption{poolotel.WithCommentTag("name", "DROP TABLE FOO'")},
			t.Context(), true, "class='normal',name='DROP%20TABLE%20FOO%27'"},
		{"a class that is none", nil, priority.WithClass(t.Context(), 77), true, "class='high'"},
		{"a label that is none", nil, priority.WithLabel(t.Context(), strings.Repeat("x", 200)), false, "class='normal',label='other'"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := poolotel.Comments(c.opts...)(c.ctx, c.stable); got != c.want {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestCommentsOfStatementsThatAreKeptAreFew(t *testing.T) {
	comment := poolotel.Comments(poolotel.WithCommentLabels(3))
	seen := map[string]bool{}
	for i := range 1000 {
		ctx := priority.NewContext(inSpan(t.Context()), priority.Options{Label: fmt.Sprint("label ", i), Tenant: fmt.Sprint(i)})
		seen[comment(ctx, true)] = true
	}
	want := []string{"class='normal',label='label%200'", "class='normal',label='label%201'", "class='normal',label='label%202'",
		"class='normal',label='other'"}
	if got := slices.Sorted(maps.Keys(seen)); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
	comment = poolotel.Comments(poolotel.WithCommentLabels(-1))
	if got := comment(priority.WithLabel(t.Context(), "a"), true); got != "class='normal',label='other'" {
		t.Errorf("without room: %s", got)
	}
}

func TestACommentThatIsKnownAllocatesNothing(t *testing.T) {
	comment := poolotel.Comments(poolotel.WithCommentApplication("shop"))
	ctx := priority.WithLabel(inSpan(t.Context()), "checkout")
	comment(ctx, true)
	if n := testing.AllocsPerRun(100, func() { comment(ctx, true) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzComment holds that nothing in a comment can end it, or be anything but one text for the server, and that what was
// put into it comes out again.
func FuzzComment(f *testing.F) {
	f.Add("checkout", "acme", "route", "/pay", int8(0))
	f.Add("*/ drop table a; /*", "'; --", "*/", "\\'", int8(1))
	f.Add("$1 ? :name @x %s {}", "\x00", "a='b',c", "\xff\xfe", int8(-1))
	f.Add("%2a%2f", "ü€", "class", "traceparent", int8(99))
	f.Add("*", "/", "/", "*", int8(0))
	f.Fuzz(func(t *testing.T, label, tenant, key, value string, class int8) {
		comment := poolotel.Comments(poolotel.WithCommentTag(key, value), poolotel.WithCommentTenants(), poolotel.WithCommentLabels(1))
		ctx := priority.NewContext(inSpan(context.Background()), priority.Options{
			Label: label, Tenant: tenant, Class: priority.Class(class),
		})
		for _, stable := range []bool{true, false} {
			got := comment(ctx, stable)
			for _, c := range []byte(got) {
				if !(c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("-_.~%=',", c) >= 0) {
					t.Fatalf("%q in %s", c, got)
				}
			}
			want := map[string]string{"class": priority.Class(min(max(class, -1), 1)).String(), "label": named(label)}
			if !stable {
				want["traceparent"], want["tenant"] = parentOfSpan, named(tenant)
			}
			if key != "" {
				want[clean(key)] = clean(value)
			}
			for k, v := range want {
				if v == "" {
					delete(want, k)
				}
			}
			if pairs := parse(t, got); fmt.Sprint(pairs) != fmt.Sprint(want) {
				t.Fatalf("%s is %v, want %v", got, pairs, want)
			}
		}
	})
}

// named is a label or tenant as a comment has it.
func named(name string) string {
	if len(name) > 128 {
		return "other"
	}
	return clean(name)
}

// clean is text without control characters and with nothing that is no UTF-8.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return utf8.RuneError
		}
		return r
	}, text)
}

// parse reads a comment as sqlcommenter's specification says.
func parse(t *testing.T, comment string) map[string]string {
	t.Helper()
	pairs := map[string]string{}
	if comment == "" {
		return pairs
	}
	last := ""
	for _, pair := range strings.Split(comment, ",") {
		key, quoted, ok := strings.Cut(pair, "=")
		if !ok || len(quoted) < 2 || quoted[0] != '\'' || quoted[len(quoted)-1] != '\'' {
			t.Fatalf("%q in %s", pair, comment)
		}
		if key <= last {
			t.Fatalf("%s comes after %s in %s", key, last, comment)
		}
		last = key
		k, err := url.PathUnescape(key)
		if err != nil {
			t.Fatal(err)
		}
		v, err := url.PathUnescape(strings.ReplaceAll(quoted[1:len(quoted)-1], `\'`, `'`))
		if err != nil {
			t.Fatal(err)
		}
		pairs[k] = v
	}
	return pairs
}

func BenchmarkComment(b *testing.B) {
	comment := poolotel.Comments(poolotel.WithCommentApplication("shop"))
	ctx := priority.WithLabel(inSpan(b.Context()), "checkout")
	for _, stable := range []bool{true, false} {
		b.Run(fmt.Sprintf("stable=%t", stable), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				comment(ctx, stable)
			}
		})
	}
}
