package priority

import "context"

// A Setting is one that the statements of a call are to find on the server's session, and the next: a list, that does not
// change.
type Setting struct {
	Name, Value string
	Next        *Setting
}

// WithSetting returns a context whose statements find the setting of that name to be value: current_setting('app.user'),
// say, in a policy for row-level security. The name is that of a custom setting, with a period in it, or of one that the
// server has; see package connector about what is sent when. Of two of one name the last counts.
func WithSetting(ctx context.Context, name, value string) context.Context {
	return change(ctx, func(o *Options) { o.Settings = o.Settings.with(name, value) })
}

// with returns the list with one more, and without an earlier one of that name.
func (s *Setting) with(name, value string) *Setting {
	return &Setting{Name: name, Value: value, Next: s.without(name)}
}

func (s *Setting) without(name string) *Setting {
	switch {
	case s == nil:
		return nil
	case s.Name == name:
		return s.Next // there is one of a name at most
	}
	next := s.Next.without(name)
	if next == s.Next {
		return s
	}
	return &Setting{Name: s.Name, Value: s.Value, Next: next}
}
