package dsn

import (
	"errors"
	"fmt"
	"strings"
)

// hidden stands for what is not shown.
const hidden = "xxxxx"

// Show returns the connection string, as it can be shown: its passwords are left out, and so is whatever is not known by
// name, and what somebody may have meant as part of a password. show decides about keys that are not [Known]: it returns
// the value to be shown, and false if there is none. It may be nil.
func (d *DSN) Show(show func(key, value string) (string, bool)) string {
	if show == nil {
		show = func(string, string) (string, bool) { return "", false }
	}
	if d.url && d.server.ambiguous(d.text) {
		return d.server.scheme + "…"
	}
	words := make([]string, len(d.params))
	for i, p := range d.params {
		words[i] = d.word(p.Param, show)
	}
	if !d.url {
		return strings.Join(words, " ")
	}
	s := d.server
	if s.login == ':' {
		s.password = hidden
	}
	if len(words) == 0 {
		return s.text()
	}
	return s.text() + "?" + strings.Join(words, "&")
}

// word returns one parameter as it can be shown.
func (d *DSN) word(p Param, show func(key, value string) (string, bool)) string {
	value := p.Value
	switch {
	case Known(p.Key):
		// With options a client sets whatever an extension or an application has, tokens included.
		if Secret(p.Key) || p.Key == "options" || dubious(value) {
			return p.Key + "=" + hidden
		}
	default:
		var ok bool
		if value, ok = show(p.Key, value); !ok {
			return "…=" + hidden
		}
	}
	if value == "" || strings.ContainsAny(value, space+`&'\`) {
		value = "'" + quote.Replace(value) + "'"
	}
	return p.Key + "=" + value
}

// Public returns the connection string without its secrets, all else as it is written. It fails if it is not certain what
// is a secret: if there is a key that is neither [Known] nor, as own says, the caller's, or if a password may have been
// meant to go on where it has ended.
func (d *DSN) Public(own func(key string) bool) (string, error) {
	if d.url && d.server.ambiguous(d.text) {
		return "", errors.New("it may be meant in another way than it is read: what is special in its user and password " +
			"wants to be percent-encoded")
	}
	for i, p := range d.params {
		switch {
		case !Known(p.Key) && !own(p.Key):
			return "", fmt.Errorf("its parameter %d is neither of libpq, pgx or PostgreSQL nor of the pool, and may be a secret", i+1)
		case !Secret(p.Key) && p.Key != "options" && dubious(p.Value):
			return "", fmt.Errorf("its parameter %d has more in it than one value: wants quotation marks", i+1)
		}
	}
	return d.Without(Secret), nil
}

// dubious reports whether a value looks as if more were in it than belongs there: in "host= password=secret" the host is
// "password=secret".
func dubious(value string) bool {
	return strings.Contains(value, "=") || strings.Contains(value, "@") && strings.ContainsAny(value, ":/")
}

// ambiguous reports whether a URL may be meant in another way than it is read. An @, / or ? in a password wants to be
// encoded; if it is not, the rest of the password is somewhere else.
func (s *server) ambiguous(text string) bool {
	_, ports := s.lists()
	return strings.Count(text, "@") > 1 || s.login == 0 && strings.Contains(text, "@") ||
		strings.Contains(s.user+s.password, "?") || strings.ContainsAny(s.user+s.hosts+s.path, "=&") ||
		strings.Trim(ports, "0123456789,") != ""
}
