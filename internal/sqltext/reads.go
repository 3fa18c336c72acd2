package sqltext

import (
	"slices"
	"strings"
)

// Reads reports whether query is one statement that certainly writes nothing, takes no lock and leaves nothing behind with
// its session, as far as a text can tell. It is a SELECT, VALUES or TABLE, with or without WITH, in which no word stands that
// may mean otherwise and no function is called but those that are known to only read. It knows no grammar: whatever it
// does not know, or that has another meaning under some setting of the server, is not certain.
//
// What no text tells is what names stand for: a view, an operator, a cast, or a function of the user's under the name of
// one of the server's, may write. A standby refuses that.
func Reads(query string) bool { return reads(query, false) }

// SeemsToRead reports whether query is one statement that reads as far as a text can tell, for callers who have said
// themselves that it does. It is [Reads] but for two things: it lets functions be called that are not known, unless they are among
// those of the server that leave something behind, and it takes SHOW.
func SeemsToRead(query string) bool { return reads(query, true) }

// reads is Reads, or SeemsToRead if the caller has declared that the query reads.
func reads(query string, declared bool) bool {
	s := scanner{in: query}
	depth, tokens, ended := 0, 0, false
	var last, before token // the one before the present one, and the one before that
	for {
		t := s.next()
		switch {
		case t.kind == tokenBad:
			return false
		case t.kind == tokenEnd:
			return tokens > 0 && depth == 0
		case t.is(';') && depth == 0 && tokens > 0:
			ended = true
			continue
		case ended: // a second statement
			return false
		}
		tokens++
		switch {
		case t.is(';'):
			return false
		case t.is('('):
			depth++
			if tokens > depth && !declared && !mayPrecedeParenthesis(last, before) {
				return false
			}
		case t.is(')'):
			depth--
			if depth < 0 {
				return false
			}
		case t.kind == tokenWord && writes[t.text]:
			return false
		case declared && leavesSomething(t):
			return false
		case tokens == 1+depth && !(t.kind == tokenWord && (begins[t.text] || declared && t.text == "show")): // the first word, behind parentheses
			return false
		}
		before, last = last, t
	}
}

// IsPlain reports whether query begins as a statement that reads or writes rows, and can be part of any transaction. Others
// may end one, or refuse to be in one.
func IsPlain(query string) bool {
	s := scanner{in: query}
	t := s.next()
	return t.kind == tokenWord && plain[t.text]
}

// IsPure reports whether the function of that name is one that [Reads] takes for one that only reads.
func IsPure(function string) bool { return pure[function] }

// leavesSomething reports whether t, with or without a schema before it, names a function of the server that leaves
// something behind, or that depends on what others have.
func leavesSomething(t token) bool {
	if t.kind != tokenWord && t.kind != tokenName {
		return false
	}
	return impure[t.text] || slices.ContainsFunc(impurePrefixes, func(prefix string) bool { return strings.HasPrefix(t.text, prefix) })
}

type tokenKind uint8

const (
	tokenEnd tokenKind = iota
	tokenBad
	tokenWord   // in lower case, not quoted
	tokenName   // quoted, without its quotes
	tokenString // of any kind
	tokenNumber // or parameter
	tokenOther  // one byte
)

type token struct {
	kind tokenKind
	text string
}

func (t token) is(c byte) bool { return t.kind == tokenOther && t.text[0] == c }

// mayPrecedeParenthesis reports whether a parenthesis behind t, which stands behind before, is no call of a function that
// might write.
func mayPrecedeParenthesis(t, before token) bool {
	if before.is('.') && (t.kind == tokenWord || t.kind == tokenName) {
		return false // whatever schema that is
	}
	switch t.kind {
	case tokenWord:
		switch t.text {
		case "over", "filter": // of an aggregate; elsewhere they are names like others
			return before.is(')')
		case "materialized":
			return before.kind == tokenWord && (before.text == "as" || before.text == "not")
		}
		return beforeParenthesis[t.text] || pure[t.text]
	case tokenName:
		return pure[t.text]
	case tokenOther:
		return t.text != "." && t.text != "]" && t.text != ")"
	default: // a string or a number: whatever that is
		return false
	}
}

// A scanner takes tokens from SQL text.
type scanner struct {
	in  string
	pos int
}

func (s *scanner) next() token {
	if !s.skipSpace() {
		return token{kind: tokenBad}
	}
	if s.pos >= len(s.in) {
		return token{}
	}
	rest := s.in[s.pos:]
	switch c := rest[0]; {
	case c == '\'':
		return s.string(rest, 0, false)
	case (c == 'e' || c == 'E') && strings.HasPrefix(rest[1:], "'"):
		return s.string(rest, 1, true)
	case (c == 'n' || c == 'N' || c == 'b' || c == 'B' || c == 'x' || c == 'X') && strings.HasPrefix(rest[1:], "'"):
		return s.string(rest, 1, false)
	case (c == 'u' || c == 'U') && (strings.HasPrefix(rest[1:], "&'") || strings.HasPrefix(rest[1:], `&"`)):
		return token{kind: tokenBad} // spells what it means by numbers
	case c == '"':
		return s.name(rest)
	case c == '$':
		return s.dollar(rest)
	case isDigit(c), c == '.' && len(rest) > 1 && isDigit(rest[1]):
		return s.numberToken(rest)
	case isWord(c):
		end := 1
		for end < len(rest) && isWord(rest[end]) {
			end++
		}
		s.pos += end
		return token{kind: tokenWord, text: lower(rest[:end])}
	case c < ' ' || c == 0x7f || c == '\\':
		return token{kind: tokenBad}
	default:
		s.pos++
		return token{kind: tokenOther, text: rest[:1]}
	}
}

// lower returns word in lower case, as the server has it: of letters beyond ASCII each encoding has its own.
func lower(word string) string {
	for i := range len(word) {
		if c := word[i]; c >= 'A' && c <= 'Z' {
			b := []byte(word)
			for i, c := range b {
				if c >= 'A' && c <= 'Z' {
					b[i] = c + 'a' - 'A'
				}
			}
			return string(b)
		}
	}
	return word
}

// skipSpace skips white space and comments. It reports false where a comment does not end.
func (s *scanner) skipSpace() bool {
	for s.pos < len(s.in) {
		rest := s.in[s.pos:]
		switch {
		case rest[0] == ' ' || rest[0] >= '\t' && rest[0] <= '\r':
			s.pos++
		case strings.HasPrefix(rest, "--"):
			end := strings.IndexAny(rest, "\r\n")
			if end < 0 {
				end = len(rest)
			}
			s.pos += end
		case strings.HasPrefix(rest, "/*"):
			end := commentEnd(rest)
			if end < 0 {
				return false
			}
			s.pos += end
		default:
			return true
		}
	}
	return true
}

// commentEnd returns where the comment ends that text begins with, -1 if it does not. Comments hold comments.
func commentEnd(text string) int {
	depth := 0
	for i := 0; i+1 < len(text); {
		switch text[i : i+2] {
		case "/*":
			depth++
			i += 2
		case "*/":
			depth--
			i += 2
			if depth == 0 {
				return i
			}
		default:
			i++
		}
	}
	return -1
}

// string takes a string whose quote stands at that place. A backslash where none is announced means one thing or another,
// by standard_conforming_strings. A string behind another, on the next line, is one with it, and is not certain where the
// first one has escapes: they go on.
func (s *scanner) string(rest string, quote int, escapes bool) token {
	for i := quote + 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == 0, c == '\\' && !escapes:
			return token{kind: tokenBad}
		case c == '\\':
			i++
		case c == '\'' && i+1 < len(rest) && rest[i+1] == '\'':
			i++
		case c == '\'':
			s.pos += i + 1
			if escapes && s.stringFollows() {
				return token{kind: tokenBad}
			}
			return token{kind: tokenString}
		}
	}
	return token{kind: tokenBad}
}

func (s *scanner) stringFollows() bool {
	after := *s
	return !after.skipSpace() || after.pos < len(after.in) && after.in[after.pos] == '\''
}

func (s *scanner) name(rest string) token {
	for i := 1; i < len(rest); i++ {
		switch c := rest[i]; {
		case c == 0:
			return token{kind: tokenBad}
		case c == '"' && i+1 < len(rest) && rest[i+1] == '"':
			i++
		case c == '"':
			s.pos += i + 1
			return token{kind: tokenName, text: rest[1:i]}
		}
	}
	return token{kind: tokenBad}
}

// dollar takes a parameter, $1, or a string between dollar tags.
func (s *scanner) dollar(rest string) token {
	end := 1
	for end < len(rest) && isWord(rest[end]) && rest[end] != '$' {
		end++
	}
	switch {
	case end < len(rest) && rest[end] == '$' && (end == 1 || !isDigit(rest[1])):
		tag := rest[:end+1]
		i := strings.Index(rest[end+1:], tag)
		if i < 0 {
			return token{kind: tokenBad}
		}
		s.pos += end + 1 + i + len(tag)
		return token{kind: tokenString}
	case end > 1 && isDigit(rest[1]):
		for _, c := range []byte(rest[1:end]) {
			if !isDigit(c) { // "$1from": where the number ends is the version's affair
				return token{kind: tokenBad}
			}
		}
		s.pos += end
		return token{kind: tokenNumber}
	default:
		return token{kind: tokenBad}
	}
}

// numberToken takes a number. Where letters follow at once, it depends on the server's version where it ends.
func (s *scanner) numberToken(rest string) token {
	end := 0
	for end < len(rest) && (isDigit(rest[end]) || rest[end] == '.') {
		end++
	}
	if end < len(rest) && (rest[end] == 'e' || rest[end] == 'E') {
		exp := end + 1
		if exp < len(rest) && (rest[exp] == '+' || rest[exp] == '-') {
			exp++
		}
		from := exp
		for exp < len(rest) && isDigit(rest[exp]) {
			exp++
		}
		if exp == from {
			return token{kind: tokenBad}
		}
		end = exp
	}
	if end < len(rest) && isWord(rest[end]) || strings.Contains(rest[:end], "..") {
		return token{kind: tokenBad}
	}
	s.pos += end
	return token{kind: tokenNumber}
}
