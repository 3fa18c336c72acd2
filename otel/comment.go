package poolotel

import (
	"cmp"
	"context"
	"slices"
	"strings"
	"unicode/utf8"

	"go.opentelemetry.io/otel/trace"

	"github.com/poolsql/poolsql/priority"
)

// The keys of comments. Those of sqlcommenter's own list are application and traceparent.
const (
	commentApplication = "application"
	commentClass       = "class"
	commentLabel       = "label"
	commentTenant      = "tenant"
	commentParent      = "traceparent"
)

// A CommentOption changes what [Comments] says.
type CommentOption interface {
	applyComment(commentConfig) commentConfig
}

type commentOptionFunc func(commentConfig) commentConfig

func (f commentOptionFunc) applyComment(c commentConfig) commentConfig { return f(c) }

type commentConfig struct {
	tags    []commentPair // the last of one key counts
	labels  int
	tenants bool
}

// WithCommentApplication says which program it is that runs the statements, as the tag application. An empty name is none.
func WithCommentApplication(name string) CommentOption {
	return WithCommentTag(commentApplication, name)
}

// WithCommentTag adds a tag that every comment has: framework, say, or the version of the program. It takes the place of an
// earlier one with the same key, and of what there would be under that key else; an empty value leaves that out. An empty key
// is none. Keys and values may be any text: they are encoded.
func WithCommentTag(key, value string) CommentOption {
	return commentOptionFunc(func(c commentConfig) commentConfig {
		if key != "" {
			c.tags = append(slices.Clip(c.tags), commentPair{encode(show(key)), show(value)})
		}
		return c
	})
}

// WithCommentLabels says how many labels the comments of statements may have that a connection keeps prepared, as each makes
// another statement of the same text: the first so many that come; the others are called other, and
// with 0 all are. Defaults to DefaultMaxLabels.
func WithCommentLabels(n int) CommentOption {
	return commentOptionFunc(func(c commentConfig) commentConfig { c.labels = max(0, n); return c })
}

// WithCommentTenants has the tenant told too, where a statement's text need not be stable.
func WithCommentTenants() CommentOption {
	return commentOptionFunc(func(c commentConfig) commentConfig { c.tenants = true; return c })
}

// Comments returns what makes the comments of [github.com/poolsql/poolsql/connector.Config], as sqlcommenter has them:
//
//	select … /*application='shop',class='high',label='checkout',traceparent='00-…-01'*/
//
// so that the server's log and pg_stat_activity show which call a statement belongs to. There are the tags of the
// options, the call's class and its label. Where a connection keeps statements by their text, as it does by default,
// that is all, and the labels are bounded: there are as many texts of one statement as there are pairs of class and label.
// Elsewhere the trace's traceparent is there too, and the tenant if an option says so.
//
// What stands in a comment cannot end it: whatever is no letter, digit, or one of -_.~ is percent-encoded. The function is
// safe for concurrent use; a comment that was there before costs no allocation where texts are kept.
func Comments(opts ...CommentOption) func(ctx context.Context, stable bool) string {
	cfg := commentConfig{labels: DefaultMaxLabels}
	for _, o := range opts {
		if o != nil {
			cfg = o.applyComment(cfg)
		}
	}
	c := &commenter{tenants: cfg.tenants}
	for _, tag := range cfg.tags {
		c.tags = put(c.tags, tag)
	}
	c.texts = newLimiter(cfg.labels, c.classTexts)
	return c.comment
}

// A commentPair is a key, encoded, and its value, which is not.
type commentPair struct{ key, value string }

// put returns pairs with p in the place of what has its key.
func put(pairs []commentPair, p commentPair) []commentPair {
	pairs = slices.DeleteFunc(pairs, func(other commentPair) bool { return other.key == p.key })
	return append(pairs, p)
}

// classTexts are the comments of one label, by rank of class.
type classTexts [priority.NumClasses]string

type commenter struct {
	tags    []commentPair // do not change
	tenants bool
	texts   *limiter[classTexts]
}

// comment is what Comments returns.
func (c *commenter) comment(ctx context.Context, stable bool) string {
	var o priority.Options
	if said := priority.Peek(ctx); said != nil {
		o = *said
	}
	if stable {
		return c.texts.of(o.Label)[place(o.Class)]
	}
	pairs := c.pairs(priority.Classes()[place(o.Class)], bounded(o.Label))
	if c.tenants {
		pairs = c.add(pairs, commentTenant, bounded(o.Tenant))
	}
	if span := trace.SpanContextFromContext(ctx); span.IsValid() {
		pairs = c.add(pairs, commentParent, traceparent(span))
	}
	return write(pairs)
}

// classTexts makes the comments of a label.
func (c *commenter) classTexts(label string) *classTexts {
	texts := new(classTexts)
	for i, class := range priority.Classes() {
		texts[i] = write(c.pairs(class, label))
	}
	return texts
}

func (c *commenter) pairs(class priority.Class, label string) []commentPair {
	pairs := make([]commentPair, 0, len(c.tags)+4)
	pairs = append(pairs, c.tags...)
	pairs = c.add(pairs, commentClass, class.String())
	return c.add(pairs, commentLabel, label)
}

// add adds a pair, unless it says nothing or one of the user's tags has its key.
func (c *commenter) add(pairs []commentPair, key, value string) []commentPair {
	if value == "" || slices.ContainsFunc(c.tags, func(tag commentPair) bool { return tag.key == key }) {
		return pairs
	}
	return append(pairs, commentPair{key, value})
}

// place is a class's in priority.Classes. What is no class counts as the nearest, as it does in the queue.
func place(class priority.Class) int {
	return int(priority.High - min(max(class, priority.Low), priority.High))
}

// bounded returns a name as a comment may have it.
func bounded(name string) string {
	if len(name) > maxNameBytes {
		return other
	}
	return show(name)
}

// traceparent writes a span as the W3C's trace context has it.
func traceparent(span trace.SpanContext) string {
	return "00-" + span.TraceID().String() + "-" + span.SpanID().String() + "-" + (span.TraceFlags() & trace.FlagsSampled).String()
}

// write writes pairs in the order of their keys, as sqlcommenter demands. Those without a value are left out.
func write(pairs []commentPair) string {
	slices.SortFunc(pairs, func(a, b commentPair) int { return cmp.Compare(a.key, b.key) })
	var b strings.Builder
	for _, p := range pairs {
		if p.value == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteByte(',')
		}
		b.WriteString(p.key)
		b.WriteString("='")
		b.WriteString(encode(p.value))
		b.WriteByte('\'')
	}
	return b.String()
}

// encode returns text as URLs have it, with nothing left that means something to SQL, to a placeholder or to a format. With
// a quote encoded, there is nothing to escape.
func encode(text string) string {
	const digits = "0123456789ABCDEF"
	plain := strings.IndexFunc(text, func(r rune) bool { return r >= utf8.RuneSelf || !unreserved(byte(r)) }) < 0
	if plain {
		return text
	}
	var b strings.Builder
	for _, c := range []byte(text) {
		if unreserved(c) {
			b.WriteByte(c)
			continue
		}
		b.WriteByte('%')
		b.WriteByte(digits[c>>4])
		b.WriteByte(digits[c&15])
	}
	return b.String()
}

// unreserved reports whether URLs have c as it is wherever it stands.
func unreserved(c byte) bool {
	switch c {
	case '-', '_', '.', '~':
		return true
	default:
		return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
	}
}
