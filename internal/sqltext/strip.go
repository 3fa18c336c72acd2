// Package sqltext takes the data out of SQL text, so that the text can be shown.
package sqltext

import (
	"strings"
	"unicode/utf8"
)

// MaxLength is how many bytes of a statement are shown.
const MaxLength = 2000

// Strip returns query with every literal replaced by a question mark, comments taken out and white space folded. What
// cannot be told apart from a literal is taken for one: an unfinished string ends the text. Names, keywords and
// parameters ($1) stay.
func Strip(query string) string {
	var b strings.Builder
	s := stripper{in: query, out: &b}
	for s.pos < len(s.in) && b.Len() < MaxLength {
		s.step()
	}
	if s.pos < len(s.in) {
		b.WriteString("…")
	}
	return b.String()
}

type stripper struct {
	in    string
	pos   int
	out   *strings.Builder
	space bool // white space is due before the next thing
}

// step takes one token.
func (s *stripper) step() {
	c := s.in[s.pos]
	rest := s.in[s.pos:]
	switch {
	case c <= ' ':
		s.space = s.out.Len() > 0
		s.pos++
	case strings.HasPrefix(rest, "--"):
		s.skipTo("\n")
	case strings.HasPrefix(rest, "/*"):
		s.blockComment()
	case c == '\'':
		s.quoted('\'', false)
		s.emit("?")
	case c == '"':
		start := s.pos
		s.quoted('"', false)
		s.emit(strings.ToValidUTF8(s.in[start:s.pos], "?"))
	case c == '$':
		s.dollar()
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		s.number()
		s.emit("?")
	case isWord(c):
		s.word()
	default:
		s.pos++
		s.emit(string(c))
	}
}

// emit writes one token, and the white space before it.
func (s *stripper) emit(token string) {
	if s.space {
		s.out.WriteByte(' ')
		s.space = false
	}
	s.out.WriteString(token)
}

// skipTo moves behind the next end, or to the end of the text.
func (s *stripper) skipTo(end string) {
	s.space = s.out.Len() > 0
	i := strings.Index(s.in[s.pos:], end)
	if i < 0 {
		s.pos = len(s.in)
		return
	}
	s.pos += i + len(end)
}

// blockComment skips a comment; they nest.
func (s *stripper) blockComment() {
	s.space = s.out.Len() > 0
	depth := 0
	for s.pos < len(s.in) {
		switch rest := s.in[s.pos:]; {
		case strings.HasPrefix(rest, "/*"):
			depth++
			s.pos += 2
		case strings.HasPrefix(rest, "*/"):
			depth--
			s.pos += 2
		default:
			s.pos++
		}
		if depth == 0 {
			return
		}
	}
}

// quoted skips a quoted token. A doubled quote stands for one; so does one behind a backslash where escapes are on.
func (s *stripper) quoted(quote byte, escapes bool) {
	for s.pos++; s.pos < len(s.in); s.pos++ {
		switch c := s.in[s.pos]; {
		case c == '\\' && escapes:
			s.pos++
		case c == quote && s.pos+1 < len(s.in) && s.in[s.pos+1] == quote:
			s.pos++
		case c == quote:
			s.pos++
			return
		}
	}
	s.pos = len(s.in)
}

// dollar takes a parameter, $1, or a string between dollar tags, $tag$…$tag$.
func (s *stripper) dollar() {
	end := s.pos + 1
	if end < len(s.in) && isDigit(s.in[end]) {
		for end < len(s.in) && isDigit(s.in[end]) {
			end++
		}
		s.emit(s.in[s.pos:end])
		s.pos = end
		return
	}
	for end < len(s.in) && isWord(s.in[end]) && s.in[end] != '$' {
		end++
	}
	if end >= len(s.in) || s.in[end] != '$' {
		s.pos++
		s.emit("$")
		return
	}
	tag := s.in[s.pos : end+1]
	s.pos = end + 1
	if i := strings.Index(s.in[s.pos:], tag); i >= 0 {
		s.pos += i + len(tag)
	} else {
		s.pos = len(s.in)
	}
	s.emit("?")
}

// number skips a number, with its fraction, exponent, base and underscores, and whatever is glued to it.
func (s *stripper) number() {
	for s.pos < len(s.in) {
		c := s.in[s.pos]
		sign := (c == '+' || c == '-') && (s.in[s.pos-1] == 'e' || s.in[s.pos-1] == 'E')
		if c != '.' && !sign && !isWord(c) {
			return
		}
		s.pos++
	}
}

// word takes a name or keyword. E'…', B'…', X'…', N'…' and U&'…' are literals with a prefix.
func (s *stripper) word() {
	start := s.pos
	for s.pos < len(s.in) && isWord(s.in[s.pos]) {
		s.pos++
	}
	word := s.in[start:s.pos]
	rest := s.in[s.pos:]
	if len(word) == 1 && strings.HasPrefix(rest, "'") && strings.ContainsAny(word, "eEbBxXnN") {
		s.quoted('\'', word == "e" || word == "E")
		s.emit("?")
		return
	}
	if (word == "u" || word == "U") && strings.HasPrefix(rest, "&'") {
		s.pos++
		s.quoted('\'', false)
		s.emit("?")
		return
	}
	s.emit(strings.ToValidUTF8(word, "?"))
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

func isWord(c byte) bool {
	return c == '_' || c == '$' || isDigit(c) || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= utf8.RuneSelf
}
